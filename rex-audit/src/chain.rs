//! The chain: each line names the one before it by its hash.
//!
//! A line ends with `,"prev":"<64 hexadecimal digits>"}`: the BLAKE3 hash of the line before, without its newline; zeros in the first
//! line. Anyone who changes, drops, moves or adds a line must therefore rewrite every line after it.

use std::fmt;

/// The hash of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LineHash(blake3::Hash);

impl LineHash {
    /// The hash that the first line names: zeros.
    pub const NONE: Self = Self(blake3::Hash::from_bytes([0; 32]));

    /// Computes the hash of a line, passed without its newline.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        Self(blake3::hash(line))
    }

    /// Parses a hash from its 64 hexadecimal digits.
    #[must_use]
    pub fn parse(digits: impl AsRef<[u8]>) -> Option<Self> {
        blake3::Hash::from_hex(digits).ok().map(Self)
    }
}

impl Default for LineHash {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// The bytes before the digits, and after them.
const BEFORE: &[u8] = b",\"prev\":\"";
const AFTER: &[u8] = b"\"}";
const DIGITS: usize = 64;

/// Returns the hash of the previous line, as a line names it; `None` if it is not a whole line of a chain.
#[must_use]
pub fn previous(line: &[u8]) -> Option<LineHash> {
    // Quotes in texts are escaped, so this can only be the last field.
    let line = line.strip_suffix(AFTER)?;
    let (line, digits) = line.split_last_chunk::<DIGITS>()?;
    (line.starts_with(b"{") && line.ends_with(BEFORE)).then(|| LineHash::parse(digits))?
}

/// The error for a text that is not a JSON object with a field, on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a JSON object on one line")]
pub struct NotALine;

/// A chain that links line after line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    head: LineHash,
}

impl Chain {
    /// Starts a chain after the line with this hash.
    #[must_use]
    pub fn after(head: LineHash) -> Self {
        Self { head }
    }

    /// Returns the hash of the last line.
    #[must_use]
    pub fn head(&self) -> LineHash {
        self.head
    }

    /// Links a line, passed without its newline, and appends it to `out` with a newline.
    ///
    /// # Errors
    /// If it is not a JSON object with a field, on one line; `out` is then unchanged.
    pub fn link(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), NotALine> {
        let body = line.strip_suffix(b"}").ok_or(NotALine)?;
        let has_fields = body.strip_prefix(b"{").is_some_and(|fields| fields.trim_ascii_start().starts_with(b"\""));
        if !has_fields || body.contains(&b'\n') {
            return Err(NotALine);
        }
        let start = out.len();
        out.extend_from_slice(body);
        out.extend_from_slice(BEFORE);
        out.extend_from_slice(self.head.0.to_hex().as_bytes());
        out.extend_from_slice(AFTER);
        self.head = LineHash::of(out.get(start..).unwrap_or_default());
        out.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_one_before_it() {
        let (mut chain, mut out) = (Chain::after(LineHash::NONE), Vec::new());
        chain.link(b"{\"a\":1}", &mut out).unwrap();
        chain.link(b"{\"b\":\",\\\"prev\\\":\"}", &mut out).unwrap();
        let lines: Vec<_> = out.split(|byte| *byte == b'\n').collect();
        let [one, two, b""] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(*one, format!("{{\"a\":1,\"prev\":\"{}\"}}", "0".repeat(64)).as_bytes());
        assert_eq!((previous(one), previous(two)), (Some(LineHash::NONE), Some(LineHash::of(one))));
        assert_eq!(chain.head(), LineHash::of(two));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(two).unwrap()["b"], ",\"prev\":");
    }

    #[test]
    fn no_part_of_a_line_is_one() {
        let (mut chain, mut out) = (Chain::after(LineHash::NONE), Vec::new());
        chain.link(b"{\"a\":\",\\\"prev\\\":\\\"\"}", &mut out).unwrap();
        for end in 0..out.len() - 1 {
            assert_eq!(previous(&out[..end]), None, "{}", String::from_utf8_lossy(&out[..end]));
        }
        // Nor is one with something before it.
        let line = &out[..out.len() - 1];
        for before in [" ", "[", "\u{feff}", "x"] {
            assert_eq!(previous(&[before.as_bytes(), line].concat()), None, "{before:?}");
        }
        assert!(previous(&line[1..]).is_none() && previous(line).is_some());
        for text in ["", "{}", "{ }", "{1}", "}", "{", "[1]", "{\"a\":1}\n", "{\"a\":\n1}"] {
            assert_eq!(chain.link(text.as_bytes(), &mut out), Err(NotALine), "{text:?}");
        }
    }
}
