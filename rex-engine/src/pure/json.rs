//! JSON, read straight into script values and written straight from them.

use std::fmt;
use std::io;

use rhai::{Array, Dynamic, Map};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::values::lines::ScriptLines;

use super::{CallBudget, DEPTH, PureResult, TEXT_BYTES, VALUE_BYTES, fail, fail_with, unmarked};

functions! { "json";
    /// Reads a JSON text. `null` is `()`; an integer that no INT holds becomes a FLOAT; of two equal keys the last counts.
    parse(text: &str) -> "value" = parse;
    /// Writes a value as JSON on one line. A character is text, a blob a list of numbers, `()` is `null`.
    encode(value: &mut Dynamic) -> "text" = |value: &mut Dynamic| write(value, serde_json::ser::CompactFormatter);
    /// Writes a value as JSON over several lines, for people.
    pretty(value: &mut Dynamic) -> "text" = |value: &mut Dynamic| write(value, serde_json::ser::PrettyFormatter::new());
}

fn parse(text: &str) -> PureResult<Dynamic> {
    let budget = CallBudget::new(VALUE_BYTES);
    let mut source = serde_json::Deserializer::from_str(unmarked(text));
    let result = ValueSeed::new(&budget).deserialize(&mut source).and_then(|value| source.end().map(|()| value));
    result.map_err(|error| match budget.is_exceeded() {
        true => budget.error(),
        false => fail(format!("the text is not valid JSON: {error}")),
    })
}

/// A value that is being read, within the budget of the call.
#[derive(Clone, Copy)]
pub(super) struct ValueSeed<'a> {
    budget: &'a CallBudget,
    /// The key under which a format passes dates, which become text.
    date: Option<&'static str>,
}

/// Bytes that a value takes in addition to its place in a list or map, rounded up from what the allocator uses.
pub(super) const STRING_BYTES: usize = 64;
pub(super) const LIST_BYTES: usize = 32;
pub(super) const ITEM_BYTES: usize = 32;
pub(super) const MAP_BYTES: usize = 512;
pub(super) const ENTRY_BYTES: usize = 96;

impl<'a> ValueSeed<'a> {
    pub(super) fn new(budget: &'a CallBudget) -> Self {
        Self { budget, date: None }
    }

    /// Returns the value for a format that passes a date as a map with this key.
    pub(super) fn with_dates(budget: &'a CallBudget, key: &'static str) -> Self {
        Self { budget, date: Some(key) }
    }

    fn take<E: serde::de::Error>(self, bytes: usize) -> Result<(), E> {
        self.budget.take(bytes).map_err(|_| E::custom("too large"))
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Dynamic;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Dynamic, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Dynamic;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::UNIT)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Dynamic, E> {
        Ok(i64::try_from(value).map_or_else(|_| (value as f64).into(), Into::into))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Dynamic, E> {
        self.take(STRING_BYTES + value.len())?;
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Dynamic, A::Error> {
        self.take(LIST_BYTES)?;
        let mut array = Array::new();
        while let Some(item) = items.next_element_seed(self)? {
            self.take(ITEM_BYTES)?;
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Dynamic, A::Error> {
        self.take(MAP_BYTES)?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<std::borrow::Cow<'de, str>>()? {
            if Some(&*key) == self.date {
                return entries.next_value_seed(self);
            }
            self.take(ENTRY_BYTES + key.len())?;
            let value = entries.next_value_seed(self)?;
            map.insert(key.as_ref().into(), value);
        }
        Ok(map.into())
    }
}

/// Writes a value as JSON on one line.
pub(super) fn encode(value: &Dynamic) -> PureResult<String> {
    write(value, serde_json::ser::CompactFormatter)
}

fn write(value: &Dynamic, formatter: impl serde_json::ser::Formatter) -> PureResult<String> {
    let mut output = JsonOutput { text: Vec::new(), budget: CallBudget::new(TEXT_BYTES) };
    JsonView { value, depth: 0 }
        .serialize(&mut serde_json::Serializer::with_formatter(&mut output, formatter))
        .map_err(|error| match error.is_io() {
            true => CallBudget::new(TEXT_BYTES).error(),
            false => fail_with(error.to_string(), "JSON holds text, numbers, booleans, (), lists and maps"),
        })?;
    String::from_utf8(output.text).map_err(|_| fail("the text is not UTF-8"))
}

/// The output, within the bytes that a call may build: texts are shared, so that a small value can be a large JSON.
struct JsonOutput {
    text: Vec<u8>,
    budget: CallBudget,
}

impl io::Write for JsonOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.budget.take(bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value that is being written. A shared value can contain itself, hence the depth.
struct JsonView<'a> {
    value: &'a Dynamic,
    depth: usize,
}

impl Serialize for JsonView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.value;
        if let Ok(text) = value.as_immutable_string_ref() {
            serializer.serialize_str(&text)
        } else if let Ok(int) = value.as_int() {
            serializer.serialize_i64(int)
        } else if value.is_array() || value.is_map() {
            self.nested(serializer)
        } else if let Ok(float) = value.as_float() {
            match float.is_finite() {
                true => serializer.serialize_f64(float),
                false => Err(S::Error::custom(format!("`{float}` cannot be written as JSON"))),
            }
        } else if let Ok(bool) = value.as_bool() {
            serializer.serialize_bool(bool)
        } else if value.is_unit() {
            serializer.serialize_unit()
        } else if let Ok(char) = value.as_char() {
            serializer.serialize_char(char)
        } else if let Ok(blob) = value.as_blob_ref() {
            serializer.collect_seq(blob.iter())
        } else if let Some(lines) = value.read_lock::<ScriptLines>() {
            let lines = lines.array().map_err(|error| S::Error::custom(error.to_string()))?;
            let mut items = serializer.serialize_seq(Some(lines.len()))?;
            for value in &lines {
                items.serialize_element(&JsonView { value, depth: self.depth })?;
            }
            items.end()
        } else {
            let kind = if value.is_fnptr() { "a function" } else { "a value of this kind" };
            Err(S::Error::custom(format!("{kind} cannot be written as JSON")))
        }
    }
}

impl JsonView<'_> {
    fn nested<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let depth = self.depth + 1;
        if depth > DEPTH {
            return Err(S::Error::custom(format!("the value is nested deeper than {DEPTH} levels")));
        }
        if let Ok(array) = self.value.as_array_ref() {
            let mut items = serializer.serialize_seq(Some(array.len()))?;
            for value in array.iter() {
                items.serialize_element(&JsonView { value, depth })?;
            }
            items.end()
        } else if let Ok(map) = self.value.as_map_ref() {
            let mut entries = serializer.serialize_map(Some(map.len()))?;
            for (key, value) in map.iter() {
                entries.serialize_entry(key.as_str(), &JsonView { value, depth })?;
            }
            entries.end()
        } else {
            Err(S::Error::custom("the value is in use"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_fails, run, run_with, thrown};
    use super::*;

    #[test]
    fn reads() {
        check(
            r#"json::parse(` {"b": [1, -2.5, true, null], "a": "é\n"} `)"#,
            r#"#{"a": "é\n", "b": [1, -2.5, true, ()]}"#,
        );
        check(r#"json::parse(`{"a": 1, "a": 2}`).a"#, "2");
        check(r#"type_of(json::parse("9223372036854775807"))"#, "i64");
        check(r#"type_of(json::parse("18446744073709551615"))"#, "f64");
        check(r#"json::parse("123456789012345678901234567890") > 1e29"#, "true");
        check(r#"json::parse("1e3")"#, "1000.0");
        check(r#"json::parse("\uFEFF[1]")"#, "[1]");
        // A key that is special to TOML is not special to JSON.
        check(r#"json::parse(`{"$__toml_private_datetime": 1}`)"#, r##"#{"$__toml_private_datetime": 1}"##);
    }

    #[test]
    fn refuses_what_is_not_json() {
        check_fails(
            "json::parse(\"[1,\")",
            "VALIDATION_EXCEPTION: the text is not valid JSON: EOF while parsing a value at line 1 column 3",
        );
        for text in ["", "{", "[1] 2", "nul", "{'a': 1}", "1e999", "NaN", "\"\\ud800\"", "01"] {
            let error = thrown(run_with(text, "json::parse(text)"));
            assert!(error.starts_with("VALIDATION_EXCEPTION: the text is not valid JSON: "), "{text}: {error}");
        }
    }

    #[test]
    fn depth_is_limited_both_ways() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (depth, ok) in [(127, true), (128, false), (1_000_000, false)] {
            assert_eq!(run_with(&nested(depth), "json::parse(text)").is_ok(), ok, "{depth}");
        }
        let build = |depth| format!("let a = []; for i in 1..{depth} {{ a = [a]; }} json::encode(a)");
        assert_eq!(run(&build(127)).unwrap().to_string(), nested(127));
        assert!(thrown(run(&build(128))).contains("nested deeper than 127 levels"));
    }

    #[test]
    fn a_small_text_that_becomes_a_large_value_meets_the_limit() {
        for item in ["0,", "[],", "{},", "{\"\":0},", "\"\","] {
            let text = format!("[{}0]", item.repeat(5_000_000));
            let error = thrown(run_with(&text, "json::parse(text)"));
            assert_eq!(error, "LIMIT_EXCEEDED_EXCEPTION: the result would take more than 134217728 bytes");
        }
    }

    #[test]
    fn writes() {
        check(
            r#"json::encode(#{b: [1, 2.0, true, (), 'x'], a: "q\"\n"})"#,
            r#"{"a":"q\"\n","b":[1,2.0,true,null,"x"]}"#,
        );
        check("json::encode(blob(3, 7))", "[7,7,7]");
        check("json::pretty(#{a: [1]})", "{\n  \"a\": [\n    1\n  ]\n}");
        check("const X = [1]; json::encode(X)", "[1]");
        check("let x = [1]; let f = || x.len(); json::encode(x)", "[1]");
        check(r#"let a = #{x: [1, "é"], y: -0.5}; json::parse(json::encode(a)) == a"#, "true");
    }

    #[test]
    fn refuses_what_json_cannot_hold() {
        check_fails("json::encode(0.0 / 0.0)", "VALIDATION_EXCEPTION: `NaN` cannot be written as JSON");
        check_fails("json::encode([-1.0 / 0.0])", "VALIDATION_EXCEPTION: `-inf` cannot be written as JSON");
        check_fails("json::encode([|x| x])", "VALIDATION_EXCEPTION: a function cannot be written as JSON");
        check_fails("json::encode(1..3)", "VALIDATION_EXCEPTION: a value of this kind cannot be written as JSON");
    }

    #[test]
    fn shared_texts_meet_the_limit_when_written() {
        let limit = "LIMIT_EXCEEDED_EXCEPTION: the result would take more than 67108864 bytes";
        let text = "x".repeat(1 << 20);
        assert_eq!(thrown(run_with(&text, "let a = []; a.pad(1000, text); json::encode(a)")), limit);
    }

    #[test]
    fn a_value_that_holds_itself_is_refused() {
        let mut value = Dynamic::from_array(Array::new()).into_shared();
        let itself = value.clone();
        value.write_lock::<Array>().unwrap().push(itself);
        assert!(encode(&value).unwrap_err().message.contains("nested deeper than 127 levels"));
    }
}
