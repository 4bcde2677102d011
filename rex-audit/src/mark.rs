//! Lines about the journal itself. They stand between the lines of runs, have the number 0, and are linked as all are.

use rex_core::Timestamp;
use serde::{Deserialize, Serialize};

/// The content of such a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Mark {
    /// A piece of this many bytes, with this hash, that a writer left unfinished before this line. It is not linked.
    Torn {
        /// Number of bytes, without the newline at the end.
        bytes: u64,
        /// Their [`LineHash`](crate::LineHash).
        hash: String,
    },
    /// A signature of all lines before this one.
    Checkpoint {
        /// The id of the key, see [`PublicKey::id`](crate::PublicKey::id).
        key: String,
        /// The signature, in Base64, see [`SigningKey`](crate::SigningKey).
        signature: String,
    },
    /// The first line of a file; the line before it is the last one of another file.
    Continued {
        /// The name of that file, in the directory of this one.
        file: String,
    },
}

/// The writer of a line about the journal.
#[derive(Debug, Clone, Copy)]
pub struct MarkWriter<'a> {
    /// The id of the run; empty if there is none.
    pub run: &'a str,
    /// The principal; empty if there is none.
    pub principal: &'a str,
}

#[derive(Serialize)]
struct MarkLine<'a> {
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
    /// Returns whether an event is one of these.
    #[must_use]
    pub fn is_one(event: &str) -> bool {
        matches!(event, "torn" | "checkpoint" | "continued")
    }

    /// Returns the line, not linked yet.
    #[must_use]
    pub fn line(&self, writer: MarkWriter<'_>, time: Timestamp) -> Vec<u8> {
        let MarkWriter { run, principal } = writer;
        let line =
            MarkLine { time: time.to_string(), run, sequence: 0, principal, operation: "", line: None, mark: self };
        // INVARIANT: a map with texts as keys can always be serialized.
        serde_json::to_vec(&line).unwrap_or_default()
    }
}
