//! Lines to add to a journal, linked to its end.

use rex_core::Timestamp;

use crate::chain::{Chain, NotALine};
use crate::mark::{Mark, MarkWriter};
use crate::sign::SigningKey;
use crate::tail::JournalTail;

/// Bytes to add in one piece, and the end of the journal after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalAddition {
    /// The bytes to add.
    pub bytes: Vec<u8>,
    /// The end of the journal after them.
    pub tail: JournalTail,
}

impl JournalAddition {
    /// Starts an addition after an end. A line that a killed writer left unfinished is marked first, so that it spoils no other line.
    #[must_use]
    pub fn after(tail: JournalTail, writer: MarkWriter<'_>) -> Self {
        let bytes = if tail.ended { Vec::new() } else { b"\n".to_vec() };
        let length = tail.length + bytes.len() as u64;
        let mut addition = Self { bytes, tail: JournalTail { length, torn: None, ended: true, ..tail } };
        if let Some(torn) = tail.torn {
            addition.mark(&Mark::Torn { bytes: torn.bytes, hash: torn.hash.to_string() }, writer);
        }
        addition
    }

    /// Adds one line, passed without its newline.
    ///
    /// # Errors
    /// If it is not a JSON object with a field, on one line.
    pub fn line(&mut self, line: &[u8]) -> Result<(), NotALine> {
        let mut chain = Chain::after(self.tail.head);
        let before = self.bytes.len();
        chain.link(line, &mut self.bytes)?;
        self.tail.head = chain.head();
        self.tail.length += (self.bytes.len() - before) as u64;
        Ok(())
    }

    /// Adds a line about the journal.
    pub fn mark(&mut self, mark: &Mark, writer: MarkWriter<'_>) {
        self.mark_at(mark, writer, Timestamp::now());
    }

    /// Adds a checkpoint: a signature over all lines so far.
    pub fn checkpoint(&mut self, key: &SigningKey, writer: MarkWriter<'_>) {
        let now = Timestamp::now();
        self.mark_at(&key.sign(self.tail.head, &now.to_string(), writer.run), writer, now);
    }

    fn mark_at(&mut self, mark: &Mark, writer: MarkWriter<'_>, time: Timestamp) {
        // INVARIANT: `Mark::line` returns a valid line.
        let _ = self.line(&mark.line(writer, time));
    }
}
