//! Base64 (RFC 4648), with padding.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE};
use rhai::Blob;

use super::{CallBudget, PureResult, TEXT_BYTES, fail, fail_with};

functions! { "base64";
    /// A text as Base64, with padding.
    encode(text: &str) -> "text" = |text: &str| encode(STANDARD, text.as_bytes());
    /// A blob as Base64, with padding.
    encode(bytes: Blob) -> "text" = |bytes: Blob| encode(STANDARD, &bytes);
    /// A text as Base64 in the alphabet for URLs and names of files, with padding.
    encode_url(text: &str) -> "text" = |text: &str| encode(URL_SAFE, text.as_bytes());
    /// The bytes of a Base64 text in either alphabet. Blanks and line ends are left out, padding may be missing.
    decode(text: &str) -> "blob" = decode;
    /// The same as text, which must be UTF-8.
    decode_text(text: &str) -> "text" = decode_text;
}

fn encode(engine: GeneralPurpose, bytes: &[u8]) -> PureResult<String> {
    CallBudget::new(TEXT_BYTES).take(bytes.len().div_ceil(3).saturating_mul(4))?;
    Ok(engine.encode(bytes))
}

fn decode(text: &str) -> PureResult<Blob> {
    const EITHER: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    let plain: String = text
        .chars()
        .filter(|char| !char.is_ascii_whitespace())
        .map(|char| match char {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    EITHER.decode(plain).map_err(|error| fail(format!("the text is not Base64: {}", super::quote(&error.to_string()))))
}

fn decode_text(text: &str) -> PureResult<String> {
    String::from_utf8(decode(text)?)
        .map_err(|_| fail_with("the decoded Base64 is not UTF-8", "`base64::decode` gives its bytes"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_fails};

    #[test]
    fn the_vectors_of_the_rfc() {
        for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            check(&format!("base64::encode(\"{plain}\")"), encoded);
            check(&format!("base64::decode_text(\"{encoded}\")"), plain);
        }
        check("let b = blob(2, 255); base64::encode(b)", "//8=");
        check("base64::encode_url(\"??>\")", "Pz8-");
        check("base64::decode_text(\" Pz8-\\n \")", "??>");
        check("base64::decode(\"//8\").len()", "2");
    }

    #[test]
    fn what_is_none_is_refused() {
        check_fails(
            "base64::decode(\"Zg=!\")",
            "VALIDATION_EXCEPTION: the text is not Base64: `Invalid symbol 61, offset 2.`",
        );
        check_fails("base64::decode_text(\"/w==\")", "VALIDATION_EXCEPTION: the decoded Base64 is not UTF-8");
    }
}
