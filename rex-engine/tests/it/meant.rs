//! Mistakes by habits of other languages are refused: words that a value never is, values and changes that are lost, texts that are
//! numbers.

use crate::silent::{refused, refused_before};
use crate::worlds::{returns, run};

#[test]
fn a_word_that_is_never_there_is_not_compared_with() {
    for (script, message, help) in [
        ("fs::stat(`/etc/hosts`).kind == `dir`", "`kind` of `fs::stat` is never `dir`", "`directory`"),
        (
            "let dirs = fs::list(`/etc`).filter(|e| e.kind == `folder`); dirs.len()",
            "is never `folder`",
            "one of `file`",
        ),
        ("for e in fs::find(`/srv`).entries { if e.kind != `regular` { 1 } }", "is never `regular`", ""),
        ("let k = fs::stat(`/etc/hosts`).kind; `link` == k", "is never `link`", "`symlink`"),
        ("service::status(`nginx`).active == `running`", "is never `running`", "`active`"),
        ("process::list().filter(|p| p.state in [`R`, `running`]).len()", "is never `R`", ""),
        ("process::list().filter(|p| [`S`].contains(p.state)).len()", "is never `S`", ""),
        ("let up = |u| service::status(u).active == `Active`; up.call(`nginx`)", "is never `Active`", "`active`"),
        (
            "let f = |u| { let s = service::status(u); [1].map(|x| s.active == `up`) }; f.call(`nginx`)",
            "is never `up`",
            "",
        ),
        (
            "try { fs::read(`/x`) } catch (e) { if e.code == `NOT_FOUND` { print(1) } }",
            "no error has the code `NOT_FOUND`",
            "it is `NOT_FOUND_EXCEPTION`",
        ),
        (
            "try { fs::read(`/x`) } catch (e) { if e.code in [`ENOENT`] { print(1) } }",
            "no error has the code `ENOENT`",
            "`NOT_FOUND_EXCEPTION`",
        ),
        ("type_of(5) == `int`", "`type_of` never returns `int`", "it is `i64`"),
        ("let m = #{}; m.type_of() != `object`", "`type_of` never returns `object`", "it is `map`"),
    ] {
        refused_before(script, message, help);
    }
    for script in [
        "if fs::stat(`/etc/hosts`).kind == `file` { 1 }",
        "let n = 0; try { throw #{code: `MINE`, message: ``} } catch (e) { if e.code == `MINE` { n = 1 } } n",
        "let n = 0; try { fs::read(`/x`) } catch (e) { if e.code == `NOT_FOUND_EXCEPTION` { n = 1 } } n",
        "if type_of(5) == `i64` && type_of([]) == `array` && type_of(|| 1) == `Fn` && type_of(()) == `()` { 1 }",
        "if type_of(1.5) == `f64` && type_of(`a`) == `string` && type_of('a') == `char` && type_of(#{}) == `map` { 1 }",
        "if type_of(0..1) == `range` && type_of(0..=1) == `range=` && type_of(true) == `bool` { 1 }",
        "if type_of(fs::lines(`/etc/hosts`)) == `lines` && type_of(fs::read_bytes(`/etc/hosts`)) == `blob` { 1 }",
        "let n = #{kind: `dir`}; if n.kind == `dir` { 1 }",
    ] {
        returns(script, 1);
    }
}

#[test]
fn a_value_that_is_lost_is_an_error() {
    for (script, message, help) in [
        ("let s = `a`; s.to_upper(); s", "the result of `to_upper` is lost", "x = x.to_upper"),
        ("let l = [1]; l.filter(|x| x > 1); l", "the result of `filter` is lost", ""),
        ("let l = [1]; l.sort().reverse(); l", "`reverse` changes what the method before it returned", "x.reverse"),
        ("let m = #{a: []}; m.get(`a`).push(1); m", "`push` changes what the method before it returned", ""),
        ("let s = `a,b`; split(s, `,`); s", "the result of `split` is lost", ""),
        ("let r = [#{n: 1}]; rows::sort_by(r, `n`); r", "the result of `sort_by` is lost", ""),
        ("for x in [1] { x; } 1", "the value of this statement is lost", ""),
        ("let x = 5; x == 6; x", "the value of this statement is lost", "`x = ..;`"),
        ("let x = 5; if x > 4 { `big` } else { `small` } x", "the value of this statement is lost", ""),
        (
            "let found = false; for x in [1] { if x == 1 { let found = true; } } found",
            "`let` makes another `found`",
            "`found = ..;`",
        ),
        (
            "let rows = [#{n: `1`}]; for r in rows { r.n = parse_int(r.n); } rows",
            "`for` gives a copy of each entry",
            "list.map(|r|",
        ),
        ("let l = [[1]]; for x in l { x.push(2); } l", "`for` gives a copy", ""),
        ("let l = [#{}]; for x in l { for k in [`a`] { x[k] = 1; } } l", "`for` gives a copy", ""),
        (
            "fn add(l) { l.push(1); } let l = []; add(l); l",
            "a function gets a copy of `l`",
            "end the function with `l`",
        ),
        ("let l = [#{n: 1}]; l.for_each(|x| { x.n = 2; }); l", "a function gets a copy of `x`", ""),
        ("let c = #{s: [#{p: 1}]}; let s = c.s[0]; s.p = 2; c", "`s` is a copy", "back in its place"),
        ("let l = [1]; let m = l; m.push(2); l", "`m` is a copy", ""),
        ("let n = 0; for x in [1, 2] { let n = n + 1; print(n); } n", "`let` makes another `n`", ""),
        ("fn f(l) { let max = 0; for x in l { if x > max { let max = x; } } max } f([1])", "another `max`", ""),
        (
            "let f = |l| { let t = 0; l.for_each(|x| { x.to_string(); t += x; }); t }; f.call([1])",
            "`to_string` is lost",
            "",
        ),
    ] {
        refused_before(script, message, help);
    }
    for script in [
        "let l = [3, 1]; l.sort(); l[0]",
        "let out = []; for r in [#{}] { r.n = 1; out.push(r); } out[0].n",
        "let n = 0; for r in [#{n: 0}] { while r.n < 5 { r.n += 1; } n = r.n; } n - 4",
        "fn add(l) { l.push(1); l } add([]).len()",
        "let l = [3, 1].map(|x| { let y = [x, 0]; y.sort() }); l[1][1]",
        "let f = |l| l.sort(); f.call([2, 1])[0]",
        "let all = []; [1].for_each(|x| { all.push(x); }); all.len()",
        "let m = [2, 1]; let s = m; s.sort(); s[0]",
        "let c = #{n: 0}; let up = || { c.n = 1; }; up.call(); c.n",
        "let l = [1]; l.map(|x| print(x)); 1",
        "let n = 0; try { parse_int(`x`); n = 2; } catch (e) { n = 1; } n",
        "let base = `/a`; for x in [1] { let base = base + x; print(base); } 1",
        "let x = 1; if true { let x = x + 1; print(x); } x",
        "fn f(s) { let s = s.trimmed(); if s == `a` { 1 } } f(` a `)",
        "let m = #{l: [[1]]}; m.l[0].push(1); m.l.len()",
        "let f = |s| { s.to_upper(); }; if f.call(`a`) == `A` { 1 }",
        "let f = |s| s.len(); f.call(`a`)",
        "let r = if true { `a`.len() } else { 0 }; r",
        "let s = switch 1 { 1 => { `a`.len() } _ => 0 }; s",
        "if true { `a`.len() } else { 2 }",
    ] {
        returns(script, 1);
    }
}

#[test]
fn texts_that_are_numbers_are_not_put_in_the_order_of_texts() {
    for (script, message) in [
        ("`100` > `90`", "`>` compares the texts `100` and `90` letter by letter"),
        ("`5` < `10`", "`<` compares the texts `5` and `10`"),
        ("`-1` >= `-2`", "letter by letter"),
        ("[`10`, `9`, `8`].sort()", "they are numbers"),
        ("let l = [`10`, `9`]; let m = l.order_desc(); m", "they are numbers"),
        ("rows::max([`10`, `9`])", "they are numbers"),
        ("rows::sort_by(csv::parse(\"n,k\\na,10\\nb,9\\n\"), `k`)", "they are numbers"),
        ("rows::min(csv::parse(\"k\\n10\\n9\\n\"), `k`)", "they are numbers"),
        ("rows::max(csv::parse(\"h,k\\na,900\\nb,10000\\nc,\\n\"), `k`)", "they are numbers"),
        ("[`900`, `10000`, `-`].sort()", "they are numbers"),
        ("rows::sort_by_desc(csv::parse(\"f,p\\n/,9%\\n/var,100%\\n\"), `p`)", "another order"),
        ("[`9ms`, `10ms`].sort()", "another order"),
        ("[`1.10.0`, `1.9.0`].sort()", "another order"),
        ("[`2G`, `900M`].sort()", "different units"),
        ("`900M` > `2G`", "different units"),
        ("`1.5G` > `900M`", "different units"),
        ("`9.5G` > `10.5G`", "another order"),
        ("`n/a` > `5`", "one of them is not a number"),
        ("`` > `5`", "one of them is not a number"),
        ("max(`9`, `10`)", "they are numbers"),
        ("let a = `1024`; let b = `24`; a - b", "would take the text `24` out of the text `1024`"),
        ("min(`9%`, `10%`)", "another order"),
        ("0.0 / 0.0", "the value is NaN"),
        ("#{a: [1.0 / 0.0]}", "the value is inf"),
        ("rows::max([5, `7`])", "have no order"),
        ("rows::join([#{id: 1}], [#{id: `1`}], `id`)", "the `id` of one list is a number, that of the other is a text"),
        ("table::format([#{a: 1}], [`a`, `b`])", "no row has `b`"),
        ("csv::encode([#{a: 1}], [`b`])", "no row has `b`"),
        ("fs::grep(`/srv/app/logs/app.log`, `ERROR`, #{count: true}).matches.len()", ""),
        ("fs::find(`/srv/app`, #{newer_than: time::parse(`2026-03-01T00:00:00Z`)})", "more than 30 years"),
        ("service::logs(`nginx`, #{since: 3600})", "1970"),
    ] {
        refused(script, message, "");
    }
    for script in [
        "if `b` > `a` && `10` > `09` && `1.9` > `1.10` && `2026` > `2025` { 1 }",
        "if [`10`, `9`, `x`].sort()[0] == `10` { 1 }",
        "if rows::max([`a10`, `a9`]) == `a9` { 1 }",
        "if [`10.0.0.10`, `10.0.0.9`].sort()[0] == `10.0.0.10` { 1 }",
        "let a = 3; let b = 2; a - b",
        "let a = 3.0; let b = 2; if a - b == 1.0 && -b == 0 - b { 1 }",
        "let a = `a.log`; let b = `.log`; if a - b == `a` { 1 }",
        "if [`9 apples`, `10 pears`].sort()[0] == `10 pears` { 1 }",
        "if max(`a`, `b`) == `b` && min(`10`, `20`) == `10` && `2M` > `1M` && `5` > `-` { 1 }",
        "if rows::max([3, 10.5, 2]) == 10.5 { 1 }",
    ] {
        returns(script, 1);
    }
}

#[test]
fn a_default_hides_no_field_that_never_is() {
    for script in [
        "fs::stat(`/etc/hosts`).siz ?? 0",
        "let s = fs::stat(`/etc/hosts`); s?.siz",
        "let s = fs::stat(`/etc/hosts`); s.get(`siz`, 0)",
        "fs::list(`/etc`).map(|e| e.siz ?? 0)",
    ] {
        refused_before(script, "has no field `siz`", "");
    }
    returns("let s = fs::list(`/etc`)[0]; s.get(`size`, 1)", 1);
    returns("let s = fs::list(`/etc`)[0]; s.size ?? 1", 1);
}

#[test]
fn habits_of_other_languages_do_not_mean_something_else() {
    for (script, message) in [
        ("regex::find_all(`[0-9]+`, `abc 45`)", "the text comes first"),
        ("let t = `a1`; regex::replace_all(`[0-9]`, `#`, t)", "the text comes first"),
        ("csv::parse(`sales.csv`)", "`sales.csv` is the name of a file"),
        ("hash::sha256(`/srv/app.log`)", "is the name of a file"),
        ("fs::stat(`/etc/hosts`).mode == 644", "the decimal number 644"),
        ("fs::stat(`/etc/hosts`).mode_text == `644`", "`mode_text` is never `644`"),
        ("sys::memory().used_percent > 0.9", "goes up to 100"),
        ("rows::percentile([1, 2], 0.95)", "less than one percent"),
        ("fs::find(`/srv`, #{name: `logs/*.log`})", "a name holds no `/`"),
        ("fs::find(`/srv`, #{name: `\\\\.log$`})", "looks like a regular expression"),
        ("switch fs::stat(`/etc/hosts`).kind { \"dir\" => 1, _ => 2 }", "is never `dir`"),
        (
            "try { fs::read(`/x`) } catch (e) { switch e.code { \"NOT_FOUND\" => print(1), _ => print(2) } }",
            "no error has the code `NOT_FOUND`",
        ),
        ("switch type_of(5) { \"int\" => 1, _ => 2 }", "never returns `int`"),
        ("for (i, line) in [`a`] { print(line); }", "`i` would be the entry"),
        ("let t = 0; for x in [1] { t + parse_int(`2`); } t", "the value of this statement is lost"),
        ("let l = [1]; l.map(|x| x * 2); l", "the result of `map` is lost"),
        ("let l = [1]; for x in l { x *= 2; } l", "`for` gives a copy"),
        ("fn d(x) { x *= 2; } let n = 1; d(n); n", "a function gets a copy of `x`"),
        ("fn add(l) { l.push(1); l } let v = []; add(v); v", "the result of `add` is lost"),
        ("let c = [#{h: `a`, n: 1}]; let s = c.find(|s| s.h == `a`); s.n = 2; c", "`s` is a copy"),
        ("let g = #{}; for w in [`a`] { let l = g[w] ?? []; l.push(1); } g", "`l` is a copy"),
        ("let t = 0; for x in [1] { t =+ x; } t", "`=+` is an assignment and a sign"),
        ("let t = 0; for x in [1] { t =- x; } t", "`=-` is an assignment and a sign"),
        ("time::parse(`2026-01-01`)", "is not an RFC 3339 time"),
        ("human::parse_bytes(`10X`)", ""),
        ("json::parse(`{a:1}`)", ""),
        ("ip::contains(`10.0.0.0/33`, `10.0.0.1`)", ""),
        ("let t = 0; time::format(t, `%Y-%M-%d`)", "it has `%Y-%M`"),
    ] {
        refused_before(script, message, "");
    }
    refused("fn main() { fs::write(`/srv/app/x`, ``); }", "only defines functions", "main");
    refused("`10ms` > `9ms`", "their numbers have another order", "");
    refused("`1.10.0` < `1.9.0`", "their numbers have another order", "");
    refused("regex::replace_all(`a1`, `[0-9]`, `$1x`)", "the pattern has no group `1x`", "`${1}x`");
    for script in [
        "if `2026-03-02` < `2026-03-10` && `10:00` > `09:59` && `v9` > `v10` { 1 }",
        "let a =-1; let b = -1; if a <= -1 && a == -1 && a >=-1 { 1 }",
        "let m = #{debug: 0, print: 1, call: 2}; m.eval = 3; m.debug + m.print",
        "let f = |x| x; let m = #{f: f}; print(f.call(1)); m.f.call(1)",
        "let n = 0; for (x, at) in [5] { n += at; } n + 1",
        "let l = []; [1].map(|x| l.push(x)); l.len()",
        "let n = 0; for i in 0..2 { let i = i * 2; n += i; } n - 1",
        "let n = 0; try { json::parse(`{a:1}`) } catch { n = 1; } n",
        "if regex::replace_all(`a1`, `([0-9])`, \"${1}x\") == `a1x` { 1 }",
        "if fs::stat(`/etc/hosts`).mode == 0o644 || true { 1 }",
    ] {
        returns(script, 1);
    }
}

#[test]
fn text_that_names_a_variable_warns() {
    let warned = |script: &str| run(script).warnings.len();
    assert_eq!(warned("let n = 3; print(\"n is {n}\")"), 1);
    assert_eq!(warned("let n = 3; print(\"n is $n\")"), 1);
    assert_eq!(warned("for host in [`a`] { print(`{host} up ${host}`) }"), 1);
    for script in
        ["let n = 3; print(`n is ${n}`)", "let n = 3; print(\"{m} {n }\")", "let a = 1; print(\"{\\\"a\\\": 1}\")"]
    {
        assert_eq!(warned(script), 0, "{script}");
    }
}

#[test]
fn a_division_before_a_multiplication_warns() {
    let warned = |script: &str| run(script).warnings.len();
    assert_eq!(warned("let used = 5; let total = 10; used / total * 100"), 1);
    assert_eq!(warned("let used = 5; let total = 10; 100 * used / total"), 0);
    // Found while it runs: the quotient is 0.
    assert_eq!(warned("let used = 5; let total = 10; used / total * 100.0"), 1);
    assert_eq!(warned("let used = 15; let total = 10; used / total * 100.0"), 0);
    assert_eq!(warned("let used = 5; let total = 10; used.to_float() / total * 100"), 0);
}

#[test]
fn a_quotient_that_is_zero_warns_once() {
    let warnings = |script: &str| run(script).warnings;
    for script in [
        "let errors = 5; let total = 170; let rate = errors / total; rate > 1",
        "let n = 0; for part in [1, 2, 3] { n += part / 9.max(part); } n",
        "fn rate(a, b) { a / b } rate(-1, 2)",
        "[1].map(|x| x / 7.abs())[0]",
    ] {
        let found = warnings(script);
        assert_eq!(found.len(), 1, "{script}: {found:?}");
        assert!(found[0].error.message.contains("is 0: of two integers"), "{script}: {}", found[0].error.message);
    }
    // A variable that is set to a division, and compared with a fraction, is found even if the quotient is not zero.
    assert_eq!(warnings("let a = 5; let b = 2; let share = a / b; share > 0.9").len(), 1);
    for script in
        ["let a = 0; a / 7.abs()", "let a = 1; a / 1024", "let a = 7; a / 2.abs()", "let a = 1.0; let b = 7; a / b"]
    {
        assert_eq!(warnings(script), [], "{script}");
    }
    let report = run("let a = 1; let b = 0; a / b");
    assert!(report.outcome.unwrap_err().error.message.contains("zero"));
}
