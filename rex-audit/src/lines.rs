//! The lines of a journal, one at a time, in memory that does not grow with them.

use std::io::{self, BufRead, Read};

/// Maximum length of a line that is read, in bytes. No record is that long: the paths, words and facts of a request are bounded.
pub const LINE_BYTES: u64 = 8 << 20;

/// A reader of lines.
#[derive(Debug)]
pub struct LineReader<R> {
    reader: R,
    number: u64,
    offset: u64,
    /// True if the rest of the line before is not read yet.
    within: bool,
    bytes: Vec<u8>,
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawLine<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Number of bytes before it.
    pub offset: u64,
    /// Its bytes, without the line feed; of a line that is too long, its start.
    pub bytes: &'a [u8],
    /// True if it is longer than [`LINE_BYTES`].
    pub too_long: bool,
    /// True if it ends with a line feed. A line that does not is the last one, and torn. Always false if the line is too long.
    pub ended: bool,
}

impl<R: BufRead> LineReader<R> {
    /// Creates a reader of the lines from here on.
    pub fn new(reader: R) -> Self {
        Self { reader, number: 0, offset: 0, within: false, bytes: Vec::new() }
    }

    /// Reads the next line; `None` at the end.
    ///
    /// # Errors
    /// If the reader fails.
    pub fn next_line(&mut self) -> io::Result<Option<RawLine<'_>>> {
        if std::mem::take(&mut self.within) {
            self.offset += self.reader.skip_until(b'\n')? as u64;
        }
        self.bytes.clear();
        let length = self.reader.by_ref().take(LINE_BYTES + 1).read_until(b'\n', &mut self.bytes)? as u64;
        if length == 0 {
            return Ok(None);
        }
        let ended = self.bytes.pop_if(|last| *last == b'\n').is_some();
        let too_long = !ended && length > LINE_BYTES;
        self.within = too_long;
        let (number, offset) = (self.number + 1, self.offset);
        (self.number, self.offset) = (number, offset + length);
        Ok(Some(RawLine { number, offset, bytes: &self.bytes, too_long, ended }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let long = [vec![b'x'; 3 * LINE_BYTES as usize], b"\nafter\n\nto".to_vec()].concat();
        let mut lines = LineReader::new(&*long);
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            seen.push((line.number, line.bytes.len(), line.too_long, line.ended));
        }
        let start = LINE_BYTES as usize + 1;
        assert_eq!(seen, [(1, start, true, false), (2, 5, false, true), (3, 0, false, true), (4, 2, false, false)]);
    }

    #[test]
    fn a_line_may_be_as_long_as_is_said() {
        for (more, too_long) in [(0, false), (1, true)] {
            let text = vec![b'x'; LINE_BYTES as usize + more];
            let mut lines = LineReader::new(&*text);
            assert_eq!(lines.next_line().unwrap().map(|line| line.too_long), Some(too_long));
            assert_eq!(lines.next_line().unwrap(), None);
        }
    }
}
