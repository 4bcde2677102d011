//! No silent wrong results: what a script cannot mean is an error that names the fix, before the first operation where that can be
//! known.

use std::sync::Arc;

use rex_core::{Code, Limits, Value};
use rex_engine::Engine;
use rex_sdk::MemOs;

use crate::worlds::{input, returns, run};

/// Runs a script that must fail, with these words in its message and its help.
#[track_caller]
pub(crate) fn refused(script: &str, message: &str, help: &str) {
    let report = run(script);
    let Err(failure) = report.outcome else { panic!("{script}: {:?}", report.outcome) };
    assert!(failure.error.message.contains(message), "{script}: {}", failure.error.message);
    let found = failure.error.help.clone().unwrap_or_default();
    assert!(found.contains(help), "{script}: {}: {found}", failure.error.message);
}

/// Runs a script that must fail before its first operation, with these words in its message and its help.
#[track_caller]
pub(crate) fn refused_before(script: &str, message: &str, help: &str) {
    let script = format!("fs::write(\"/srv/app/done\", \"\"); {script}");
    refused(&script, message, help);
    assert_eq!(run(&script).stats.operations, 0, "{script}");
}

#[test]
fn all_mistakes_are_found_before_the_first_operation() {
    for (script, message, help) in [
        ("fs::raed(`/a`);", "there is no function `fs::raed`", "`fs::read`"),
        ("fsx::read(`/a`);", "there is no namespace `fsx`", "`fs`"),
        ("foo(1);", "there is no function `foo`", ""),
        ("fn f(a) { a } f(1, 2);", "`f` takes 1 argument, got 2", ""),
        ("fs::write(`/x`);", "`fs::write` takes 2 arguments, got 1", "fs::write(path, contents"),
        ("fs::tail(`/x`, #{line: 3});", "no option `line`", "`lines`"),
        ("fs::read(3);", "`path` of `fs::read`", "fs::read(path)"),
        ("json::parse();", "`json::parse` takes 1 argument, got 0", "json::parse(text)"),
        ("`a`.foo();", "there is no method `foo`", ""),
        ("[1].len(2);", "`len` takes 0 arguments after the dot, got 1", ""),
        ("if false { fs::raed(`/a`) }", "`fs::raed`", "`fs::read`"),
        ("let f = |x| fs::raed(x);", "`fs::raed`", "`fs::read`"),
        ("let f = |x| x; f(1);", "there is no function `f`", "`f.call(..)`"),
        ("[3, 1].sort(`n`);", "sorted by a function of two values", "rows::sort_by"),
        ("[3, 1].sort_by(|x| x);", "sorted by a function of two values", "rows::sort_by"),
        ("`/a.log`.read();", "there is no method `read`", "`fs::read(path)`"),
        ("`nginx`.restart();", "there is no method `restart`", "service::restart"),
        ("fs::stat(`/a`).siez", "no field `siez`", "`size`"),
        ("let s = fs::stat(`/a`); if false { s.siez }", "no field `siez`", "`size`"),
        ("for d in sys::disk() { print(d.used_pct); }", "no field `used_pct`", "`used_percent`"),
        ("if service::status(`nginx`).actve == `active` { 1 }", "no field `actve`", "`active`"),
        ("process::list()[0].mem", "no field `mem`", ""),
        ("fn split(s) { [] } `a,b`.split(`,`);", "`split` is a method of the language", "another name"),
        (
            "fn f() { try { 1 } catch (e) { switch e.code { `a` => 1, _ => 2 } } } f();",
            "value of a `catch` block is lost",
            "",
        ),
        ("let a = []; let b = a.push(1);", "`push` changes a value in place and returns nothing", ""),
        ("let x = 7 // 2", "`//` begins a comment", "`/`"),
        ("let m = #{}; m[`a`] = m[`a`] ?? 0 + 1;", "the default is all that follows `??`", "(x ?? 0) + 1"),
        ("for (k, v) in [[1, 2]] { print(k); }", "`v` would be the index", "index"),
        ("try { 1 } catch (e) { e }", "value of a `catch` block is lost", "before `try`"),
        ("fn f(p) { try { fs::stat(p).size } catch (e) { -1 } } f(`/a`);", "value of a `catch` block is lost", ""),
        ("let f = |p| try { fs::read(p) } catch { `missing` };", "value of a `catch` block is lost", ""),
        ("try { 1 } catch (e) { if true { 1 } else { 2 } }", "value of a `catch` block is lost", ""),
        ("let a = []; print(`${a.push(1)}`);", "`push` changes a value in place and returns nothing", ""),
        ("fn contains(a, b) { true } 1 in [2];", "`x in y` would call this `contains`", "another name"),
        ("process::run(`df`, []);", "`df` is not a path", "/usr/bin/df"),
        ("process::list(#{exe: `nginx`});", "`nginx` is not a path", ""),
        ("fs::chmod(`/srv/app/version.txt`, `rw-r--r--`);", "is not a mode", "octal"),
        ("process::signal(4242, `SIGFOO`);", "`SIGFOO` is not the name of a signal", "TERM"),
        ("net::get(`ftp://app.example.com/`);", "its scheme is neither", ""),
        ("fs::grep(`/srv/app/logs/app.log`, `(`);", "`(` is not a pattern", ""),
        ("fs::replace(`/srv/app/version.txt`, `(`, ``, #{regex: true});", "`(` is not a pattern", ""),
        ("let t = args.get(`t`, ``); regex::is_match(t, `[`);", "`[` is not a pattern", ""),
        ("let t = 5; time::format(t, `YYYY`);", "`YYYY` is not a format", "%Y"),
        ("fs::find(`/srv`, #{name: `[`});", "`[` is not a glob", ""),
        ("fs::find(`/srv`, #{kind: `dir`});", "`kind` of `fs::find` expects `file`, `directory`", ""),
        ("fs::find(`/srv`, #{kind: `directroy`});", "expects `file`", "`directory`"),
        ("fs::checksum(`/srv/app/version.txt`, #{algorithm: `md5`});", "expects `sha256`, `blake3`, got `md5`", ""),
        ("service::list(#{active: `running`});", "`active` of `service::list` expects `active`", ""),
        ("service::status(`nginx@/x`);", "", ""),
        ("service::wait_until(`nginx`, `running`);", "expects `active`", ""),
    ] {
        refused_before(script, message, help);
    }
    let failure = run("fs::raed(`/a`);\nfs::write(`/b`);\n  foo();").outcome.unwrap_err();
    let places = |failure: &rex_engine::Failure| (failure.line, failure.column);
    assert_eq!(places(&failure), (Some(1), Some(5)));
    assert_eq!(failure.more.iter().map(places).collect::<Vec<_>>(), [(Some(2), Some(5)), (Some(3), Some(3))]);
}

#[test]
fn a_field_that_is_not_there_is_an_error() {
    for (script, message, help) in [
        ("fs::stat(`/etc/hosts`).siez", "the result of `fs::stat` has no field `siez`", "`size`"),
        ("let s = fs::stat(`/etc/hosts`); s.siez > 5", "no field `siez`", "`size`"),
        ("let s = fs::stat(`/etc/hosts`); s[`siez`]", "no field `siez`", ""),
        ("service::status(`nginx`).actve", "no field `actve`", "`active`"),
        ("for d in sys::disk() { print(d.used_pct) }", "no field `used_pct`", ""),
        ("sys::disk()[0].targt", "no field `targt`", "`target`"),
        ("fs::list(`/etc`).map(|e| e.nmae)", "no field `nmae`", "`name`"),
        ("args.hots", "there is no argument `hots`", ""),
        ("#{a: 1}.b", "no field `b`", "`m.get(\"b\", default)`"),
        ("let e = (); try { fs::read(`/nowhere`) } catch (x) { e = x; } e.mesage", "no field `mesage`", ""),
    ] {
        refused(script, message, help);
    }
    let mut input = input(|_| true);
    input.args.insert("host".into(), "x".into());
    let report = crate::worlds::engine(Limits::default()).run("fs::exists(`/etc`); args.hots", input);
    assert_eq!(report.stats.operations, 0);
    let failure = report.outcome.unwrap_err();
    let help = failure.error.help.unwrap();
    assert!(help.contains("did you mean `host`?") && help.contains("in args"), "{help}");
}

#[test]
fn a_field_that_may_be_there_is_read() {
    for script in [
        "let s = fs::stat(`/etc/hosts`); if `x` in s { s.x } else { 1 }",
        "if `x` in args { args.x } else { 1 }",
        "let s = fs::stat(`/etc/hosts`); s.mine = 1; s.mine",
        "let s = fs::stat(`/etc/hosts`); s.mixin(#{mine: 1}); s.mine",
        "let e = fs::list(`/etc`, #{stat: true})[0]; if e.size >= 0 { 1 }",
        "let o = sys::os_release(); if false { print(o.variant_id) } 1",
        "let r = net::get(`http://app.example.com/`); if false { print(r.headers.etag) } 1",
        "if false { args.only } else { 1 }",
        "fn get(m) { 2 } let m = #{}; m.zzz ?? 1",
        "let n = 0; try { fs::stat(`/etc/hosts`).mine } catch (e) { if e.message.contains(`mine`) { n = 1; } } n",
    ] {
        returns(script, 1);
    }
}

#[test]
fn there_are_ways_to_ask_for_a_field() {
    let m = "let m = #{a: 1, n: #{b: 2}, l: [1]};";
    for (script, value) in [
        (r#""a" in m && !("z" in m)"#, Value::Bool(true)),
        (r#"m.get("a", 0) + m.get("z", 5)"#, Value::Int(6)),
        ("m?.z", Value::Null),
        ("m?.z?.y", Value::Null),
        ("m.z?.y", Value::Null),
        ("m?.a", Value::Int(1)),
        ("m.z ?? 7", Value::Int(7)),
        ("m.n.z ?? 7", Value::Int(7)),
        ("m.n.b ?? 7", Value::Int(2)),
        ("m[\"z\"] ?? 7", Value::Int(7)),
        ("m.n[\"z\"] ?? m[`y`] ?? 7", Value::Int(7)),
        ("let k = `z`; if m[k] == () { 1 } else { 2 }", Value::Int(1)),
        ("let k = `z`; if m[k] != () { 1 } else { 2 }", Value::Int(2)),
        ("m.l[0] ?? 7", Value::Int(1)),
        ("m.z = 1; m[`y`] = 2; m.n.c = 3; m.z + m.y + m.n.c", Value::Int(6)),
        ("let k = `k`; m[k] = 1; m[k] += 1; m.k", Value::Int(2)),
        ("let c = #{}; for w in [`a`, `b`, `a`] { c[w] = (c[w] ?? 0) + 1; } c.a", Value::Int(2)),
        ("args.z ?? 3", Value::Int(3)),
        ("args.get(`z`, 4)", Value::Int(4)),
    ] {
        returns(&format!("{m} {script}"), value);
    }
}

#[test]
fn values_of_different_kinds_are_not_compared() {
    for (script, message) in [
        (r#"95.0 > "80""#, "`>` compares the float `95.0` with the text `80`"),
        (r#""80" < 95"#, "`<` compares the text `80` with the int `95`"),
        (r#"80 == "80""#, "`==` compares the int `80` with the text `80`"),
        (r#"80 != "80""#, "`!=` compares the int `80` with the text `80`"),
        ("() > 5", "`>` compares nothing (`()`) with the int `5`"),
        ("true == 1", "`==` compares the bool `true` with the int `1`"),
        ("[1] == 1", "`==` compares a list with the int `1`"),
        ("#{} == `x`", "`==` compares a map with the text `x`"),
        (r#"8080 in "80,8080".split(",")"#, "compares the text `80` with the int `8080`"),
        (r#"["80"].contains(80)"#, "compares the text `80` with the int `80`"),
        (r#"["80"].index_of(80)"#, "compares the text `80` with the int `80`"),
        (r#"[1] == ["1"]"#, "compares the int `1` with the text `1`"),
        (r#"let x = "80"; while x < 90 { x += 1; }"#, "`<` compares"),
        (r#"[[2], [1]].sort()"#, "no order of its own"),
        (r#"[1, "2"].sort()"#, "one kind of value"),
    ] {
        refused(script, message, "");
    }
    refused(r#"args.get("t", "80") < 95"#, "compares the text", "--arg name:=80");
}

#[test]
fn a_function_that_is_asked_answers_true_or_false() {
    for method in ["filter", "some", "all", "find", "index_of", "retain", "drain"] {
        refused(&format!("[`a`].{method}(|x| x)"), &format!("the function of `{method}` says"), "compare it");
        refused(&format!("[1].{method}(|x| if x > 5 {{ true }})"), "this one returned nothing", "`else`");
    }
    refused(
        "fs::write(`/srv/app/log`, `a`); fs::lines(`/srv/app/log`).filter(|line| line.len())",
        "this one returned the int",
        "x != 0",
    );
    for method in ["filter", "retain", "drain"] {
        refused(&format!("#{{a: 1}}.{method}(|key, value| value)"), "says `true` or `false`", "compare it");
    }
    for script in [
        "[1, 2, 3].filter(|x| x > 1) == [2, 3]",
        "[1, 2, 3].filter(|x, index| index > 1) == [3]",
        "[1, 2, 3].filter(|| this == 2) == [2]",
        "let a = [1, 2, 3]; let gone = a.retain(|x| x > 1); a == [2, 3] && gone == [1]",
        "let a = [1, 2, 3]; let gone = a.drain(|x| x > 1); a == [1] && gone == [2, 3]",
        "[1, 2, 1].index_of(|x| x == 1, 1) == 2 && [1, 2, 1].index_of(|x| x == 1, -1) == 2",
        "[1, 2, 1].index_of(|x| x == 9) == -1",
        "[1, 2, 3].find(|x| x > 1) == 2 && [1, 2, 3].find(|x| x > 9) == ()",
        "[1, 2].some(|x| x > 1) && ![1, 2].all(|x| x > 1) && [].all(|x| x)",
        "let a = [1, 2]; a.for_each(|| this += 1); a == [2, 3]",
    ] {
        returns(script, true);
    }
}

#[test]
fn a_switch_has_cases_of_the_kind_of_its_value() {
    for (script, message, help) in [
        ("switch \"80\" { 80 => 1, _ => 2 }", "of the kind int, its value is the text `80`", "parse_int"),
        ("switch 200 { \"200\" | \"201\" => 1, _ => 2 }", "of the kind text, its value is the int `200`", "to_string"),
        ("switch #{state: \"active\"} { \"active\" => 1, _ => 2 }", "its value is a map", "a field of the map"),
        ("switch \"true\" { true => 1, _ => 2 }", "of the kind bool, its value is the text `true`", ""),
        ("let x = \"5\"; if true { switch x { 1..=9 => 1, _ => 2 } }", "its value is the text `5`", "parse_int"),
    ] {
        refused(script, message, help);
    }
    for (script, expected) in [
        ("switch 80 { 80 => 1, _ => 2 }", 1),
        ("switch \"a\" { \"a\" if 1 > 0 => 1, _ => 2 }", 1),
        ("switch \"abc\"[0] { \"a\" => 1, _ => 2 }", 1),
        ("switch \"a\" { 'a' => 1, _ => 2 }", 1),
        ("switch () { \"a\" => 1, _ => 2 }", 2),
        ("switch 3 { () => 1, _ => 2 }", 2),
        ("switch 3.0 { 3 => 1, _ => 2 }", 1),
        ("switch 3.7 { 3 => 1, _ => 2 }", 2),
        ("switch 3 { 3.0 => 1, _ => 2 }", 1),
        ("switch 3.0 { 3.0 => 1, 4 => 2, _ => 3 }", 1),
        ("switch read(\"/srv/app/a\") { \"text\" => 1, _ => 2 }", 2),
        ("let m = #{switch: 3}; switch(m.switch) { 1 => 1, 2 | 3 => { switch true { true => 4, false => 5 } } }", 4),
    ] {
        let script = format!("fs::write(\"/srv/app/a\", \"x\"); {script}");
        returns(&script, expected);
    }
}

#[test]
fn a_number_is_not_joined_to_a_text_that_is_one() {
    for script in ["\"5\" + 1", "1 + \"5\"", "\"2.5\" + 1.5", "\"80\\n\" + 1", "let x = \"5\"; x += 1; x", "\"-3\" + 1"]
    {
        refused(script, "`+` would join", "parse_int");
    }
    for (script, expected) in [
        ("\"a\" + 1", "a1"),
        ("1 + \" errors\"", "1 errors"),
        ("\"0\" + 5", "05"),
        ("let x = \"\"; x += 1; x", "1"),
        ("\"5\" + \"1\"", "51"),
        ("`${\"5\"}${1}`", "51"),
    ] {
        returns(script, expected);
    }
}

#[test]
fn values_of_one_kind_are_compared() {
    for script in [
        "1 < 1.5 && 2.0 == 2 && 3 >= 3.0 && 1 != 1.5",
        r#""a" < "b" && "a" == 'a' && 'b' > "a" && "a" != "b""#,
        "true != false && true == true",
        "() == () && 1 != () && () != `x` && !(`x` == ()) && [] != ()",
        "[1, [2]] == [1, [2]] && [1] != [2] && [1] != [1, 2]",
        "#{a: 1} == #{a: 1} && #{a: 1} != #{b: 1}",
        "`a` in [1, `a`, ()] && !(`b` in [1, `a`])",
        "8080 in [80, 8080] && !(1 in []) && `a` in `abc` && `a` in #{a: 1}",
        "[3, 1.5, 2].order() == [1.5, 2, 3]",
        "let x = 3; let f = |y| x > y; f.call(2)",
        "1 < 2 == true",
        "1 + 1 == 2 && 2 * 3 > 5 || false",
        "let a = 5; a -= 1; a == 4",
        "-1 < 1 && 1 > -1",
        "switch 3 { 3 => true, _ => false }",
        "blob(2, 1) == blob(2, 1) && blob(2, 1) != blob(2, 2)",
        "0..3 == 0..3",
    ] {
        returns(script, true);
    }
}

#[test]
fn a_result_is_no_list() {
    for script in [
        "fs::find(`/srv`).len()",
        "fs::find(`/srv`).is_empty()",
        "fs::find(`/srv`).map(|e| e.path)",
        "fs::find(`/srv`).filter(|e| true)",
        "fs::find(`/srv`).sort()",
        "for f in fs::find(`/srv`) { print(f); }",
        "fs::find(`/srv`).join(`,`)",
    ] {
        refused(script, "", "`.entries`");
    }
    refused("if `hosts` in fs::find(`/etc`) { print(1); }", "", "`.entries`");
    refused("if fs::grep(`/etc/hosts`, `NOPE`).len() > 0 { print(`found`) }", "", "`.matches`");
    returns("fs::find(`/etc`).entries.len() > 0", true);
    returns("#{a: 1, b: 2}.len()", 2);
    refused("for c in `text` { print(c); }", "a text is not a list", "split");
    refused("let m = #{a: 1}; for x in m { print(x); }", "a map is not a list", "`m.keys()`");
}

#[test]
fn methods_that_change_in_place_are_copies_where_their_value_is_used() {
    for (script, value) in [
        (r#"let s = " a "; let t = s.trim(); s + t"#, " a a"),
        (r#"let s = " a "; s.trim(); s"#, "a"),
        (r#"let s = "ax"; let t = s.replace("a", "b"); s + t"#, "axbx"),
        (r#"let s = "ax"; s.replace("a", "b"); s"#, "bx"),
        (r#"" a ".trim().len().to_string()"#, "1"),
        (r#"[" a ", "b "].map(|l| l.trim()).join(",")"#, "a,b"),
        (r#"fn clean(x) { x.trim() } clean(" a ")"#, "a"),
        (r#"let a = [3, 1]; let b = a.sort(); `${a}${b}`"#, "[3, 1][1, 3]"),
        (r#"let a = [3, 1]; a.sort(); `${a}`"#, "[1, 3]"),
        (r#"let a = [3, 1]; `${a.sort().reverse()}${a}`"#, "[3, 1][3, 1]"),
        (r#"let a = [1, 2]; let b = a.reverse(); `${a}${b}`"#, "[1, 2][2, 1]"),
        (r#"let a = [3, 1, 2]; let b = a.sort(|x, y| y - x); `${b}`"#, "[3, 2, 1]"),
        (r#"let s = "a"; let t = s.make_upper(); s + t"#, "aA"),
        (r#"let s = "é"; if s.trim() == "é" { s } else { "" }"#, "é"),
        (r#"let a = [1, 1, 2]; `${a.dedup()}`"#, "[1, 2]"),
        (r#"let out = []; ["a", "b"].for_each(|x| out.push(x)); out.join("")"#, "ab"),
        (r#"fs::lines("/etc/hosts").map(|l| l.trim()).len().to_string()"#, "1"),
    ] {
        returns(script, value);
    }
}

#[test]
fn words_of_the_language_are_names_of_options_and_fields() {
    returns(r#"fs::write("/srv/app/n", "1", #{new: true}); read("/srv/app/n")"#, "1");
    returns("let m = #{default: 1, match: 2, if: 3, new: 4}; m.default + m.match + m.new + m.if", 10);
    returns("json::parse(`{\"module\": {\"public\": 5}}`).module.public", 5);
    returns("let x = 0; do { x += 1; } until x == 3; x", 3);
    returns("let x = if true { 1 } else { 2 }; x", 1);
}

#[test]
fn an_error_of_the_script_has_the_fields_of_every_error() {
    for (script, message) in [
        ("1 / 0", "zero"),
        ("[1][5]", "array index"),
        ("#{}.x", "no field `x`"),
        ("1 > `a`", "compares"),
        ("() + 1", "`+` does not take nothing (`()`) and an int"),
        ("`abc`.order()", "`order` does not take a text"),
        ("let t = `abc`; let u = t.sort(); u", "`sort` does not take a text"),
        ("`a` - 1", "`-` does not take a text and an int"),
        ("`a`.foo", "foo"),
    ] {
        let script = format!(
            "let caught = (); let zero = 0;\ntry {{ {} }} catch (e) {{ caught = e; }} [caught.code, caught.message, caught.line, caught.operation]",
            script.replace("1 / 0", "1 / zero")
        );
        let value = run(&script).outcome.unwrap().to_string();
        assert!(
            value.starts_with("[\"SCRIPT_EXCEPTION\",\"") && value.ends_with(",2,null]") && value.contains(message),
            "{script}: {value}"
        );
    }
    // Rethrown, it keeps its code and its place.
    let failure = run("\ntry { [][1] } catch (e) {\n throw e; }").outcome.unwrap_err();
    assert_eq!((failure.error.code, failure.line), (Code::Script, Some(2)));
    returns(r#"let c = (); try { throw "own" } catch (e) { c = e; } c"#, "own");
}

#[test]
fn exit_with_what_fails_elsewhere_is_a_failure() {
    refused("exit(1)", "the script ended with `exit`", "throw");
    refused("exit(`no disk`)", "`no disk`", "throw");
    returns("exit(); 5", Value::Null);
    returns("exit(0)", Value::Null);
    returns("exit(#{a: 1})", Value::map([("a", Value::Int(1))]));
}

#[test]
fn text_that_looks_like_interpolation_warns() {
    let report = run(r#"let x = 1; "value: ${x}""#);
    assert_eq!(report.outcome.unwrap(), "value: ${x}".into());
    assert_eq!(report.warnings.len(), 1);
    assert_eq!((report.warnings[0].line, report.warnings[0].column), (Some(1), Some(20)));
    assert!(run("let x = 1; `value: ${x}`").warnings.is_empty());
    assert_eq!(run("print(`a\\nb`)").warnings.len(), 1);
    assert!(run("print(\"a\\nb\")").warnings.is_empty());
}

#[test]
fn denials_are_told_on_success_too() {
    let engine = crate::worlds::engine(Limits::default());
    let report = engine.run("fs::find(`/srv`); 1", input(|request| request.resource.id() == "/srv"));
    assert_eq!(report.outcome, Ok(Value::Int(1)));
    let denials = &report.denials;
    assert_eq!(
        (denials[0].action.as_str(), denials[0].operation.as_str(), denials[0].line),
        ("fs::list", "fs::find", Some(1))
    );
    assert_eq!(denials.iter().map(|denied| denied.count).sum::<u64>(), report.stats.denied);
}

/// Returns an engine on a world with a log of this many lines.
fn log(lines: usize) -> Engine {
    let text: String =
        (0..lines).map(|number| format!("{number} {}\n", if number % 10 == 0 { "ERROR" } else { "INFO" })).collect();
    match Engine::builder(Arc::new(MemOs::new().file("/app.log", &text))).build() {
        Ok(engine) => engine,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn all_lines_are_read_unless_the_script_says_otherwise() {
    let engine = log(6_000);
    for (script, value) in [
        ("let n = 0; for l in fs::lines(`/app.log`) { if `ERROR` in l { n += 1; } } n", 600),
        ("fs::lines(`/app.log`).len()", 6_000),
        ("fs::lines(`/app.log`).len", 6_000),
        ("fs::lines(`/app.log`).filter(|l| l.contains(`ERROR`)).len()", 600),
        ("fs::lines(`/app.log`).map(|l| l.split(` `)[0].parse_int()).reduce(|a, b| a + b, 0)", 17_997_000),
        ("fs::lines(`/app.log`).filter(|l, i| i < 3).len()", 3),
        ("fs::lines(`/app.log`)[5_999].split(` `)[0].parse_int()", 5_999),
        ("fs::lines(`/app.log`)[-1].split(` `)[0].parse_int()", 5_999),
        ("let l = fs::lines(`/app.log`); let n = 0; for i in 0..l.len() { n += l[i].len(); } n", 53_490),
        ("let l = fs::lines(`/app.log`); let n = 0; for a in l { n += 1; } for a in l { n += 1; } n", 12_000),
        ("fs::lines(`/app.log`, #{max: 10}).len()", 10),
        ("fs::lines(`/app.log`, #{skip: 5_990}).len()", 10),
        ("fs::lines(`/app.log`, #{from_end: true}).len()", 6_000),
        ("for (l, i) in fs::lines(`/app.log`) { if i == 5_999 { return i; } }", 5_999),
        ("if fs::lines(`/app.log`).is_empty() { 1 } else { 0 }", 0),
        ("fs::lines(`/app.log`).extract(0, 3).len()", 3),
        ("let l = fs::lines(`/app.log`); l.reverse(); l[0].split(` `)[0].parse_int()", 5_999),
        ("let l = fs::lines(`/app.log`); l.push(`x`); l.len()", 6_001),
        ("(fs::lines(`/app.log`) + [`x`]).len()", 6_001),
        ("fs::lines(`/app.log`).join(\"\\n\").split(\"\\n\").len()", 6_000),
        ("fs::lines(`/app.log`).index_of(`5999 INFO`)", 5_999),
        ("if `5999 INFO` in fs::lines(`/app.log`) { 1 } else { 0 }", 1),
        ("fs::write(`/copy`, fs::lines(`/app.log`).join(\"\\n\")); fs::lines(`/copy`).len()", 6_000),
        ("if fs::lines(`/app.log`, #{max: 1}) == [`0 ERROR`] { 1 } else { 0 }", 1),
        ("json::encode(fs::lines(`/app.log`, #{max: 1})).len()", 11),
    ] {
        assert_eq!(engine.run(script, input(|_| true)).outcome, Ok(Value::Int(value)), "{script}");
    }
    let value = engine.run("#{l: fs::lines(`/app.log`, #{max: 1})}", input(|_| true)).outcome.unwrap();
    assert_eq!(value.to_string(), r#"{"l":["0 ERROR"]}"#);
    let failure = engine.run("fs::lines(`/app.log`)[6_000]", input(|_| true)).outcome.unwrap_err();
    assert!(failure.error.message.contains("6000"), "{}", failure.error.message);
}

#[test]
fn a_stream_of_lines_takes_the_memory_of_one() {
    let engine = log(200_000);
    let report = engine.run("let n = 0; for l in fs::lines(`/app.log`) { n += l.len(); } n", input(|_| true));
    assert!(report.outcome.is_ok());
    assert!(report.stats.peak_memory_bytes.unwrap() < 1 << 20, "{:?}", report.stats);
    // One decision, however often the lines are read.
    assert_eq!((report.stats.decisions, report.stats.operations), (1, 1));
}

#[test]
fn a_stream_ends_with_an_error_where_it_cannot_go_on() {
    let world = MemOs::new().file("/f", b"ok\ncaf\xe9\n");
    let engine = Engine::builder(Arc::new(world)).build().unwrap();
    let report = engine.run("let n = 0;\nfor l in fs::lines(`/f`) { n += 1; } n", input(|_| true));
    let failure = report.outcome.unwrap_err();
    assert_eq!(
        (failure.error.code, failure.error.operation, failure.line),
        (Code::Unsupported, Some("fs::lines"), Some(2))
    );
    let script =
        "let n = 0; let c = ``; try { for l in fs::lines(`/f`) { n += 1; } } catch (e) { c = e.code; } `${n} ${c}`";
    assert_eq!(engine.run(script, input(|_| true)).outcome, Ok("1 UNSUPPORTED_EXCEPTION".into()));
}

#[test]
fn a_method_of_lines_that_fails_is_called_once() {
    let script = "let n = 0; let c = ``; try { fs::lines(`/app.log`).map(|l| { n += 1; throw `no`; }) } catch (e) { c = e; } `${n} ${c}`";
    assert_eq!(log(3).run(script, input(|_| true)).outcome, Ok("1 no".into()));
}

/// Finds the maps in an example: each as a script reads it from `r`, with its fields.
fn maps(value: &serde_json::Value, at: String, found: &mut Vec<(String, Vec<String>)>) {
    match value {
        serde_json::Value::Object(map) => {
            found.push((at.clone(), map.keys().cloned().collect()));
            map.iter().for_each(|(key, value)| maps(value, format!("{at}[`{key}`]"), found));
        }
        serde_json::Value::Array(values) => {
            values.iter().take(1).for_each(|value| maps(value, format!("{at}[0]"), found));
        }
        _ => {}
    }
}

/// Tries slips of somebody who misremembers: each field of each result, each option and each argument of each operation.
#[test]
fn of_each_operation_no_slip_means_something_else() {
    let mut tried = 0;
    for operation in rex_sdk::OPS {
        let spec = operation.spec();
        let call = rex_sdk::docs::call(spec);
        let mut found = Vec::new();
        maps(&serde_json::from_str(spec.example.returns).unwrap(), "r".to_owned(), &mut found);
        for (at, fields) in found {
            let named = |field: &&String| field.chars().all(|char| char.is_alphanumeric() || char == '_');
            for field in fields.iter().filter(named) {
                for slip in [format!("{field}x"), field.chars().rev().collect()] {
                    if fields.contains(&slip) || slip == *field || !slip.starts_with(|char: char| char.is_alphabetic())
                    {
                        continue;
                    }
                    let script = format!("let r = {call}; if {at}.{slip} == 1 {{ `right` }} else {{ `wrong` }}");
                    let failure = run(&script).outcome.expect_err(&script);
                    assert!(
                        failure.error.message.contains("no field") && failure.error.help.is_some(),
                        "{script}: {failure:?}"
                    );
                    tried += 1;
                }
            }
        }
        let mut slips: Vec<_> = spec
            .options()
            .map(|option| {
                let required: Vec<_> = spec.required().map(|_| "``").collect();
                let comma = if required.is_empty() { "" } else { ", " };
                format!("{}({}{comma}#{{{}x: ()}})", spec.name, required.join(", "), option.name)
            })
            .collect();
        slips.push(format!("{}x()", spec.name));
        slips.push(format!("{}({})", spec.name, vec!["1"; spec.required().count() + 3].join(", ")));
        for slip in slips {
            let report = run(&format!("fs::write(`/srv/app/done`, ``); {slip}"));
            assert!(report.outcome.is_err() && report.stats.operations == 0, "{slip}: {:?}", report.outcome);
            tried += 1;
        }
    }
    assert!(tried > 800, "{tried}");
}

/// Uses each option in the text of a script, as the documentation spells it.
#[test]
fn each_option_can_be_written() {
    for operation in rex_sdk::OPS {
        let spec = operation.spec();
        for option in spec.options() {
            let required: Vec<_> = spec.required().map(|_| "()".to_owned()).collect();
            let args = [required, vec![format!("#{{{}: ()}}", option.name)]].concat().join(", ");
            let script = format!("if false {{ {}({args}) }}", spec.name);
            let failure = run(&script).outcome.err();
            // No option takes `()`; only the existence of the option is checked here.
            let message = failure.map_or_else(String::new, |failure| {
                let more = failure.more.iter().map(|other| other.error.message.as_str());
                [failure.error.message.as_str()].into_iter().chain(more).collect::<Vec<_>>().join("; ")
            });
            assert!(
                !message.contains("no option") && (message.is_empty() || message.contains("expects a")),
                "{script}: {message}"
            );
        }
    }
}

#[test]
fn each_field_that_an_operation_returns_can_be_read() {
    let engine = crate::worlds::engine(Limits::default());
    let mut tried = 0;
    let more = [
        "fs::list(`/srv/app`, #{stat: true})",
        "fs::find(`/srv`, #{min_size: 1})",
        "process::list(#{details: true})",
        "net::sockets(#{processes: true})",
        "net::tcp_check(`93.184.215.14`, 80)",
        "sys::os_release()",
        "sys::vmstat()",
    ];
    let examples = rex_sdk::OPS.iter().map(|operation| rex_sdk::docs::call(operation.spec()));
    for call in examples.chain(more.map(str::to_owned)) {
        let Ok(value) = run(&call).outcome else { continue };
        let mut found = Vec::new();
        maps(&serde_json::from_str(&value.to_string()).unwrap(), "r".to_owned(), &mut found);
        for (at, field) in found.iter().flat_map(|(at, fields)| fields.iter().map(move |field| (at, field))) {
            if field.chars().all(|char| char.is_alphanumeric() || char == '_') {
                let script = format!("let r = {call}; {at}.{field}");
                assert!(engine.check(&script).is_ok(), "{script}: {:?}", engine.check(&script));
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried}");
}
