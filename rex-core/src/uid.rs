//! Names of entities as policies write them: `Agent::"triage"`, `fs::Path::"/etc"`, with one way to write and one to parse them.

use std::fmt;

/// Quotes an id as policies write it, with Cedar's escapes. An apostrophe is not escaped.
///
/// ```
/// assert_eq!(rex_core::uid::quoted("o'brien \"x\"").to_string(), r#""o'brien \"x\"""#);
/// ```
#[must_use]
pub fn quoted(id: &str) -> QuotedId<'_> {
    QuotedId(id)
}

/// An id in quotes, see [`quoted`].
#[derive(Debug, Clone, Copy)]
pub struct QuotedId<'a>(&'a str);

impl fmt::Display for QuotedId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for (number, part) in self.0.split('\'').enumerate() {
            if number > 0 {
                f.write_str("'")?;
            }
            write!(f, "{}", part.escape_debug())?;
        }
        f.write_str("\"")
    }
}

/// The reason why a text is not the name of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UidError {
    /// A text that does not look like `Type::"id"`.
    Shape,
    /// A part within the quotes that Cedar rejects: a quote, a control character, an unknown escape.
    Id(String),
}

impl fmt::Display for UidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape => f.write_str("it does not look like `Type::\"id\"`"),
            Self::Id(part) => write!(f, "`{}` is not allowed within the quotes", part.escape_debug()),
        }
    }
}

impl std::error::Error for UidError {}

/// Parses the name of an entity into its type and id: `Agent` and `o'brien` for `Agent::"o'brien"`.
///
/// The escapes are Cedar's: `\"`, `\\`, `\'`, `\n`, `\r`, `\t`, `\0`, `\x41`, `\u{e9}`.
///
/// # Errors
/// If it is not the name of an entity.
pub fn parse(text: &str) -> Result<(&str, String), UidError> {
    let (kind, id) = split(text).ok_or(UidError::Shape)?;
    unescape(id).map(|id| (kind, id))
}

/// Splits a text into the type and the text within the quotes; `None` if it does not look like the name of an entity.
#[must_use]
pub fn split(text: &str) -> Option<(&str, &str)> {
    let (kind, id) = text.split_once("::\"")?;
    let id = id.strip_suffix('"')?;
    is_type(kind).then_some((kind, id))
}

/// Returns whether a text can be the name of a type: identifiers with `::` between.
#[must_use]
pub fn is_type(text: &str) -> bool {
    text.split("::").all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Replaces the escapes of a text within quotes.
fn unescape(text: &str) -> Result<String, UidError> {
    let mut id = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                let before = rest.clone();
                let Some(escaped) = escape(&mut rest) else {
                    let shown: String = before.take(1).collect();
                    return Err(UidError::Id(format!("\\{shown}")));
                };
                id.push(escaped);
            }
            c if c == '"' || c.is_control() => return Err(UidError::Id(c.to_string())),
            c => id.push(c),
        }
    }
    Ok(id)
}

/// Returns the character of an escape, after its backslash.
fn escape(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let number = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    match rest.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '0' => Some('\0'),
        c @ ('\\' | '\'' | '"') => Some(c),
        'x' => {
            let digits: String = rest.by_ref().take(2).filter(char::is_ascii_hexdigit).collect();
            number(&digits).filter(|c| digits.len() == 2 && c.is_ascii())
        }
        'u' => {
            let (digits, after) = rest.as_str().strip_prefix('{')?.split_once('}')?;
            *rest = after.chars();
            let plain = digits.replace('_', "");
            let legal = (1..=6).contains(&plain.len()) && plain.bytes().all(|byte| byte.is_ascii_hexdigit());
            number(&plain).filter(|_| legal && !digits.starts_with('_'))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_policies() {
        for (text, id) in [
            (r#"A::"""#, ""),
            (r#"A::"o'brien""#, "o'brien"),
            (r#"A::"o\'brien""#, "o'brien"),
            (r#"N_1::A::"a\"b\\c""#, "a\"b\\c"),
            (r#"A::"\n\r\t\0\x41\u{e9}\u{01_F600}""#, "\n\r\t\0Aé\u{1f600}"),
            ("A::\"日本 e\u{301}\"", "日本 e\u{301}"),
            (r#"A::"x::\"y\"""#, "x::\"y\""),
        ] {
            assert_eq!(parse(text).unwrap().1, id, "{text}");
        }
        for text in [
            "",
            "A",
            "A::a",
            "A::\"a",
            "A::\"",
            "::\"a\"",
            "1::\"a\"",
            "A B::\"a\"",
            "A:B::\"a\"",
            "A::\"a\"b\"",
            "A::\"a\nb\"",
            r#"A::"\""#,
            r#"A::"\q""#,
            r#"A::"\x4""#,
            r#"A::"\xff""#,
            r#"A::"\u{}""#,
            r#"A::"\u{d800}""#,
            r#"A::"\u{1234567}""#,
            r#"A::"\u41""#,
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert_eq!(parse(r#"A::"\q""#).unwrap_err().to_string(), "`\\\\q` is not allowed within the quotes");
    }
}
