//! Results that a script ignores, and mistakes in it: its run succeeds, with a warning.

use std::sync::Arc;

use rex_engine::{Engine, Failure};
use rex_sdk::MemOs;
use rex_sdk::os::FinishedProgram;

use crate::silent::{refused, refused_before};
use crate::worlds::{input, returns};

/// Returns a world where one program fails.
fn world() -> MemOs {
    MemOs::example().program_ending("/bin/false", FinishedProgram { status: Some(1), ..FinishedProgram::default() })
}

/// Returns the warnings of a run that succeeds.
#[track_caller]
fn warnings(script: &str) -> Vec<Failure> {
    let report = Engine::builder(Arc::new(world())).build().unwrap().run(script, input(|_| true));
    assert!(report.outcome.is_ok(), "{script}: {:?}", report.outcome);
    report.warnings
}

#[track_caller]
fn warns(script: &str, line: u32, message: &str) {
    let warnings = warnings(script);
    assert_eq!(warnings.len(), 1, "{script}: {warnings:?}");
    let Some(warning) = warnings.first() else { return };
    assert!(warning.error.message.contains(message), "{script}: {}", warning.error.message);
    assert!(warning.error.help.is_some(), "{script}");
    assert_eq!(warning.line, Some(line), "{script}");
}

#[test]
fn an_answer_that_tells_of_a_failure_warns_where_nobody_looks_at_it() {
    for (script, line, message) in [
        ("process::run(`/bin/false`, []);\n1", 1, "failed with the status 1"),
        ("let n = 0;\nfor i in 0..5 { process::run(`/bin/false`, []); }", 2, "failed with the status 1"),
        ("let r = process::run(`/bin/false`, []);\nr.stdout.len()", 1, "failed with the status 1"),
        ("fn out(p) { process::run(p, []).stdout }\nout(`/bin/false`)", 1, "failed with the status 1"),
        ("fs::replace(`/srv/app/version.txt`, `nowhere`, `x`);\n1", 1, "nothing was replaced"),
        ("print(fs::replace(`/srv/app/version.txt`, `nowhere`, `x`).diff)", 1, "nothing was replaced"),
        ("net::get(`http://app.example.com/nowhere`).body", 1, "the status 404"),
        ("process::wait(4242, #{timeout: 0.0});\n1", 1, "returned false"),
    ] {
        warns(script, line, message);
    }
    for script in [
        "process::run(`/bin/false`, [])",
        "let r = process::run(`/bin/false`, []); if r.status != 0 { print(`failed`) } r.stdout",
        "let r = process::run(`/bin/false`, []); if !r.success { print(r.stderr) }",
        "process::run(`/usr/bin/echo`, [`a`]).stdout",
        "process::run(`/usr/bin/echo`, [`a`]); 1",
        "fs::replace(`/srv/app/version.txt`, `nowhere`, `x`).count",
        "net::get(`http://app.example.com/nowhere`).status",
        "net::get(`http://app.example.com/health`).body",
        "process::wait(4242, #{timeout: 0.0})",
    ] {
        assert_eq!(warnings(script), [], "{script}");
    }
}

#[test]
fn a_mistake_that_catch_hides_warns() {
    for (script, line, message) in [
        ("let n = 0;\ntry { n = fs::stat(`/etc/hosts`).siez; } catch { n = -1; }", 2, "no field `siez`"),
        ("let l = args.get(`l`, 5);\ntry {\n l.push(1); } catch { print(`none`) }", 3, "`push`"),
        ("let n = 0;\ntry { if `60` > 50 { n += 1; } } catch { n = -1; }", 2, "text"),
        ("fn f(x) { try { return x.name; } catch { return ``; } }\nf([])", 1, "has no field `name`"),
    ] {
        warns(script, line, message);
    }
    for script in [
        "try { fs::stat(`/etc/hosts`).siez } catch (e) { print(e.message) }",
        "let n = 0; try { n = fs::stat(`/etc/hosts`).siez; } catch (e) { n = -1; }",
        "let n = 0; try { n = fs::read(`/nowhere`).len(); } catch { n = -1; }",
        "let n = 0; try { n = args.port; } catch { n = 80; }",
        "let n = 0; try { n = parse_int(`x`); } catch { n = -1; }",
        "let n = 0; try { n = json::parse(`{`).a; } catch (e) { n = -1; }",
        "let n = 0; try { n = json::parse(`{}`).a; } catch (e) { n = -1; }",
        "let n = 0; try { n = [1][5]; } catch { n = -1; }",
        "try { throw `mine` } catch { }",
        "try { throw #{code: `SCRIPT_EXCEPTION`, message: `mine`} } catch { }",
    ] {
        assert_eq!(warnings(script), [], "{script}");
    }
    returns("let n = 0; try { throw #{code: `X`} } catch { n = 1; } try { throw 2 } catch (e) { n += e; } n", 3);
    returns("let n = 0; try { n = 1 / 0; } catch { try { n = 2 / 0; } catch { n = 7; } } n", 7);
}

#[test]
fn what_looks_like_another_thing_warns() {
    warns("let cutoff = sys::time().epoch - 24 * 3600 * 1000;\ncutoff > 0", 1, "milliseconds");
    warns("let day = 86_400_000;\nsys::time().epoch - day > 0", 1, "milliseconds");
    warns("let m = #{count: 0};\nm.coun = 5; m.count", 2, "`coun` is a new field");
    for script in [
        "24 * 3600 + 1000",
        "1000 * 1000 * 10",
        "let ms = 24 * 3600 * 1000; ms",
        "let m = #{count: 0}; m.size = 5; m.count",
        "let m = #{count: 0}; m.conut = 5; m.conut",
        "let m = #{error: 0, errors: 1}; m.errors = 2; m",
    ] {
        let warnings = warnings(script);
        assert!(warnings.is_empty(), "{script}: {warnings:?}");
    }
}

#[test]
fn nothing_is_no_part_of_a_text() {
    refused("let m = #{}; `/etc/` + m.get(`name`)", "a text and nothing", "??");
    refused("let m = #{}; m.get(`name`) + `.conf`", "a text and nothing", "??");
    refused("let m = #{}; let s = `a`; s += m.get(`name`); s", "a text and nothing", "??");
    refused("let x = (); x += `b`; x", "a text and nothing", "??");
    refused("let m = #{a: ()}; m.a += `b`; m.a", "a text and nothing", "??");
    returns("let m = #{a: 1}; 2 * 3 + `a` + m.a * 2 + `b` + (1 + 1) + [1] + 'c' + 1.5 + true", "6a2b2[1]c1.5true");
    returns("let x = 1; `a` + x.to_string() + `bc`.len()", "a12");
    returns("let m = #{}; `user: ${m.get(`name`)}`", "user: ()");
    returns("let m = #{}; [m.get(`name`), 1].join(`,`)", "(),1");
    returns("let m = #{}; `/etc/` + (m.get(`name`) ?? `none`)", "/etc/none");
    refused("let dir = `/etc/`; let name = (); dir + name + `.conf`", "a text and nothing", "??");
    refused("fn path(dir, name) { dir + name } path(`/etc/`, ())", "a text and nothing", "??");
    refused("[`a`, ()].reduce(|sum, x| sum + x, ``)", "a text and nothing", "??");
    refused("`a` + ()", "a text and nothing", "??");
    returns("let a = 9_223_372_036_854_775_806; let b = 1; a + b", i64::MAX);
    returns("let a = 1.5; let b = 2; a + b + b + 1 == 6.5", true);
    returns("let a = [1]; let b = [2]; (a + b).len() + #{a: 1}.len()", 3);
    returns("let n = #{a: 2}; let s = ``; for k in n.keys() { s = k + ` ` + n[k]; } s", "a 2");
    returns("let s = `200`; s + ` ` + 2", "200 2");
}

#[test]
fn a_path_is_absolute() {
    for script in [
        "fs::find(`/srv`).entries.filter(|e| e.path == `app.log`)",
        "for e in fs::list(`/srv`) { if e.path == `app` { print(e.name) } }",
        "sys::disk().filter(|d| d.target != `run`)",
        "process::list().filter(|p| p.exe == `nginx`)",
    ] {
        refused_before(script, "is never", ".ends_with(");
    }
    returns("fs::list(`/srv`).filter(|e| e.path == `/srv/app`).len()", 1);
}

#[test]
fn patterns_of_other_languages_are_told() {
    for (pattern, help) in [
        (r"error\\|warn", "a|b"),
        (r"^(x|ERROR\\|y)", "a|b"),
        ("/error/i", "(?i)error"),
        ("/error/g", "`error`"),
        ("[ERROR]", r"\[ERROR\]"),
        ("^[warn] ", r"\[warn\]"),
    ] {
        refused_before(&format!("fs::grep(`/srv/app/logs/app.log`, \"{pattern}\")"), "pattern", help);
        refused_before(&format!("regex::is_match(args.get(`x`, `y`), \"{pattern}\")"), "pattern", help);
    }
    for pattern in [r"a \\| b", r"GET\\|200", "/etc/x", "[abc]", r"\\[ERROR\\]", "[A-Z]+", "/a/b/i", "error|warn"] {
        returns(&format!("regex::is_match(args.get(`x`, `y`), \"{pattern}\")"), false);
    }
}

#[test]
fn literals_of_two_kinds_are_found_before_the_first_operation() {
    refused_before("\"5\" == 5", "", "");
    refused_before("if `a` < 1 { 2 }", "", "");
}

#[test]
fn what_is_easily_taken_for_something_else_is_refused() {
    for (script, message, help) in [
        ("let l = [1]; l.remove(l.index_of(2));", "-1", "at >= 0"),
        ("let l = [1]; l[l.index_of(2)] = 3; l", "-1", "at >= 0"),
        ("let l = [1]; l.insert(l.index_of(2) + 1, 3); l", "-1", "at >= 0"),
        ("let i = 3; fs::write(`/srv/app/log.` + i + 1, ``);", "brackets are missing", "(n + 1)"),
        ("if fs::remove(`/srv/app/done`) { print(`gone`) }", "not true or false", "try"),
        ("if !fs::copy(`/srv/app/done`, `/srv/app/b`) { print(`gone`) }", "not true or false", "try"),
        ("try { 1 / 0; } catch (e) { if e.contains(`denied`) { print(1) } }", "a caught error is a map", "e.message"),
        (
            "try { 1 / 0; } catch (e) { if `NOT_FOUND_EXCEPTION` in e { print(1) } }",
            "a caught error is a map",
            "e.code",
        ),
        ("fs::list(`/srv`).filter(|e| e.path == `/srv/*.log`)", "does not match patterns", "fs::find"),
        ("let all = []; all += fs::lines(`/etc/hosts`);", "as one value", "list.append"),
        ("fs::remove_all(`/srv/app/`)", "does not end with the name of a directory", "slash"),
        ("fs::find(`/srv`, #{older_than: 30})", "30 seconds", "30d"),
    ] {
        refused_before(script, message, help);
    }
    refused("fs::remove_all(`/srv/app/` + ``)", "does not end with the name of a directory", "slash");
    refused("let part = ``; fs::remove_all(`/srv/app/${part}`)", "does not end with the name of a directory", "slash");
    refused("fs::replace(`/srv/app/version.txt`, \"(1)\", \"${2}\", #{regex: true})", "no group `2`", "$$");
    refused("fs::replace(`/srv/app/version.txt`, \"1\", \"$new\", #{regex: true})", "no group `new`", "$$");
    for script in [
        "let m = #{a: [1]}; m[`a`].push(2); m.a.len() - 1",
        "let l = [2.5, 1.5]; l.sort(|a, b| a - b); l[0].to_int()",
        "let l = [3, 1]; let at = l.index_of(1); l.remove(at)",
        "let i = 0; let s = `log.` + (i + 1); s.len() - 4",
        "let t = `x` + 5 + 1; t.len() - 2",
        "try { 1 / 0; } catch (e) { if `code` in e { return 1; } }",
        "if fs::exists(`/etc`) { 1 } else { 0 }",
        "let all = []; all.append(fs::lines(`/srv/app/logs/app.log`)); if type_of(all[0]) == `string` { 1 }",
    ] {
        returns(script, 1);
    }
}

#[test]
fn a_damaged_archive_warns_where_nobody_looks_at_complete() {
    // The last bytes are missing.
    let damaged = "H4sIAAAAAAACA1XROwqAQBAE0dxT7BHsbr8HMhBEYe8fiIEwFVY0j57rvI82tqP3pw/XF6rhGqkx1ZhrLDXWGluNHUdJgEFACAqBITgEiCARKILFsJh7wGJYDIthMSyGxbAYlsASWMLnwA==";
    let with = |script: &str| format!("fs::write(`/srv/app/a.gz`, base64::decode(`{damaged}`));\n{script}");
    for script in ["fs::grep(`/srv/app/a.gz`, `error`).count", "fs::count(`/srv/app/a.gz`).lines"] {
        warns(&with(script), 2, "not complete");
    }
    for script in [
        "let found = fs::grep(`/srv/app/a.gz`, `error`); if found.complete { found.count } else { found.why }",
        "fs::count(`/srv/app/a.gz`).complete",
        "fs::count(`/srv/app/version.txt`).lines",
    ] {
        assert_eq!(warnings(&with(script)), [], "{script}");
    }
}

#[test]
fn a_fraction_of_two_integers_warns() {
    let warned = |script: &str| warnings(script).len();
    assert_eq!(warned("let e = 5; let t = 10; if e / t > 0.05 { 1 } else { 2 }"), 1);
    assert_eq!(warned("let e = 5; let t = 10; if 0.9 <= e / t { 1 } else { 2 }"), 1);
    assert_eq!(warned("let e = 5; let t = 10; if 1.0 * e / t > 0.05 { 1 } else { 2 }"), 0);
    assert_eq!(warned("let e = 5; let t = 10; if e.to_float() / t > 0.05 { 1 } else { 2 }"), 0);
    assert_eq!(warned("let e = 15; let t = 10; if e / t > 1.5 { 1 } else { 2 }"), 0);
}
