//! Places in a journal.

use std::fmt;
use std::sync::Arc;

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalPlace {
    /// The name of the journal.
    pub journal: Arc<str>,
    /// The line, from 1.
    pub line: u64,
}

impl fmt::Display for JournalPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.journal, self.line)
    }
}
