//! What a check of journals finds.

use std::fmt;

use crate::chain::Hash;
use crate::place::Place;

/// What was found out about a journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// How many files it has.
    pub files: u64,
    /// How many lines.
    pub lines: u64,
    /// How many runs.
    pub runs: u64,
    /// How many of them have no end: they go on, or were ended from outside.
    pub unended: u64,
    /// The first of these.
    pub first_unended: Vec<String>,
    /// Where writers that were killed left unfinished lines. No act was done for which there is no line but such a one.
    pub torn: Vec<Place>,
    /// How many checkpoints there are.
    pub checkpoints: u64,
    /// The last checkpoint whose signature holds. All before it was written by whoever has the key.
    pub signed: Option<Place>,
    /// How many lines come after it, or are there if there is none.
    pub unsigned: u64,
    /// Which file comes before these.
    pub continues: Option<String>,
    /// The hash of the last line.
    pub head: Hash,
    /// What was changed, and where: the first findings.
    pub findings: Vec<Finding>,
    /// How many findings there are besides.
    pub more: u64,
}

impl Verdict {
    /// Whether nothing was found that was changed.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Something that was changed, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line, or one of them.
    pub place: Place,
    /// Of which run it is, if that can be told.
    pub run: Option<String>,
    /// Its number in the run, if that can be told.
    pub sequence: Option<u64>,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// It is not what the next line was written after.
    Edited,
    /// Lines before it are missing.
    Removed,
    /// Lines from this one on are where none were written.
    Inserted {
        /// How many.
        lines: u64,
    },
    /// It stands where it was not written.
    Moved {
        /// Where the line is that was written before it.
        after: Place,
    },
    /// It is no line of a journal, and nobody marked it as unfinished.
    Unreadable,
    /// It has another number in its run than the lines before it leave.
    Gap {
        /// The number that was due.
        due: u64,
    },
    /// It is about the journal, and stands where such a line does not.
    Misplaced,
    /// Its signature is not of the key that it names.
    Forged,
    /// It begins a file that does not go on where the one before it ends.
    NotContinued,
    /// The line that was to be there, by its hash, is not.
    Missing {
        /// The hash.
        hash: Hash,
    },
    /// Nothing before it, and not itself, is signed by a key that was given.
    Unsigned,
    /// It ends a run that nobody signed with a key that was given, though others before it are signed.
    UnsignedRun,
    /// It begins a run of a name that is there already.
    Repeated,
    /// It has number 1 in its run, and is not its start.
    Unstarted,
    /// It is of a run that had ended.
    AfterEnd,
    /// It is of an event that no version up to this one writes.
    Unknown,
}

impl What {
    /// One word for it, for programs.
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

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited => f.write_str(
                "the next line was written after another one: this one was edited, or one between them was removed",
            ),
            Self::Removed => f.write_str("lines before this one were removed"),
            Self::Inserted { lines: 1 } => {
                f.write_str("this line was inserted: the next one was written after the one before it")
            }
            Self::Inserted { lines } => write!(f, "this line and the next {} were inserted", lines - 1),
            Self::Moved { after } => write!(f, "this line was moved: it was written after the one that is at {after}"),
            Self::Unreadable => f.write_str("this is no line of a journal"),
            Self::Gap { due } => write!(f, "number {due} of this run was due"),
            Self::Misplaced => f.write_str("this line does not belong here, or what it is about was removed"),
            Self::Forged => f.write_str("the signature does not hold"),
            Self::NotContinued => f.write_str("this file does not go on where the one before it ends"),
            Self::Missing { hash } => write!(f, "the line {hash} is not there"),
            Self::Unsigned => f.write_str("nothing is signed by a key that was given"),
            Self::UnsignedRun => f.write_str("this run is not signed, though others are: whoever wrote it had no key"),
            Self::Repeated => f.write_str("a run of this name is there already: it was copied"),
            Self::Unstarted => f.write_str("this run has no start: Rex begins each run with one, so Rex did not write it"),
            Self::AfterEnd => f.write_str("this run had ended: Rex writes nothing after a run's end"),
            Self::Unknown => {
                f.write_str("Rex of this version writes no such event: a newer one wrote it, or somebody made it up")
            }
        }
    }
}
