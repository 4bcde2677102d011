//! Every operation's example, run as a script.

use rex_sdk::{OPS, docs};

use crate::worlds::{run, run_denied};
use rex_core::Code;

#[test]
fn each_example_runs_as_a_script() {
    for operation in OPS {
        let spec = operation.spec();
        let call = docs::call(spec);
        let report = run(&call);
        assert_eq!(report.outcome.map(|value| value.to_string()), Ok(canonical(spec.example.returns)), "{call}");
        for alias in spec.aliases {
            let called = call.replacen(spec.name, alias, 1);
            let report = run(&called);
            assert!(report.outcome.is_ok(), "{called}");
            // Rhai has functions of its own with such names, and prefers them where their types fit better.
            assert_eq!(report.stats.operations, 1, "{called}");
        }
    }
}

#[test]
fn each_operation_is_denied_without_a_permit() {
    for operation in OPS {
        let report = run_denied(&docs::call(operation.spec()));
        assert_eq!(report.code(), Some(Code::AccessDenied), "{}", operation.spec().name);
    }
}

/// Returns JSON with its keys in order.
fn canonical(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json).unwrap().to_string()
}
