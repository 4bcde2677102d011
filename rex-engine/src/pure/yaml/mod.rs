//! YAML 1.2 in its core schema, read from the events of a parser and written in block style.

mod read;
mod write;

use rhai::{Array, Dynamic};

use super::{PureResult, VALUE_BYTES, fail_with};

functions! { "yaml";
    /// Reads a YAML document. Keys are text as they are written, and none occurs twice; `<<` merges maps into another one; `yes` and dates are text; a number that is too large for an INT becomes a FLOAT. Tags are known for `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!seq` and `!!map`.
    parse(text: &str) -> "value" = parse;
    /// The same for a text that may hold several documents, or none.
    parse_all(text: &str) -> "list" = |text: &str| read::documents(text, usize::MAX, VALUE_BYTES).map(|all| all.into_iter().collect::<Array>());
    /// Writes a value as a YAML document of one line for each entry. What it reads back is the same value; a character is text, a blob a list of numbers, `()` is `null`.
    format(value: &mut Dynamic) -> "text" = |value: &mut Dynamic| write::document(value);
}

fn parse(text: &str) -> PureResult<Dynamic> {
    let mut documents = read::documents(text, 2, VALUE_BYTES)?;
    if documents.len() > 1 {
        return Err(fail_with("the text holds several YAML documents", "`yaml::parse_all` reads them as a list"));
    }
    Ok(documents.pop().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rhai::{Blob, Map};

    use super::super::tests::{check, check_fails, run, run_with, thrown};
    use super::*;

    /// Checks the value that a text is read as, in the form in which a script shows it.
    fn reads(text: &str, expected: &str) {
        let value = run_with(text, "yaml::parse(text)").unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(value.to_string(), expected, "{text}");
    }

    fn refuses(text: &str, expected: &str) {
        let expected = format!("VALIDATION_EXCEPTION: the text is not valid YAML: {expected}");
        assert_eq!(thrown(run_with(text, "yaml::parse(text)")), expected, "{text:.80}");
    }

    #[test]
    fn reads_what_people_write() {
        reads(
            "# comment\nname: web\nports: [80, 443]\nenv:\n- {key: A, value: \"1\"}\n- key: B\ncommand: >\n  run\n  it\nscript: |\n  a\n  b\n",
            r#"#{"command": "run it\n", "env": [#{"key": "A", "value": "1"}, #{"key": "B"}], "name": "web", "ports": [80, 443], "script": "a\nb\n"}"#,
        );
        reads("1: a\nyes: b\n~: c\n? long\n: d\n", r#"#{"1": "a", "long": "d", "yes": "b", "~": "c"}"#);
        reads("", "");
        reads("---\n", "");
        reads("\u{feff}%YAML 1.2\n---\n- é\n...\n", r#"["é"]"#);
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        for text in [
            "yes",
            "off",
            "1.2.3",
            "2026-03-02",
            "0x",
            "0xg",
            "0x-1",
            "1_000",
            "0644",
            "-017",
            "12e4567",
            "inf",
            "+",
            "'1'",
            "!!str 1",
            "! 1",
        ] {
            assert!(run_with(text, "yaml::parse(text)").is_ok_and(|value| value.is_string()), "{text}");
        }
        for (text, expected) in [
            ("0x1F", "31"),
            ("0o17", "15"),
            ("+5", "5"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("9223372036854775808", "9.223372036854776e18"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("-1e3", "-1000.0"),
            (".inf", "inf"),
            ("-.INF", "-inf"),
            (".nan", "NaN"),
            ("~", ""),
            ("False", "false"),
            ("!!float 1", "1.0"),
            ("!!int 0x10", "16"),
            ("!!null ''", ""),
        ] {
            reads(text, expected);
        }
    }

    #[test]
    fn aliases_are_copies_and_merges_fill_in() {
        reads(
            "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\nuse: {<<: [*base, *more], a: 0}\n",
            r#"#{"base": #{"a": 1, "b": 2}, "more": #{"b": 3, "c": 4}, "use": #{"a": 0, "b": 2, "c": 4}}"#,
        );
        reads("a: &k x\n*k : &k y\nb: *k\n", r#"#{"a": "x", "b": "y", "x": "y"}"#);
        reads("{\"<<\": 1}", r#"#{"<<": 1}"#);
        reads("[&a [1], *a]", "[[1], [1]]");
        check("let v = yaml::parse(\"[&a [1], *a]\"); v[0][0] = 2; v", "[[2], [1]]");
        refuses("&a [*a]", "an alias is part of its own anchor at line 1 column 5");
        refuses("a: 1\nb: *c", "while parsing node, found unknown anchor at line 2 column 4");
        refuses("--- &a 1\n--- *a", "while parsing node, found unknown anchor at line 2 column 5");
        refuses("<<: 1", "`<<` takes a map or a list of maps at line 1 column 1");
        refuses("<<: {}\n<<: {}", "the key `<<` occurs twice at line 2 column 1");
    }

    #[test]
    fn one_document_or_all() {
        check(r#"yaml::parse_all("--- 1\n---\na: 2\n...\n---\n")"#, r#"[1, #{"a": 2}, ()]"#);
        check(r#"yaml::parse_all("")"#, "[]");
        check_fails(r#"yaml::parse("--- 1\n--- 2")"#, "VALIDATION_EXCEPTION: the text holds several YAML documents");
    }

    #[test]
    fn refuses_what_is_doubtful() {
        refuses("a: 1\n'a': 2", "the key `a` occurs twice at line 2 column 1");
        refuses("{a: 1, a: 1}", "the key `a` occurs twice at line 1 column 8");
        refuses("? [a]\n: 1", "a key is a list or a map at line 1 column 3");
        refuses("a: &k 1\n*k : 1", "a key is an alias of something other than text at line 2 column 1");
        refuses("!!python/object:os.system x", "the tag `!!python/object:os.system` is not known at line 1 column 1");
        refuses("!Ref x", "the tag `!Ref` is not known at line 1 column 1");
        refuses("!!set {a}", "the tag `!!set` is not known at line 1 column 1");
        refuses("!!int x", "`x` is not what `!!int` says at line 1 column 1");
        for text in ["[1", "a: b: c", "a:\n\tb: 1", "a: 'x", "}", "%", "a: |\nb", "\"\\q\"", "a\u{1}"] {
            let result = run_with(text, "yaml::parse(text)");
            assert!(result.is_err(), "{text}: {result:?}");
            let error = thrown(result);
            assert!(error.starts_with("VALIDATION_EXCEPTION: the text is not valid YAML: "), "{text}: {error}");
        }
    }

    #[test]
    fn aliases_of_aliases_meet_the_limit() {
        let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..12 {
            let item = format!("*a{}, ", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", item.repeat(9));
        }
        let limit = "LIMIT_EXCEEDED_EXCEPTION: the result would take more than 134217728 bytes";
        assert_eq!(thrown(run_with(&text, "yaml::parse(text)")), limit);
        let merges: String = (0..100_000).map(|_| "- {<<: *a}\n").collect();
        let wide: String = (0..1_000).map(|number| format!("k{number}: {number}, ")).collect();
        assert_eq!(thrown(run_with(&format!("- &a {{{wide}}}\n{merges}"), "yaml::parse(text)")), limit);
        for item in ["- 0\n", "- []\n", "- {}\n", "- {'': 0}\n", "- ''\n", "-\n", "- &a\n", "---\n"] {
            let error = read::documents(&item.repeat(40_000), usize::MAX, 1 << 20).unwrap_err();
            assert_eq!(error.message, "the result would take more than 1048576 bytes", "{item}");
        }
    }

    #[test]
    fn nesting_is_limited_both_ways() {
        let flow = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let block = |depth| format!("{}x", "- ".repeat(depth));
        let maps = |depth: usize| (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
        for text in [flow(127), block(127), maps(127)] {
            let value = run_with(&text, "yaml::parse(text)").unwrap();
            assert_eq!(parse(&write::document(&value).unwrap()).unwrap().to_string(), value.to_string());
        }
        for text in
            [flow(128), block(128), maps(128), "[".repeat(1_000_000), "{a: ".repeat(1_000_000), "- ".repeat(1_000_000)]
        {
            let error = thrown(run_with(&text, "yaml::parse(text)"));
            assert!(error.contains("nested deeper than 127 levels"), "{error}");
        }
        // Each alias is as deep as its value.
        let stairs: String = (1..9)
            .map(|level| format!("a{level}: &a{level} {}*a{}{}\n", "[".repeat(20), level - 1, "]".repeat(20)))
            .collect();
        let error = thrown(run_with(&format!("a0: &a0 x\n{stairs}"), "yaml::parse(text)"));
        assert!(error.contains("nested deeper than 127 levels at line 8"), "{error}");
        let error = thrown(run("let a = []; for i in 1..128 { a = [a]; } yaml::format(a)"));
        assert!(error.contains("nested deeper than 127 levels"), "{error}");
    }

    #[test]
    fn time_grows_with_the_length() {
        let start = std::time::Instant::now();
        for text in [
            "[a: b, ", "? ", "a: ", "? - ", "&a ", "!!str ", "*a ", "'", "\"\\x", "# ", "|\n", "- - ", "%A\n",
            "[[a]: ", "{? ", "\n\n ", "--- ", "a: [", "[]: ",
        ] {
            let _ = run_with(&text.repeat(400_000), "yaml::parse(text)");
        }
        assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    }

    #[test]
    fn writes_one_line_for_each_entry() {
        check(
            r#"yaml::format(#{name: "web", ports: [80, 443], env: [#{key: "A", value: "1"}, [[], #{}, [1]]], none: (), rate: 2.0})"#,
            "env:\n  - key: A\n    value: \"1\"\n  - - []\n    - {}\n    - - 1\nname: web\nnone: null\nports:\n  - 80\n  - 443\nrate: 2.0\n",
        );
        check(
            r#"yaml::format(#{script: "set -e\n\nrun it\n", tail: ["a: b\n  c", "x\n\n"]})"#,
            "script: |\n  set -e\n\n  run it\ntail:\n  - |-\n    a: b\n      c\n  - \"x\\n\\n\"\n",
        );
        check("yaml::format([])", "[]\n");
        check("yaml::format(`-`)", "\"-\"\n");
        check("yaml::format(`a\nb`)", "|-\n  a\n  b\n");
        check(
            "yaml::format([true, 'x', blob(2, 7), 1.0/0.0, -1.0/0.0, 0.0/0.0, -5])",
            "- true\n- x\n- - 7\n  - 7\n- .inf\n- -.inf\n- .nan\n- -5\n",
        );
        for text in [
            "yes",
            "No",
            "1.5",
            "2026-03-02",
            "12:30:45",
            "~",
            "",
            " a",
            "a ",
            "a: b",
            "a:",
            "a #b",
            "<<",
            "#",
            "---",
            "*a",
            "&a",
            "null",
            "é\u{85}",
            "\u{feff}x",
            "0o7",
        ] {
            let quoted = run_with(text, "yaml::format(text)").unwrap().to_string();
            assert!(quoted.starts_with('"'), "{text}: {quoted}");
            assert_eq!(parse(&quoted).unwrap().to_string(), text);
        }
        for text in ["web", "/srv/app", "http://x:80/y", "a - b", "Ünï", "a@b.c (d), e", "_x"] {
            assert_eq!(run_with(text, "yaml::format(text)").unwrap().to_string(), format!("{text}\n"));
        }
    }

    #[test]
    fn refuses_what_yaml_cannot_hold() {
        check_fails("yaml::format([|x| x])", "VALIDATION_EXCEPTION: a function cannot be written as YAML");
        check_fails("yaml::format(1..3)", "VALIDATION_EXCEPTION: a value of this kind cannot be written as YAML");
        let limit = "LIMIT_EXCEEDED_EXCEPTION: the result would take more than 67108864 bytes";
        let text = "x".repeat(1 << 20);
        assert_eq!(thrown(run_with(&text, "let a = []; a.pad(1000, text); yaml::format(a)")), limit);
        let mut value = Dynamic::from_array(Array::new()).into_shared();
        let itself = value.clone();
        value.write_lock::<Array>().unwrap().push(itself);
        assert!(write::document(&value).unwrap_err().message.contains("nested deeper than 127 levels"));
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,8}",
            "[-?:,#&*!|>'\"%@`<=~.0-9eExo+ \\n\\t\\[\\]{}a]{0,8}",
            "([ ]{0,2}[a-c#-]{0,3}\\n){0,4}",
            any::<String>(),
            "[a:\\- ]{510,1030}",
        ]
    }

    fn value() -> impl Strategy<Value = Dynamic> {
        let leaf = prop_oneof![
            Just(Dynamic::UNIT),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            text().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Dynamic::from_array),
                prop::collection::vec((text(), inner), 0..4).prop_map(|all| all
                    .into_iter()
                    .map(|(key, value)| (key.into(), value))
                    .collect::<Map>()
                    .into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in value()) {
            let text = write::document(&value).unwrap();
            let read = parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {}", error.message)))?;
            prop_assert_eq!(format!("{value:?}"), format!("{read:?}"), "{}", text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-?:,#&*!|>'\"% \\n\\t\\[\\]{}a<~1]{0,40}") {
            if let Ok(value) = read::documents(&text, usize::MAX, VALUE_BYTES) {
                let written = write::document(&Dynamic::from_array(value.clone())).unwrap();
                prop_assert_eq!(format!("{:?}", parse(&written).unwrap()), format!("{:?}", Dynamic::from_array(value)));
            }
        }
    }

    #[test]
    fn a_blob_is_a_list_of_numbers() {
        let blob: Blob = vec![1, 255];
        assert_eq!(write::document(&Dynamic::from_blob(blob)).unwrap(), "- 1\n- 255\n");
    }
}
