//! First tries in the habits of other languages: what each is answered. None calls an operation, unless it means here what it meant there.

use std::fmt::Write;
use std::sync::Arc;

use expect_test::expect_file;
use rex_engine::Engine;
use rex_sdk::MemOs;

use crate::silent::refused;
use crate::worlds::{input, returns, run};

#[test]
fn first_tries_are_answered_with_the_way_to_write_them() {
    let engine = Engine::builder(Arc::new(MemOs::example())).build().unwrap();
    let (mut text, mut count, mut helped) = (String::new(), 0, 0);
    for script in include_str!("foreign/scripts.txt").lines() {
        let report = engine.run(script, input(|_| true));
        count += 1;
        writeln!(text, "{script}").unwrap();
        match report.outcome {
            Ok(value) => writeln!(text, "  = {value:?}").unwrap(),
            Err(failure) => {
                assert_eq!(report.stats.operations, 0, "{script}");
                helped += u32::from(failure.error.help.is_some());
                writeln!(text, "  {}", failure.error.message).unwrap();
                writeln!(text, "  -> {}", failure.error.help.as_deref().unwrap_or("-").lines().next().unwrap_or(""))
                    .unwrap();
            }
        }
    }
    expect_file!["foreign/answers.txt"].assert_eq(&text);
    assert!(helped * 100 >= count * 95, "{helped} of {count} name a fix");
}

#[test]
fn what_ends_elsewhere_than_it_seems_is_refused() {
    for (script, message, help) in [
        ("/* open\nthrow `x`;", "this comment does not end", "*/"),
        ("let s = \"\"\"two\"\"\"; s", "begins with one", "backticks"),
        ("let d = {}; d", "is an empty block", "#{}"),
        ("let m = 0644; m", "is decimal here", "0o644"),
    ] {
        refused(script, message, help);
    }
    returns("/* a /* b */ c */ 1", 1);
    returns("let f = |x| {}; let e = \"\"; let z = 0; if e == \"\" { 10 + z } else { 0 }", 10);
}

#[test]
fn a_carriage_return_in_a_line_hides_nothing() {
    for script in ["// a comment\rfs::write(`/a`, ``);", "1\r2"] {
        let failure = run(script).outcome.unwrap_err();
        assert!(failure.error.message.contains("carriage return"), "{script:?}: {}", failure.error.message);
    }
    returns("let x = 1;\r\nx", 1);
}
