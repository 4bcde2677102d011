//! The end of a journal: which line the next one is chained to, and what a writer that was killed left unfinished after it.

use std::io::{self, Read, Seek, SeekFrom};

use crate::chain::{Hash, previous};

/// How far back the last whole line is looked for.
const FAR: u64 = 64 << 20;
/// How much is read first. Most lines are shorter.
const NEAR: u64 = 4 << 10;
/// How many unfinished lines there may be in a row, which takes as many writers that were killed in a row.
const UNFINISHED: usize = 100;

/// The end of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// How long the journal is.
    pub length: u64,
    /// The hash of the last whole line.
    pub head: Hash,
    /// What comes after it, without a newline at the end.
    pub torn: Option<Torn>,
    /// Whether the last byte is a newline, or there is none.
    pub ended: bool,
}

/// What is not a whole line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// How many bytes it has.
    pub bytes: u64,
    /// Their hash.
    pub hash: Hash,
}

impl Tail {
    /// The end of a journal of which nothing is there.
    pub const EMPTY: Self = Self { length: 0, head: Hash::NONE, torn: None, ended: true };

    /// Looks at the end of a journal.
    ///
    /// # Errors
    /// If it cannot be read, or there is no end of a journal in it.
    pub fn read(journal: &mut (impl Read + Seek)) -> io::Result<Self> {
        let length = journal.seek(SeekFrom::End(0))?;
        let mut near = NEAR;
        loop {
            let start = length.saturating_sub(near);
            journal.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            journal.by_ref().take(length - start).read_to_end(&mut bytes)?;
            if let Some(tail) = Self::find(&bytes, length, start == 0)? {
                return Ok(tail);
            }
            if near >= FAR {
                return Err(no_journal());
            }
            near = near.saturating_mul(16).min(FAR);
        }
    }

    /// The end, if these last bytes have all of it.
    fn find(bytes: &[u8], length: u64, whole: bool) -> io::Result<Option<Self>> {
        let ended = bytes.last().is_none_or(|byte| *byte == b'\n');
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let (mut end, mut unfinished) = (text.len(), 0);
        loop {
            let before = text.get(..end).unwrap_or_default();
            let newline = before.iter().rposition(|byte| *byte == b'\n');
            let Some(start) = newline.map(|at| at + 1).or(whole.then_some(0)) else { return Ok(None) };
            let line = before.get(start..).unwrap_or_default();
            let head = if previous(line).is_some() { Some(Hash::of(line)) } else { None };
            if head.is_some() || (start == 0 && whole) {
                let torn = text.get(if head.is_some() { end + 1 } else { 0 }..).filter(|torn| !torn.is_empty());
                let torn = torn.map(|torn| Torn { bytes: torn.len() as u64, hash: Hash::of(torn) });
                return Ok(Some(Self { length, head: head.unwrap_or(Hash::NONE), torn, ended }));
            }
            unfinished += 1;
            if unfinished > UNFINISHED {
                return Err(no_journal());
            }
            end = start.saturating_sub(1);
        }
    }
}

fn no_journal() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it has something at its end that is no journal")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::chain::Chain;

    fn journal(lines: usize) -> (Vec<u8>, Hash) {
        let (mut chain, mut out) = (Chain::after(Hash::NONE), Vec::new());
        for line in 0..lines {
            chain.link(format!("{{\"line\":\"{}\"}}", "x".repeat(line)).as_bytes(), &mut out).unwrap();
        }
        (out, chain.head())
    }

    fn read(bytes: &[u8]) -> io::Result<Tail> {
        Tail::read(&mut Cursor::new(bytes))
    }

    #[test]
    fn the_last_whole_line_is_found() {
        for lines in [0, 1, 2, 300] {
            let (bytes, head) = journal(lines);
            let length = bytes.len() as u64;
            assert_eq!(read(&bytes).unwrap(), Tail { length, head, torn: None, ended: true });
            for rest in ["{\"torn", "{\"torn\nand torn aga", "{\"torn\n"] {
                let text = rest.trim_end_matches('\n');
                let torn = Some(Torn { bytes: text.len() as u64, hash: Hash::of(text.as_bytes()) });
                let length = length + rest.len() as u64;
                let tail = Tail { length, head, torn, ended: rest.ends_with('\n') };
                assert_eq!(read(&[&bytes, rest.as_bytes()].concat()).unwrap(), tail, "{lines} {rest}");
            }
        }
        let (bytes, head) = journal(3);
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(read(cut).unwrap(), Tail { length: cut.len() as u64, head, torn: None, ended: false });
    }

    #[test]
    fn a_line_longer_than_what_is_read_first_is_found() {
        let (mut bytes, head) = journal(2);
        let torn = vec![b'x'; 100_000];
        bytes.extend(&torn);
        let tail = read(&bytes).unwrap();
        assert_eq!((tail.head, tail.torn), (head, Some(Torn { bytes: 100_000, hash: Hash::of(&torn) })));
        let (mut chain, mut bytes) = (Chain::after(Hash::NONE), Vec::new());
        chain.link(format!("{{\"line\":\"{}\"}}", "x".repeat(100_000)).as_bytes(), &mut bytes).unwrap();
        assert_eq!(read(&bytes).unwrap().head, chain.head());
    }

    #[test]
    fn what_is_no_journal_is_refused() {
        assert!(read("root:x:0:0\n".repeat(1_000).as_bytes()).is_err());
    }
}
