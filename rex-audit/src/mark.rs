//! Lines about the journal itself. They stand between those of runs, have no number of their own, and are linked as all are.

use rex_core::Timestamp;
use serde::{Deserialize, Serialize};

/// What such a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Mark {
    /// Before this line is a piece of so many bytes, with this hash, that a writer left unfinished. It is not linked.
    Torn {
        /// How many, without the newline at the end.
        bytes: u64,
        /// The [`Hash`](crate::Hash) of them.
        hash: String,
    },
    /// All lines before this one are signed.
    Checkpoint {
        /// By which key, see [`PublicKey::id`](crate::PublicKey::id).
        key: String,
        /// The signature, in Base64, see [`SigningKey`](crate::SigningKey).
        signature: String,
    },
    /// This line is the first of a file, and the one before it the last of another.
    Continued {
        /// The name of that file, beside this one.
        file: String,
    },
}

/// Who writes a line about the journal.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// In which run, empty if in none.
    pub run: &'a str,
    /// On whose behalf, empty if on nobody's.
    pub principal: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    run: &'a str,
    sequence: u64,
    principal: &'a str,
    operation: &'static str,
    line: Option<u32>,
    #[serde(flatten)]
    mark: &'a Mark,
}

impl Mark {
    /// Whether an event is one of these.
    #[must_use]
    pub fn is_one(event: &str) -> bool {
        matches!(event, "torn" | "checkpoint" | "continued")
    }

    /// The line, which is not linked yet.
    #[must_use]
    pub fn line(&self, writer: Writer<'_>, time: Timestamp) -> Vec<u8> {
        let Writer { run, principal } = writer;
        let line = Line { time: time.to_string(), run, sequence: 0, principal, operation: "", line: None, mark: self };
        // INVARIANT: a map with texts for keys is always written.
        serde_json::to_vec(&line).unwrap_or_default()
    }
}
