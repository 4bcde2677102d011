//! Errors: what a script can catch, what it cannot make up, and what the report says.

use std::sync::Arc;

use expect_test::expect;
use rex_core::{Code, Journal, JournalError, Limits, Record, Value};
use rex_engine::Engine;
use rex_sdk::MemOs;

use crate::worlds::{engine, fails, input, returns, run, run_denied};

#[test]
fn a_denial_is_caught_and_names_everything() {
    let report = run_denied(
        r#"
        try { read("/etc/hosts") } catch (e) { print(e) }"#,
    );
    assert_eq!(report.stats.denied, 1);
    expect![[r#"
        #{"action": "fs::read", "code": "ACCESS_DENIED_EXCEPTION", "help": (), "line": 2, "message": "`fs::read` on `/etc/hosts` is denied: no permit matched", "operation": "fs::read", "policies": [], "reason": (), "resource": "/etc/hosts"}"#]]
    .assert_eq(&report.output.join("\n"));
}

#[test]
fn a_script_adapts_and_goes_on() {
    let engine = engine(Limits::default());
    let script = r#"
        let denied = "";
        try { write("/srv/app/config.yaml", "port: 1") } catch (e) { denied = e.code; }
        denied + " " + read("/srv/app/config.yaml")
    "#;
    let report = engine.run(script, input(|request| request.action.spec().name == "read"));
    assert_eq!(report.outcome, Ok("ACCESS_DENIED_EXCEPTION port: 8080\n".into()));
    assert_eq!((report.stats.decisions, report.stats.denied), (2, 1));
}

#[test]
fn no_script_makes_up_a_denial() {
    for script in [
        r#"throw "permission denied""#,
        r#"throw "ACCESS_DENIED_EXCEPTION""#,
        r#"throw #{code: "ACCESS_DENIED_EXCEPTION", message: "`fs::read` on `/etc/hosts` is denied: no permit matched"}"#,
        r#"try { read("/nowhere") } catch (e) { e.code = "ACCESS_DENIED_EXCEPTION"; throw e; }"#,
    ] {
        let report = run(script);
        assert_eq!(report.code(), Some(Code::Script), "{script}");
        assert_eq!(report.stats.denied, 0);
    }
}

#[test]
fn a_failure_that_is_passed_on_stays_what_it_was() {
    let report = run_denied("\n  read(\"/etc/hosts\")");
    fails(&report, Code::AccessDenied, "`/etc/hosts`");
    let failure = report.outcome.unwrap_err();
    assert_eq!((failure.line, failure.column), (Some(2), Some(3)));
    let report = run_denied("try { read(\"/etc/hosts\") } catch (e) {\n throw e; }");
    fails(&report, Code::AccessDenied, "`/etc/hosts`");
    assert_eq!(report.outcome.unwrap_err().line, Some(1));
    let report = run_denied("fn f() {\n  read(\"/etc/hosts\")\n}\nf()");
    assert_eq!(report.outcome.unwrap_err().line, Some(2));
}

#[test]
fn no_number_of_failures_makes_a_denial_another_failure() {
    let script = r#"
        let denied = ();
        try { read("/srv/app/secret") } catch (e) { denied = e; }
        for i in 0..1_000 { try { read("/srv/none" + i) } catch {} }
        throw denied;"#;
    let report = engine(Limits::default()).run(script, input(|request| request.resource.id() != "/srv/app/secret"));
    fails(&report, Code::AccessDenied, "`/srv/app/secret`");
}

#[test]
fn a_lost_record_is_told_with_its_reason() {
    #[derive(Debug)]
    struct Full;
    impl Journal for Full {
        fn write(&self, _: Record) -> Result<(), JournalError> {
            Err(JournalError("no space left on device".to_owned()))
        }
    }
    let engine = Engine::builder(Arc::new(MemOs::example())).journal(Arc::new(Full)).build().unwrap();
    let report = engine.run(r#"try { fs::exists("/etc") } catch {}"#, input(|_| true));
    fails(&report, Code::JournalFailed, "no space left on device");
}

#[test]
fn what_rhai_finds_is_a_script_error_with_its_place() {
    for (script, message, line) in [
        ("let x = ;", "unexpected", 1),
        ("\nundefined_variable", "undefined_variable", 2),
        ("1 / 0", "zero", 1),
        ("nope::read(1)", "nope", 1),
        ("fs::nope(1)", "nope", 1),
        ("\n\nthrow \"own\"", "own", 3),
        ("[1][5]", "array index", 1),
    ] {
        let report = run(script);
        let failure = report.outcome.unwrap_err();
        assert_eq!(failure.error.code, Code::Script, "{script}: {failure:?}");
        let text = failure.error.message.to_lowercase();
        assert!(text.contains(message) && !text.contains("(line"), "{script}: {failure:?}");
        assert_eq!(failure.line, Some(line), "{script}");
    }
}

#[test]
fn wrong_calls_say_how_it_is_called() {
    for (script, message) in [
        ("fs::read()", "`fs::read` takes 1 argument, got 0"),
        ("read(1)", "`path` of `fs::read` expects a path, got the integer 1"),
        ("read(\"/a\", #{x: 1})", "`fs::read` has no option `x`"),
        ("read(\"/a\", \"/b\")", "`fs::read` takes 1 argument, got 2"),
        ("read(\"\")", "the path is empty"),
        ("read(\"/a\\x00b\")", "NUL"),
    ] {
        fails(&run(script), Code::Validation, message);
    }
}

#[test]
fn what_is_not_there_is_told_with_what_was_meant() {
    for (script, help) in [
        ("fs::raed(\"/a\")", Some("did you mean `fs::read`?")),
        ("raed(\"/a\")", Some("did you mean `read`?")),
        ("fss::read(\"/a\")", Some("did you mean `fs`?")),
        ("grep(`x`)", Some("did you mean `fs::grep`?")),
        ("reload_daemon()", Some("did you mean `service::reload_daemon`?")),
        ("jsno::parse(``)", Some("did you mean `json`?")),
        ("fn f() { json::prase(``) } f()", Some("did you mean `json::parse`?")),
        ("json::parse(1)", Some("call it as `json::parse(text) -> value`")),
        ("read(1, 2, 3, 4)", Some("call it as `fs::read(path)`")),
        ("fs::lines(\"/a\", #{skpi: 1})", Some("did you mean `skip`?")),
        ("nothing_like_it()", None),
    ] {
        let error = run(script).outcome.unwrap_err().error;
        assert_eq!(error.help.as_deref(), help, "{script}: {}", error.message);
    }
    let help = run("fs::nothing_like_it()").outcome.unwrap_err().error.help.unwrap();
    assert!(help.starts_with("`fs` has `append`, `certificates`, "), "{help}");
}

#[test]
fn eval_and_import_are_not_there() {
    for script in ["eval(\"1\")", "import \"x\" as y;", "let f = Fn(\"eval\"); f.call(\"1\")", "export let x = 1;"] {
        let report = run(script);
        assert_eq!(report.code(), Some(Code::Script), "{script}");
    }
}

#[test]
fn print_and_debug_are_captured() {
    let report = run("print(1); debug(\"two\"); print(#{a: [1.5, 'c', ()]});");
    assert_eq!(report.output, ["1", "\"two\"", r#"#{"a": [1.5, c, ()]}"#]);
}

#[test]
fn compiling_calls_nothing() {
    let engine = engine(Limits::default());
    engine.check("const X = read(\"/etc/hosts\"); if false { read(\"/etc/hosts\") }").unwrap();
    let report = engine.run("if false { read(\"/etc/hosts\") }", input(|_| true));
    assert_eq!(report.stats.decisions, 0);
}

#[test]
fn arguments_come_in() {
    let mut input = input(|_| true);
    input.args.insert("name".into(), "x".into());
    input.args.insert("list".into(), Value::List(vec![Value::Int(1), Value::Float(0.5), Value::Null]));
    let report = engine(Limits::default()).run("[args.name, args.list[0] + 1, args.list[2] == ()]", input);
    assert_eq!(report.outcome.unwrap().to_string(), r#"["x",2,true]"#);
}

#[test]
fn numbers_are_numbers() {
    returns("sys::memory().total > 1_000 && sys::load().uptime > 0", true);
    returns(r#"fs::stat("/etc/hosts").size + 1 > 1"#, true);
}

#[test]
fn the_journal_pins_script_and_line() {
    let report = run("\nread(\"/etc/hosts\");");
    let lines: Vec<_> = report.journal.iter().map(|record| (record.call.operation, record.call.line)).collect();
    // Between the records of the beginning and the end, which belong to no operation.
    assert_eq!(lines, [("", None), ("fs::read", Some(2)), ("fs::read", Some(2)), ("", None)]);
}

#[test]
fn pure_functions_fail_with_their_code() {
    let report = run("let x = 1;\nregex::find(\"a\", \"(\")");
    fails(&report, Code::Validation, "(");
    assert_eq!(report.outcome.unwrap_err().line, Some(2));
}
