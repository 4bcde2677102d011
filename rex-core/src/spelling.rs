//! Spellings of names as text. A name can be any bytes; no two names share a spelling, and no name has two.
//!
//! A name in UTF-8 is its own spelling. Each byte that is not UTF-8 is spelled `\xHH`, with two digits in upper case: `caf\xE9`. If a
//! name itself contains such a text, its backslash is spelled `\x5C`: `caf\x5CxE9`.

use std::borrow::Cow;

/// Returns the byte of the escape at the start of a text, if there is one.
fn escape(text: &[u8]) -> Option<u8> {
    let &[b'\\', b'x', high, low, ..] = text else { return None };
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    // A byte below 0x80 is always valid in UTF-8, so none has an escape but the backslash that begins one.
    let byte = digit(high)? << 4 | digit(low)?;
    (byte >= 0x80 || byte == b'\\').then_some(byte)
}

/// Returns the spelling of a name.
#[must_use]
pub fn of(name: &[u8]) -> Cow<'_, str> {
    let starts = |at: usize| name.get(at..).and_then(escape).is_some();
    if let Ok(text) = std::str::from_utf8(name)
        && !text.as_bytes().windows(2).enumerate().any(|(at, pair)| pair == b"\\x" && starts(at))
    {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::with_capacity(name.len() + 16);
    let mut at = 0;
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' if starts(at) => spelled.push_str("\\x5C"),
                other => spelled.push(other),
            }
            at += character.len_utf8();
        }
        for byte in chunk.invalid() {
            spelled.push_str(&format!("\\x{byte:02X}"));
            at += 1;
        }
    }
    Cow::Owned(spelled)
}

/// Returns the name of a spelling.
#[must_use]
pub fn bytes(text: &str) -> Cow<'_, [u8]> {
    let text = text.as_bytes();
    if !text.windows(2).any(|pair| pair == b"\\x") {
        return Cow::Borrowed(text);
    }
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        match escape(rest) {
            Some(byte) => {
                name.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                name.push(first);
                rest = after;
            }
        }
    }
    Cow::Owned(name)
}

/// Returns whether a text is the spelling of a name.
pub(crate) fn is_one(text: &str) -> bool {
    match bytes(text) {
        Cow::Borrowed(_) => true,
        Cow::Owned(name) => of(&name) == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_spellings() {
        for (name, text) in [
            (&b"plain"[..], "plain"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            (b"caf\xe9", r"caf\xE9"),
            (br"caf\xE9", r"caf\x5CxE9"),
            (br"a\x5Cb", r"a\x5Cx5Cb"),
            (br"dev-disk-by\x2duuid", r"dev-disk-by\x2duuid"),
            (b"\\x\xe9", r"\x\xE9"),
            (b"\\xE\xe9\xff", r"\xE\xE9\xFF"),
            (b"\\\xe9", r"\\xE9"),
        ] {
            assert_eq!((of(name).as_ref(), bytes(text).as_ref()), (text, name));
            assert!(is_one(text), "{text}");
        }
        // A second spelling of UTF-8, and of a backslash that begins no escape.
        for text in [r"caf\xC3\xA9", r"a\x5Cb"] {
            assert!(!is_one(text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_name_has_one_spelling(name in proptest::collection::vec(proptest::sample::select(b"\\x5CE9\xe9\xc3\xa9a".to_vec()), 0..12)) {
            let text = of(&name).into_owned();
            proptest::prop_assert_eq!(bytes(&text).into_owned(), name.clone());
            proptest::prop_assert!(is_one(&text));
            if let Ok(other) = String::from_utf8(name) && other != text {
                proptest::prop_assert!(!is_one(&other) || bytes(&other) != other.as_bytes());
            }
        }
    }
}
