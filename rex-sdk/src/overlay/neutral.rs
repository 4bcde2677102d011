//! Neutral results of denied operations, of which nothing else is known.

use rex_core::Value;

use crate::OpSpec;

/// Returns a result with the shape of the operation's example and no information. A temporary file that would have been
/// created gets the name that was tried.
pub(super) fn result(operation: &OpSpec, denied: &str) -> Value {
    if operation.name == crate::ops::fs::temp_file::OP.spec.name {
        return denied.into();
    }
    // INVARIANT: a conformance test parses the example of every operation.
    let example = serde_json::from_str(operation.example.returns).unwrap_or_default();
    match (operation.returns.value_kind(), neutral(example)) {
        ("bytes", _) => Value::Bytes(Vec::new()),
        (_, value) => value,
    }
}

fn neutral(example: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match example {
        Json::Null => Value::Null,
        Json::Bool(_) => Value::Bool(false),
        Json::Number(number) if number.is_f64() => Value::Float(0.0),
        Json::Number(_) => Value::Int(0),
        Json::String(_) => Value::Text(String::new()),
        Json::Array(_) => Value::List(Vec::new()),
        Json::Object(entries) => Value::Map(entries.into_iter().map(|(key, value)| (key, neutral(value))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OPS;

    #[test]
    fn a_neutral_result_is_of_the_kind_that_is_promised() {
        for operation in OPS {
            let spec = operation.spec();
            let result = result(spec, "/tmp/x");
            assert!([spec.returns.value_kind(), "nothing"].contains(&result.kind()), "{}: {result:?}", spec.name);
        }
    }
}
