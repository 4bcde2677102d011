//! The end of a journal: the line to which the next one is chained, and what a killed writer left unfinished after it.

use std::io::{self, Read, Seek, SeekFrom};

use crate::chain::{LineHash, previous};

/// Number of bytes at the end in which the last whole line is searched.
const FAR: u64 = 64 << 20;
/// Number of bytes that are read first. Most lines are shorter.
const NEAR: u64 = 4 << 10;
/// Maximum number of unfinished lines in a row. Each takes another killed writer.
const UNFINISHED: usize = 100;

/// The end of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalTail {
    /// Length of the journal, in bytes.
    pub length: u64,
    /// The hash of the last whole line.
    pub head: LineHash,
    /// The unfinished text after it, without a newline at the end.
    pub torn: Option<TornLine>,
    /// True if the last byte is a newline, or the journal is empty.
    pub ended: bool,
}

/// A text that is not a whole line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornLine {
    /// Number of bytes.
    pub bytes: u64,
    /// Their hash.
    pub hash: LineHash,
}

impl JournalTail {
    /// The end of an empty journal.
    pub const EMPTY: Self = Self { length: 0, head: LineHash::NONE, torn: None, ended: true };

    /// Reads the end of a journal.
    ///
    /// # Errors
    /// If it cannot be read, or does not end as a journal does.
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

    /// Finds the end, if these last bytes contain all of it.
    fn find(bytes: &[u8], length: u64, whole: bool) -> io::Result<Option<Self>> {
        let ended = bytes.last().is_none_or(|byte| *byte == b'\n');
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let (mut end, mut unfinished) = (text.len(), 0);
        loop {
            let before = text.get(..end).unwrap_or_default();
            let newline = before.iter().rposition(|byte| *byte == b'\n');
            let Some(start) = newline.map(|at| at + 1).or(whole.then_some(0)) else { return Ok(None) };
            let line = before.get(start..).unwrap_or_default();
            let head = if previous(line).is_some() { Some(LineHash::of(line)) } else { None };
            if head.is_some() || (start == 0 && whole) {
                let torn = text.get(if head.is_some() { end + 1 } else { 0 }..).filter(|torn| !torn.is_empty());
                let torn = torn.map(|torn| TornLine { bytes: torn.len() as u64, hash: LineHash::of(torn) });
                return Ok(Some(Self { length, head: head.unwrap_or(LineHash::NONE), torn, ended }));
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
    io::Error::new(io::ErrorKind::InvalidData, "its end is not a journal")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::chain::Chain;

    fn journal(lines: usize) -> (Vec<u8>, LineHash) {
        let (mut chain, mut out) = (Chain::after(LineHash::NONE), Vec::new());
        for line in 0..lines {
            chain.link(format!("{{\"line\":\"{}\"}}", "x".repeat(line)).as_bytes(), &mut out).unwrap();
        }
        (out, chain.head())
    }

    fn read(bytes: &[u8]) -> io::Result<JournalTail> {
        JournalTail::read(&mut Cursor::new(bytes))
    }

    #[test]
    fn the_last_whole_line_is_found() {
        for lines in [0, 1, 2, 300] {
            let (bytes, head) = journal(lines);
            let length = bytes.len() as u64;
            assert_eq!(read(&bytes).unwrap(), JournalTail { length, head, torn: None, ended: true });
            for rest in ["{\"torn", "{\"torn\nand torn aga", "{\"torn\n"] {
                let text = rest.trim_end_matches('\n');
                let torn = Some(TornLine { bytes: text.len() as u64, hash: LineHash::of(text.as_bytes()) });
                let length = length + rest.len() as u64;
                let tail = JournalTail { length, head, torn, ended: rest.ends_with('\n') };
                assert_eq!(read(&[&bytes, rest.as_bytes()].concat()).unwrap(), tail, "{lines} {rest}");
            }
        }
        let (bytes, head) = journal(3);
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(read(cut).unwrap(), JournalTail { length: cut.len() as u64, head, torn: None, ended: false });
    }

    #[test]
    fn a_line_longer_than_what_is_read_first_is_found() {
        let (mut bytes, head) = journal(2);
        let torn = vec![b'x'; 100_000];
        bytes.extend(&torn);
        let tail = read(&bytes).unwrap();
        assert_eq!((tail.head, tail.torn), (head, Some(TornLine { bytes: 100_000, hash: LineHash::of(&torn) })));
        let (mut chain, mut bytes) = (Chain::after(LineHash::NONE), Vec::new());
        chain.link(format!("{{\"line\":\"{}\"}}", "x".repeat(100_000)).as_bytes(), &mut bytes).unwrap();
        assert_eq!(read(&bytes).unwrap().head, chain.head());
    }

    #[test]
    fn what_is_no_journal_is_refused() {
        assert!(read("root:x:0:0\n".repeat(1_000).as_bytes()).is_err());
    }
}
