//! Between the values of operations and those of Rhai.

use rex_core::{Error, Value};
use rhai::{Array, Blob, Dynamic, ImmutableString, Map};

/// A script's value as an operation's. What an operation has no word for (a function, a time) becomes its text.
pub(crate) fn to_value(dynamic: Dynamic) -> Value {
    if dynamic.is_unit() {
        return Value::Null;
    }
    if let Ok(value) = dynamic.as_bool() {
        return Value::Bool(value);
    }
    if let Ok(value) = dynamic.as_int() {
        return Value::Int(value);
    }
    if let Ok(value) = dynamic.as_float() {
        return Value::Float(value);
    }
    if let Ok(value) = dynamic.as_char() {
        return Value::Text(value.to_string());
    }
    let dynamic = match dynamic.try_cast_result::<ImmutableString>() {
        Ok(text) => return Value::Text(text.into_owned()),
        Err(other) => other,
    };
    let dynamic = match dynamic.try_cast_result::<Array>() {
        Ok(array) => return Value::List(array.into_iter().map(to_value).collect()),
        Err(other) => other,
    };
    let dynamic = match dynamic.try_cast_result::<Map>() {
        Ok(map) => {
            return Value::Map(map.into_iter().map(|(key, value)| (key.to_string(), to_value(value))).collect());
        }
        Err(other) => other,
    };
    match dynamic.try_cast_result::<Blob>() {
        Ok(blob) => Value::Bytes(blob),
        Err(other) => Value::Text(other.to_string()),
    }
}

/// An operation's value as a script's.
pub(crate) fn to_dynamic(value: Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::Float(value) => value.into(),
        Value::Text(text) => text.into(),
        Value::Bytes(bytes) => Dynamic::from_blob(bytes),
        Value::List(values) => Dynamic::from_array(values.into_iter().map(to_dynamic).collect()),
        Value::Map(entries) => {
            Dynamic::from_map(entries.into_iter().map(|(key, value)| (key.into(), to_dynamic(value))).collect())
        }
    }
}

/// What a script catches: `code, message, operation, action, resource, policies, reason, help, line`.
pub(crate) fn to_map(error: &Error, line: Option<u32>) -> Map {
    let text = |text: Option<&str>| text.map_or(Dynamic::UNIT, |text| text.to_owned().into());
    let denial = error.denial.as_deref();
    let policies: Array =
        denial.iter().flat_map(|denial| denial.policies.iter()).map(|id| id.to_string().into()).collect();
    [
        ("code", error.code.as_str().into()),
        ("message", error.message.clone().into()),
        ("operation", text(error.operation)),
        ("action", denial.map_or(Dynamic::UNIT, |denial| denial.action.to_string().into())),
        ("resource", text(denial.map(|denial| denial.resource.as_str()))),
        ("policies", policies.into()),
        ("reason", text(denial.and_then(|denial| denial.reason.as_deref()))),
        ("help", text(error.help.as_deref())),
        ("line", line.map_or(Dynamic::UNIT, |line| i64::from(line).into())),
    ]
    .into_iter()
    .map(|(key, value): (&str, Dynamic)| (key.into(), value))
    .collect()
}
