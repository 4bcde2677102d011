//! Conversions between the values of operations and those of Rhai.

use std::collections::BTreeMap;

use rex_core::limits::exceeded;
use rex_core::{Budget, Code, Error, Value};
use rhai::{Array, Blob, Dynamic, ImmutableString, Map};

use crate::values::lines::ScriptLines;

/// Maximum depth of nested lists and maps in a value that leaves a script, as for JSON.
const DEPTH: u32 = 127;
/// Bytes that each value counts for, in addition to its text.
const VALUE_BYTES: u64 = 16;

/// Converts a script's value to an operation's. A type that operations lack (a function, a time) becomes its text.
///
/// # Errors
/// If it takes more than `value_bytes`, or its lists and maps are nested too deep.
pub(crate) fn to_value(dynamic: Dynamic, value_bytes: u64) -> Result<Value, Error> {
    let exceeded = || exceeded("value_bytes", value_bytes, "bytes of value");
    ValueAllowance { exceeded: &exceeded, left: value_bytes, byte: VALUE_BYTES, depth: 0 }.value(dynamic)
}

/// Converts a script's value to an argument of an operation, which may take the memory that the run has left.
///
/// # Errors
/// If it takes more than that, or its lists and maps are nested too deep.
pub(crate) fn to_argument(dynamic: Dynamic, budget: &Budget) -> Result<Value, Error> {
    let memory_bytes = budget.limits().memory_bytes;
    let exceeded = || exceeded("memory_bytes", memory_bytes, "bytes of memory");
    ValueAllowance { exceeded: &exceeded, left: budget.memory_left(), byte: 1, depth: 0 }.value(dynamic)
}

/// The allowance for a value on its way out.
struct ValueAllowance<'a> {
    exceeded: &'a dyn Fn() -> Error,
    left: u64,
    /// Bytes that each byte of a blob counts for: in a report, it is a number of a list.
    byte: u64,
    depth: u32,
}

impl ValueAllowance<'_> {
    fn value(&mut self, dynamic: Dynamic) -> Result<Value, Error> {
        self.count(VALUE_BYTES)?;
        if dynamic.is_unit() {
            return Ok(Value::Null);
        }
        if let Ok(value) = dynamic.as_bool() {
            return Ok(Value::Bool(value));
        }
        if let Ok(value) = dynamic.as_int() {
            return Ok(Value::Int(value));
        }
        if let Ok(value) = dynamic.as_float() {
            // JSON has no such value: in a report, it would be `null`.
            if !value.is_finite() {
                let message = format!(
                    "the value is {value}, which is not a number: the result of a division by zero, for instance"
                );
                return Err(Error::new(Code::Script, message).with_help("test for it first: `if x.is_finite { .. }`"));
            }
            return Ok(Value::Float(value));
        }
        if let Ok(value) = dynamic.as_char() {
            return Ok(Value::Text(value.to_string()));
        }
        let dynamic = match dynamic.try_cast_result::<ImmutableString>() {
            Ok(text) => return self.text(text.into_owned()).map(Value::Text),
            Err(other) => other,
        };
        let dynamic = match dynamic.try_cast_result::<Array>() {
            Ok(array) => {
                return self
                    .inside(|inside| array.into_iter().map(|value| inside.value(value)).collect())
                    .map(Value::List);
            }
            Err(other) => other,
        };
        let dynamic = match dynamic.try_cast_result::<Map>() {
            Ok(map) => {
                let entries = |inside: &mut Self| {
                    let mut entries = BTreeMap::new();
                    for (key, value) in map {
                        entries.insert(inside.text(key.to_string())?, inside.value(value)?);
                    }
                    Ok(entries)
                };
                return self.inside(entries).map(Value::Map);
            }
            Err(other) => other,
        };
        let lines = dynamic.read_lock::<ScriptLines>().map(|lines| lines.values());
        if let Some(lines) = lines {
            let lines = lines?;
            lines.iter().try_for_each(|line| self.count(VALUE_BYTES + line.len() as u64))?;
            return Ok(Value::List(lines.into_iter().map(Value::Text).collect()));
        }
        match dynamic.try_cast_result::<Blob>() {
            Ok(blob) => {
                self.count(self.byte.saturating_mul(blob.len() as u64))?;
                Ok(Value::Bytes(blob))
            }
            Err(other) => self.text(other.to_string()).map(Value::Text),
        }
    }

    fn text(&mut self, text: String) -> Result<String, Error> {
        self.count(text.len() as u64).map(|()| text)
    }

    fn count(&mut self, bytes: u64) -> Result<(), Error> {
        self.left = self.left.checked_sub(bytes).ok_or_else(self.exceeded)?;
        Ok(())
    }

    fn inside<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == DEPTH {
            let message = format!("lists and maps hold one another more than {DEPTH} deep");
            return Err(Error::new(Code::LimitExceeded, message).with_help("make the value flatter"));
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        result
    }
}

/// Converts an operation's value to a script's.
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

/// Converts an error to the map that a script catches: `code, message, operation, action, resource, policies, reason, help, line`.
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
