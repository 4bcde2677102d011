//! First tries in the habits of other languages: what each is answered. None calls an operation, unless it means here what it meant there.

use std::fmt::Write;
use std::sync::Arc;

use expect_test::expect_file;
use rex_engine::Engine;
use rex_sdk::MemOs;

use crate::worlds::input;

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
