//! Unique names, and runs that are repeated exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use rex_engine::Engine;
use rex_sdk::MemOs;

use crate::worlds::{input, run};

#[test]
fn each_run_has_other_names() {
    let script = "random::uuid() + random::hex(16)";
    assert_ne!(run(script).outcome.unwrap(), run(script).outcome.unwrap());
}

#[test]
fn with_a_set_source_a_run_is_the_same_again() {
    let outcome = || {
        let count = AtomicU8::new(0);
        let source = move |bytes: &mut [u8]| bytes.fill_with(|| count.fetch_add(1, Relaxed));
        let engine = Engine::builder(Arc::new(MemOs::example())).random(Arc::new(source)).build().unwrap();
        engine.run("[random::hex(4), random::uuid()]", input(|_| false)).outcome.unwrap().to_string()
    };
    assert_eq!(outcome(), r#"["00010203","04050607-0809-4a0b-8c0d-0e0f10111213"]"#);
    assert_eq!(outcome(), outcome());
}
