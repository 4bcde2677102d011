//! TOML, read straight into script values.

use rhai::Dynamic;
use serde::de::DeserializeSeed;

use super::json::ValueSeed;
use super::{CallBudget, PureResult, VALUE_BYTES, fail, quote, unmarked};

functions! { "toml";
    /// Reads a TOML document. Dates and times become text.
    parse(text: &str) -> "map" = parse;
}

/// The key under which the crate `toml` passes a date.
const DATE: &str = "$__toml_private_datetime";

/// Bytes that a token takes while the text is read, rounded up from what was measured.
const TOKEN_BYTES: usize = 256;

fn parse(text: &str) -> PureResult<Dynamic> {
    let text = unmarked(text);
    // The document first becomes a tree, with all tokens of the text beside it.
    let tokens = text.bytes().filter(|byte| b"\n,.=[{".contains(byte)).count();
    CallBudget::new(usize::MAX).take(text.len().saturating_add(tokens.saturating_mul(TOKEN_BYTES)))?;
    let budget = CallBudget::new(VALUE_BYTES);
    let document = toml::de::Deserializer::parse(text);
    let result = document.and_then(|document| ValueSeed::with_dates(&budget, DATE).deserialize(document));
    result.map_err(|error| match budget.is_exceeded() {
        true => budget.error(),
        false => fail(format!("the text is not valid TOML: {}", quote(error.message()))),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_fails, run_with, thrown};

    #[test]
    fn reads() {
        check(
            "toml::parse(`a = 1\nb = [1.5, \"x\"]\n[c]\nd = 2026-03-02T12:00:00Z\n[[e]]\nf = true\n`)",
            r#"#{"a": 1, "b": [1.5, "x"], "c": #{"d": "2026-03-02T12:00:00Z"}, "e": [#{"f": true}]}"#,
        );
        check("toml::parse(``)", "#{}");
        check(r#"toml::parse("\uFEFFa = 1").a"#, "1");
    }

    #[test]
    fn refuses() {
        check_fails(
            "toml::parse(`a = `)",
            "VALIDATION_EXCEPTION: the text is not valid TOML: `string values must be quoted, expected literal string`",
        );
        for text in ["a", "a = 1\na = 2", "[a", "a = 99999999999999999999", &format!("a = {}", "[".repeat(100_000))] {
            let error = thrown(run_with(text, "toml::parse(text)"));
            assert!(error.starts_with("VALIDATION_EXCEPTION: the text is not valid TOML: "), "{text:.50}: {error}");
        }
    }
}
