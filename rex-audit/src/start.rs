//! The first line of a journal's file, which names the file before it.

use std::io::{self, BufRead};

use rex_core::Timestamp;
use serde::Deserialize;

use crate::chain::{LineHash, previous};
use crate::lines::LineReader;
use crate::moment::rfc3339;

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStart {
    /// The time when it was written.
    pub time: Option<Timestamp>,
    /// The hash of the line before it.
    pub previous: LineHash,
    /// The name of the file that has that line, in the directory of this one.
    pub continues: Option<String>,
}

#[derive(Deserialize)]
struct FirstLine {
    time: String,
    event: String,
    file: Option<String>,
}

impl FileStart {
    /// Reads the first line; `None` if it is not whole, or not of a journal.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(journal: impl BufRead) -> io::Result<Option<Self>> {
        let mut lines = LineReader::new(journal);
        let Some(line) = lines.next_line()?.filter(|line| line.ended) else { return Ok(None) };
        let (Some(previous), Ok(first)) = (previous(line.bytes), serde_json::from_slice::<FirstLine>(line.bytes))
        else {
            return Ok(None);
        };
        // Other names could lead out of the directory.
        let plain = |file: &String| !file.contains('/') && !file.contains('\0') && !["", ".", ".."].contains(&&**file);
        let continues = first.file.filter(|file| first.event == "continued" && plain(file));
        Ok(Some(Self { time: rfc3339(&first.time), previous, continues }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::append::JournalAddition;
    use crate::mark::{Mark, MarkWriter};
    use crate::tail::JournalTail;

    #[test]
    fn the_first_line_says_what_is_before() {
        let start = |mark: Mark, head| {
            let writer = MarkWriter { run: "r", principal: "" };
            let mut addition = JournalAddition::after(JournalTail { head, ..JournalTail::EMPTY }, writer);
            addition.mark(&mark, writer);
            FileStart::read(&*addition.bytes).unwrap().unwrap()
        };
        let head = LineHash::of(b"x");
        let found = start(Mark::Continued { file: "j.000001".to_owned() }, head);
        assert_eq!((found.previous, found.continues.as_deref()), (head, Some("j.000001")));
        assert!(found.time.is_some());
        for file in ["../j", "/etc/passwd", "..", ".", "", "a\0b"] {
            assert_eq!(start(Mark::Continued { file: file.to_owned() }, head).continues, None, "{file:?}");
        }
        for text in ["", "\n", "{\"time\":", "{\"time\":\"t\",\"event\":\"continued\",\"file\":\"j\"}\n"] {
            assert_eq!(FileStart::read(text.as_bytes()).unwrap(), None, "{text:?}");
        }
    }
}
