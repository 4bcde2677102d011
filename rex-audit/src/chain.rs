//! The chain: each line names the one before it by its hash.
//!
//! A line ends with `,"prev":"<64 hexadecimal digits>"}`: the BLAKE3 hash of the line before, without its newline; of the first line,
//! zeros. So whoever changes, drops, moves or adds a line has to write every line after it anew.

use std::fmt;

/// The hash of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(blake3::Hash);

impl Hash {
    /// What the first line names.
    pub const NONE: Self = Self(blake3::Hash::from_bytes([0; 32]));

    /// The hash of a line, which is given without its newline.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        Self(blake3::hash(line))
    }

    /// A hash by its 64 hexadecimal digits.
    #[must_use]
    pub fn parse(digits: impl AsRef<[u8]>) -> Option<Self> {
        blake3::Hash::from_hex(digits).ok().map(Self)
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// Before the digits, and after them.
const BEFORE: &[u8] = b",\"prev\":\"";
const AFTER: &[u8] = b"\"}";
const DIGITS: usize = 64;

/// Which line a line names as the one before it; `None` if it is no whole line of a chain.
#[must_use]
pub fn previous(line: &[u8]) -> Option<Hash> {
    // A text that reads so has its quotes escaped, so this can be nothing but the last field.
    let line = line.strip_suffix(AFTER)?;
    let (line, digits) = line.split_last_chunk::<DIGITS>()?;
    (line.starts_with(b"{") && line.ends_with(BEFORE)).then(|| Hash::parse(digits))?
}

/// What is not the text of a line: an object of JSON with at least one field, and without a newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not an object on one line")]
pub struct NotALine;

/// Links line after line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    head: Hash,
}

impl Chain {
    /// A chain that goes on after the line of this hash.
    #[must_use]
    pub fn after(head: Hash) -> Self {
        Self { head }
    }

    /// The hash of the last line.
    #[must_use]
    pub fn head(&self) -> Hash {
        self.head
    }

    /// Adds a line, which is given without a newline, to the end of `out`, where it has one.
    ///
    /// # Errors
    /// If it is no line; nothing is added then.
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
        self.head = Hash::of(out.get(start..).unwrap_or_default());
        out.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_one_before_it() {
        let (mut chain, mut out) = (Chain::after(Hash::NONE), Vec::new());
        chain.link(b"{\"a\":1}", &mut out).unwrap();
        chain.link(b"{\"b\":\",\\\"prev\\\":\"}", &mut out).unwrap();
        let lines: Vec<_> = out.split(|byte| *byte == b'\n').collect();
        let [one, two, b""] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(*one, format!("{{\"a\":1,\"prev\":\"{}\"}}", "0".repeat(64)).as_bytes());
        assert_eq!((previous(one), previous(two)), (Some(Hash::NONE), Some(Hash::of(one))));
        assert_eq!(chain.head(), Hash::of(two));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(two).unwrap()["b"], ",\"prev\":");
    }

    #[test]
    fn no_part_of_a_line_is_one() {
        let (mut chain, mut out) = (Chain::after(Hash::NONE), Vec::new());
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
