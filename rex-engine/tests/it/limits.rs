//! ATTACKS 14: whatever a script does, it ends in time, with a report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rex_core::{Code, Limits};
use rex_engine::{Engine, Input};
use rex_sdk::MemOs;

use crate::worlds::{engine, fails, input, run, run_within};

fn small() -> Limits {
    Limits { wall_ms: 2_000, memory_bytes: 32 << 20, ..Limits::default() }
}

#[track_caller]
fn exceeds(script: &str, limits: Limits, name: &str) {
    let start = Instant::now();
    let report = run_within(script, limits);
    fails(&report, Code::LimitExceeded, name);
    let late = start.elapsed().saturating_sub(Duration::from_millis(limits.wall_ms));
    assert!(late < Duration::from_secs(1), "{late:?} too late: {script}");
}

#[test]
fn an_endless_loop_meets_the_step_limit() {
    exceeds("loop {}", Limits { script_steps: 100_000, ..small() }, "script_steps");
    exceeds("fn f() { loop {} } f()", Limits { script_steps: 100_000, ..small() }, "script_steps");
    exceeds("for i in 0..1_000_000_000_000 {}", Limits { script_steps: 100_000, ..small() }, "script_steps");
}

#[test]
fn an_endless_loop_meets_the_deadline() {
    exceeds("loop {}", Limits { script_steps: u64::MAX, wall_ms: 200, ..small() }, "wall_ms");
    exceeds("sleep(1_000_000)", Limits { wall_ms: 200, ..small() }, "wall_ms");
    exceeds("sleep(1.0e9)", Limits { wall_ms: 200, ..small() }, "wall_ms");
}

#[test]
fn no_catch_holds_up_a_limit() {
    let limits = Limits { script_steps: 100_000, ..small() };
    exceeds("loop { try { loop {} } catch (e) {} }", limits, "script_steps");
    exceeds("fn f() { try { loop {} } catch (e) { return 1; } } loop { f(); }", limits, "script_steps");
    let limits = Limits { operations: 3, ..small() };
    exceeds(
        r#"loop { try { fs::exists("/etc") } catch (e) {} try { fs::exists("/etc") } catch (e) {} }"#,
        limits,
        "operations",
    );
}

#[test]
fn recursion_meets_the_call_depth() {
    fails(&run("fn f(x) { f(x + 1) } f(0)"), Code::LimitExceeded, "");
    fails(&run("let f = |f| f.call(f); f.call(f)"), Code::LimitExceeded, "");
}

#[test]
fn an_operation_that_needs_much_memory_ends_without_a_lock_held() {
    // A long path: each of its many denied entries adds records and messages.
    let dir = format!("/{}", ["n".repeat(255).as_str(); 13].join("/"));
    let world = (0..20_000).fold(MemOs::new(), |os, number| os.file(&format!("{dir}/{number}"), ""));
    let limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
    let engine = Engine::builder(Arc::new(world)).limits(limits).build().unwrap();
    let mut input = input(|request| request.action.spec().name == "list");
    input.args.insert("dir".into(), dir.into());
    let report = engine.run("try { fs::list(args.dir, #{stat: true}).len() } catch {} 1", input);
    fails(&report, Code::LimitExceeded, "memory_bytes");
    assert!(report.stats.denied > 100 && !report.journal.is_empty());
}

#[test]
fn a_call_that_needs_much_memory_is_refused_before_it_takes_it() {
    const MEMORY: u64 = 64 << 20;
    let world =
        MemOs::new().file("/lines", "\n".repeat(12 << 20)).file("/long", "a".repeat(12 << 20)).file("/small", "");
    let limits = Limits { memory_bytes: MEMORY, wall_ms: 60_000, ..Limits::default() };
    let engine = Engine::builder(Arc::new(world)).limits(limits).build().unwrap();
    let mut wrong = Vec::new();
    for script in [
        "let s = ``; s.pad(5_000_000, `A`); let l = []; l.pad(1_000, s); process::run(`/x`, l)",
        "let s = `a=[`; s.pad(10_000_000, `0,`); toml::parse(s + `]`)",
        "let s = `a: [`; s.pad(10_000_000, `0,`); yaml::parse(s + `]`)",
        "let s = `[`; s.pad(10_000_000, `0,`); json::parse(s + `0]`)",
        "let s = ``; s.pad(10_000_000, `,`); csv::parse(s + `x`)",
        "let s = ``; s.pad(10_000_000, `,`); table::parse(s, `,`)",
        "let s = ``; s.pad(10_000_000, `a `); table::parse(s)",
        "let s = ``; s.pad(10_000_000, `,`); regex::split(s, `,`)",
        "let s = ``; s.pad(10_000_000, `,`); regex::find_all(s, `,`)",
        "let s = ``; s.pad(10_000_000, `,`); regex::replace_all(s, `,`, `0123456789`)",
        "fs::diff(`/lines`, `/small`)",
        "let r = ``; r.pad(2_000, \"$0\"); fs::replace(`/long`, \"(?s)^.*$\", r, #{regex: true})",
        "fs::replace(`/lines`, `^`, `0123456789`, #{regex: true})",
        "fs::grep(`/lines`, ``)",
    ] {
        let script = format!("try {{ {script} }} catch (e) {{ return e.code }} `none`");
        let report = engine.run(&script, input(|_| true));
        let peak = report.stats.peak_memory_bytes.unwrap();
        if report.outcome != Ok("LIMIT_EXCEEDED_EXCEPTION".into()) || peak > MEMORY + MEMORY / 2 {
            wrong.push((script, report.outcome, peak >> 20));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn so_many_runs_can_be_left_behind_and_no_more() {
    let engine = engine(small());
    for left in 0..16 {
        assert_eq!(engine.left_behind(), left);
        fails(&engine.run("blob(1 << 40)", input(|_| true)), Code::LimitExceeded, "memory_bytes");
    }
    assert_eq!(engine.left_behind(), 16);
    fails(&engine.run("1", input(|_| true)), Code::LimitExceeded, "16 runs of this engine were abandoned");
}

#[test]
fn a_run_that_ends_late_is_not_left_behind_for_good() {
    static HELD: std::sync::Mutex<()> = std::sync::Mutex::new(());
    static WAIT: rex_sdk::Op = rex_sdk::Op {
        spec: rex_sdk::OpSpec {
            name: "own::wait",
            aliases: &[],
            needs: &[],
            params: &[],
            returns: rex_sdk::ReturnSpec { kind: "()", doc: "Nothing." },
            doc: "Waits.",
            errors: &[],
            example: rex_sdk::CallExample { args: "[]", returns: "null" },
        },
        call: |_, _| {
            drop(HELD.lock());
            Ok(rex_core::Value::Null)
        },
    };
    let limits = Limits { wall_ms: 50, ..small() };
    let engine = Engine::builder(Arc::new(MemOs::new())).operation(&WAIT).limits(limits).build().unwrap();
    let held = HELD.lock().unwrap();
    fails(&engine.run("own::wait()", input(|_| true)), Code::LimitExceeded, "wall_ms");
    assert_eq!(engine.left_behind(), 1);
    drop(held);
    while engine.left_behind() > 0 {
        std::thread::yield_now();
    }
}

#[test]
#[expect(clippy::disallowed_types, reason = "the test is a process that ends")]
fn a_process_without_memory_ends_with_the_status_that_was_set() {
    const CHILD: &str = "REX_TEST_OUT_OF_MEMORY";
    if std::env::var_os(CHILD).is_some() {
        rex_engine::when_out_of_memory(|| std::process::exit(86));
        std::hint::black_box(Vec::<u8>::with_capacity(1 << 62));
        return;
    }
    let name = "limits::a_process_without_memory_ends_with_the_status_that_was_set";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let ended = child.args(["--exact", name]).env(CHILD, "1").output().unwrap().status;
    assert_eq!(ended.code(), Some(86));
}

#[test]
fn sizes_beyond_all_memory_meet_the_memory_limit() {
    for script in [
        "let a = []; a.pad(1 << 62, 0)",
        "let a = [0]; a.pad(9_223_372_036_854_775_807, 0)",
        "let b = blob(); b.pad(1 << 62, 0)",
        r#"let s = ""; s.pad(1 << 62, 'x')"#,
        r#"let s = ""; s.pad(1 << 62, "xy")"#,
        "blob(1 << 62)",
        "blob(1 << 62, 7)",
    ] {
        exceeds(script, small(), "");
    }
    for script in [
        "let a = [1]; a.insert(-(1 << 62), 0); a.splice(1 << 62, 1 << 62, [2]); a.chop(1 << 62); a.truncate(1 << 62); a.extract(1 << 62, 1 << 62)",
        "let b = blob(3); b.insert(1 << 62, 0); b.splice(-(1 << 62), 1 << 62, blob(1)); b.chop(1 << 62); b.extract(1 << 62, 1 << 62)",
        r#"let s = "abc"; s.crop(1 << 62, 1 << 62); s.truncate(1 << 62); s.sub_string(-(1 << 62), 1 << 62)"#,
    ] {
        let report = run_within(script, small());
        assert!(report.outcome.is_ok(), "{script}: {report:?}");
    }
}

#[test]
fn what_a_run_returns_and_throws_is_bounded() {
    let deep = "let s = [[]]; for i in 0..500 { s.push([[[[[[[[[[[[s.pop()]]]]]]]]]]]]); } ";
    exceeds(&format!("{deep} s"), small(), "127 deep");
    exceeds(&format!("{deep} fs::exists(s)"), small(), "127 deep");
    exceeds(r#"let s = "x"; s.pad(9_000_000, 'x'); s"#, small(), "value_bytes");
    exceeds("let a = []; a.pad(600_000, 1); a", small(), "value_bytes");
    for (script, text) in [
        (r#"let s = "é"; s.pad(9_000_000, 'é'); throw s"#, "ééé"),
        (r#"let s = "é"; s.pad(9_000_000, 'é'); throw #{message: s, help: s}"#, "ééé"),
        ("let a = []; a.pad(100_000, 1); throw a", "[1, 1"),
        (&format!("{}()", "f".repeat(100_000)), "ffff"),
    ] {
        let report = run_within(script, small());
        fails(&report, Code::Script, text);
        let error = report.outcome.unwrap_err().error;
        assert!(error.message.len() < 5_000 && error.help.is_none_or(|help| help.len() < 5_000), "{script:.50}");
    }
}

#[test]
fn growing_values_meet_the_memory_limit() {
    for script in [
        r#"let s = "x"; loop { s += s; }"#,
        "let a = [1]; loop { a += a; }",
        "let a = []; loop { a.push(a); }",
        r#"let m = #{}; let i = 0; loop { m["k" + i] = "some text that is longer than a machine word"; i += 1; }"#,
        "let b = blob(1_000); loop { b += b; }",
        "let a = []; a.pad(1_000_000_000, 0);",
        "blob(40_000_000_000)",
        r#"let s = ""; s.pad(40_000_000_000, 'x');"#,
        r#"let s = "a"; s.pad(30_000_000, 'a'); s.replace("a", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")"#,
        r#"let s = "a"; s.pad(20_000_000, 'a'); s.to_chars()"#,
        r#"let s = "a"; s.pad(20_000_000, 'a'); let a = []; a.pad(10_000, s); a.to_string()"#,
        r#"let s = "a"; s.pad(20_000_000, 'a'); let a = []; a.pad(10_000, s); print(a)"#,
    ] {
        exceeds(script, Limits { wall_ms: 20_000, ..small() }, "memory_bytes");
    }
}

#[test]
fn one_long_step_does_not_outlive_the_deadline() {
    // Comparing two lists of shared strings is one step, and takes hours.
    let script = r#"
        let s = "a"; s.pad(20_000_000, 'a');
        let t = "a"; t.pad(20_000_000, 'a');
        let a = []; a.pad(100_000, s);
        let b = []; b.pad(100_000, t);
        a == b
    "#;
    exceeds(script, Limits { wall_ms: 3_000, memory_bytes: 128 << 20, ..small() }, "wall_ms");
}

#[test]
fn nested_values_do_not_overflow_the_stack() {
    exceeds(
        "let a = []; loop { a = [[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]; }",
        Limits { wall_ms: 4_000, ..small() },
        "",
    );
}

#[test]
fn large_and_deep_sources_are_refused() {
    let long = "1;".repeat(5 << 20);
    fails(&run(&long), Code::LimitExceeded, "script_bytes");
    let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    fails(&run(&deep), Code::LimitExceeded, "");
    let blocks = format!("{}{}", "{".repeat(100_000), "}".repeat(100_000));
    fails(&run(&blocks), Code::LimitExceeded, "");
    let minus = format!("let x = 1; {}x", "- ".repeat(100_000));
    fails(&run(&minus), Code::LimitExceeded, "");
    let functions: String = (0..2_000).map(|i| format!("fn f{i}() {{}} ")).collect();
    fails(&run(&functions), Code::LimitExceeded, "");
}

#[test]
fn output_has_a_limit() {
    let report = run_within("loop { print(\"0123456789\"); }", Limits { output_bytes: 100, ..small() });
    fails(&report, Code::LimitExceeded, "output_bytes");
    assert_eq!(report.output.len(), 9);
}

#[test]
fn a_report_is_whole_even_if_the_run_is_not() {
    let report = run_within(r#"print("before"); fs::exists("/etc"); loop {}"#, Limits { wall_ms: 200, ..small() });
    fails(&report, Code::LimitExceeded, "wall_ms");
    assert_eq!(report.output, ["before"]);
    assert_eq!((report.journal.len(), report.stats.operations), (4, 1));
    assert!(report.stats.duration_us >= 200_000 && report.stats.peak_memory_bytes > Some(0));
}

#[test]
fn a_run_that_is_told_to_stop_stops() {
    let cancel = Arc::new(AtomicBool::new(false));
    let input = Input { cancel: cancel.clone(), ..input(|_| true) };
    let engine = engine(Limits::default());
    let runner = std::thread::spawn(move || engine.run("print(1); loop {}", input));
    cancel.store(true, Ordering::Relaxed);
    let start = Instant::now();
    let report = runner.join().unwrap();
    fails(&report, Code::Cancelled, "told to stop");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn memory_is_counted_and_given_back() {
    let report = run(r#"let s = "x"; s.pad(10_000_000, 'x'); s.len()"#);
    let peak = report.stats.peak_memory_bytes.unwrap();
    assert!((10_000_000..40_000_000).contains(&peak), "{peak}");
    assert!(run("1").stats.peak_memory_bytes.unwrap() < 1_000_000);
}
