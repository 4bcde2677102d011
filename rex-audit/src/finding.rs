//! Findings of a check of journals.

use std::fmt;

use crate::chain::LineHash;
use crate::place::JournalPlace;

/// The result of a check of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JournalVerdict {
    /// Number of files.
    pub files: u64,
    /// Number of lines.
    pub lines: u64,
    /// Number of runs.
    pub runs: u64,
    /// Number of runs without an end: they still run, or were killed.
    pub unended: u64,
    /// The ids of the first of these runs.
    pub first_unended: Vec<String>,
    /// The places where killed writers left unfinished lines. An act whose only line is unfinished was not performed.
    pub torn: Vec<JournalPlace>,
    /// Number of further unfinished lines.
    pub more_torn: u64,
    /// Number of checkpoints.
    pub checkpoints: u64,
    /// The last checkpoint with a valid signature. A holder of the key signed everything before it.
    pub signed: Option<JournalPlace>,
    /// Number of lines after it, or of all lines if there is none.
    pub unsigned: u64,
    /// The name of the file before these.
    pub continues: Option<String>,
    /// The hash of the last line.
    pub head: LineHash,
    /// The first findings.
    pub findings: Vec<JournalFinding>,
    /// Number of further findings.
    pub more: u64,
}

impl JournalVerdict {
    /// Returns whether there are no findings.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

/// A sign of a change, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFinding {
    /// The line, or one of them.
    pub place: JournalPlace,
    /// The run of the line, if it is known.
    pub run: Option<String>,
    /// The number of the line in its run, if it is known.
    pub sequence: Option<u64>,
    /// The problem.
    pub what: LineProblem,
}

/// A problem with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineProblem {
    /// A line that the next line does not name as the one before it.
    Edited,
    /// A line before which lines are missing.
    Removed,
    /// Lines, from this one on, in a place where none were written.
    Inserted {
        /// Number of lines.
        lines: u64,
    },
    /// A line that was written in another place.
    Moved {
        /// The place of the line that was written before it.
        after: JournalPlace,
    },
    /// A line that is not of a journal, and that no mark calls unfinished.
    Unreadable,
    /// A line whose number does not follow on those before it in its run.
    Gap {
        /// The number that was due.
        due: u64,
    },
    /// A line about the journal in a place where it does not belong.
    Misplaced,
    /// A checkpoint whose signature is not by the key that it names.
    Forged,
    /// The first line of a file that does not continue the file before it.
    NotContinued,
    /// An expected line, known by its hash, that is missing.
    Missing {
        /// The hash.
        hash: LineHash,
    },
    /// The last line of a journal in which nothing is signed by one of the keys.
    Unsigned,
    /// The end of a run that is not signed by one of the keys, though something before it is.
    UnsignedRun,
    /// The start of a run with the name of an earlier one.
    Repeated,
    /// It has number 1 in its run, and is not its start.
    Unstarted,
    /// It is of a run that had ended.
    AfterEnd,
    /// It is of an event that no version up to this one writes.
    Unknown,
}

impl LineProblem {
    /// Returns one word for it, for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Removed => "removed",
            Self::Inserted { .. } => "inserted",
            Self::Moved { .. } => "moved",
            Self::Unreadable => "unreadable",
            Self::Gap { .. } => "gap",
            Self::Misplaced => "misplaced",
            Self::Forged => "forged",
            Self::NotContinued => "not_continued",
            Self::Missing { .. } => "missing",
            Self::Unsigned => "unsigned",
            Self::UnsignedRun => "unsigned_run",
            Self::Repeated => "repeated",
            Self::Unstarted => "unstarted",
            Self::AfterEnd => "after_end",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited => f.write_str(
                "the next line does not follow this one: this line was edited, or lines between them were removed",
            ),
            Self::Removed => f.write_str("lines before this one were removed"),
            Self::Inserted { lines: 1 } => {
                f.write_str("this line was inserted: the next line follows the line before it")
            }
            Self::Inserted { lines } => write!(f, "this line and the next {} were inserted", lines - 1),
            Self::Moved { after } => write!(f, "this line was moved: it follows the line that is now at {after}"),
            Self::Unreadable => f.write_str("this line is not a journal record"),
            Self::Gap { due } => write!(f, "expected number {due} of this run"),
            Self::Misplaced => f.write_str("this line does not belong here, or the lines it refers to were removed"),
            Self::Forged => f.write_str("the signature is not valid"),
            Self::NotContinued => f.write_str("this file does not continue the file before it"),
            Self::Missing { hash } => write!(f, "the line {hash} is missing"),
            Self::Unsigned => f.write_str("no line is signed by one of the given keys"),
            Self::UnsignedRun => {
                f.write_str("this run is not signed, although others are: it was written without the key")
            }
            Self::Repeated => f.write_str("the journal already has a run with this id: this one is a copy"),
            Self::Unstarted => {
                f.write_str("this run has no start record: Rex always writes one, so Rex did not write this run")
            }
            Self::AfterEnd => f.write_str("this run has already ended: Rex writes nothing after the end of a run"),
            Self::Unknown => f.write_str("unknown event: a newer version of Rex wrote it, or it was forged"),
        }
    }
}
