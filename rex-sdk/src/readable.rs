//! The searchable part of a file: up to its first damage, and up to a maximum length of each line.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::expand::FileDamage;

/// Observations made while reading a file.
#[derive(Debug, Default)]
pub(super) struct ReadObservations {
    /// The reason why reading ended early.
    pub(super) damage: Option<String>,
    /// The numbers of the lines that were cut.
    pub(super) cut: Vec<u64>,
    /// `true` if the file contains a NUL byte.
    pub(super) binary: bool,
}

/// A reader that cuts long lines and ends at damaged data.
pub(super) struct ReadableText<R> {
    inner: R,
    /// Maximum length of a line, in bytes, without its end.
    line_bytes: u64,
    seen: Rc<RefCell<ReadObservations>>,
    /// The number of the current line, and the number of its bytes so far.
    line: u64,
    length: u64,
    over: bool,
}

impl<R: Read> ReadableText<R> {
    pub(super) fn new(inner: R, line_bytes: u64, seen: Rc<RefCell<ReadObservations>>) -> Self {
        Self { inner, line_bytes, seen, line: 1, length: 0, over: false }
    }

    /// Removes the rest of long lines from a piece and returns the remaining length.
    fn shorten(&mut self, bytes: &mut [u8]) -> usize {
        let ends = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count() as u64;
        // Fast path: nearly always, no line of a piece is too long.
        let first = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
        let most = self.line_bytes;
        if self.length + first as u64 <= most && bytes.len() as u64 <= most {
            match memchr::memrchr(b'\n', bytes) {
                Some(last) => {
                    self.length = (bytes.len() - last - 1) as u64;
                    self.line += ends(bytes);
                }
                None => self.length += bytes.len() as u64,
            }
            return bytes.len();
        }
        let mut kept = 0;
        for at in 0..bytes.len() {
            let Some(&byte) = bytes.get(at) else { break };
            if byte == b'\n' {
                (self.length, self.line) = (0, self.line + 1);
            } else {
                self.length += 1;
                if self.length > most {
                    let mut seen = self.seen.borrow_mut();
                    if seen.cut.last() != Some(&self.line) {
                        seen.cut.push(self.line);
                    }
                    continue;
                }
            }
            if let Some(place) = bytes.get_mut(kept) {
                *place = byte;
            }
            kept += 1;
        }
        kept
    }
}

impl<R: Read> Read for ReadableText<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.over && !buffer.is_empty() {
            let count = match self.inner.read(buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => match FileDamage::of(&error) {
                    Some(damage) => {
                        self.seen.borrow_mut().damage = Some(damage.to_string());
                        break;
                    }
                    None => return Err(error),
                },
            };
            let piece = buffer.get_mut(..count).unwrap_or_default();
            if memchr::memchr(0, piece).is_some() {
                self.seen.borrow_mut().binary = true;
            }
            let kept = self.shorten(piece);
            // If nothing is left, the piece was part of a long line: read on.
            if kept > 0 {
                return Ok(kept);
            }
        }
        self.over = true;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_alike_whatever_the_pieces() {
        struct Pieces<'b>(&'b [u8], usize);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.1.min(buffer.len());
                self.0.read(&mut buffer[..count])
            }
        }
        let text = b"abc\nabcd\nabcde\n\nabcdefghijklmn\nab\n\0bcdefgh";
        for piece in [3, 4, 5, 9, 100] {
            let seen = Rc::<RefCell<ReadObservations>>::default();
            let mut read = Vec::new();
            ReadableText::new(Pieces(text, piece), 4, seen.clone()).read_to_end(&mut read).unwrap();
            assert_eq!(read, b"abc\nabcd\nabcd\n\nabcd\nab\n\0bcd", "{piece}");
            assert_eq!((&*seen.borrow().cut, seen.borrow().binary), (&[3, 5, 7][..], true), "{piece}");
        }
    }
}
