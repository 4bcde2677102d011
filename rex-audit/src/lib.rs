#![doc = include_str!("../README.md")]
//!
//! This crate has no policy language, script language or operation, and opens no file.
#![forbid(unsafe_code)]

pub mod append;
pub mod chain;
pub mod entry;
pub mod export;
pub mod filter;
pub mod finding;
pub mod lines;
pub mod mark;
pub mod metrics;
pub mod moment;
pub mod place;
pub mod read;
pub mod redact;
pub mod replay;
pub mod report;
pub mod requests;
mod runs;
pub mod series;
pub mod sign;
pub mod start;
pub mod stats;
pub mod summary;
pub mod tail;
pub mod text;
pub mod top;
pub mod units;
pub mod verify;

pub use append::JournalAddition;
pub use chain::{Chain, LineHash};
pub use entry::Entry;
pub use filter::EntryFilter;
pub use finding::{JournalFinding, JournalVerdict, LineProblem};
pub use lines::LineReader;
pub use mark::{Mark, MarkWriter};
pub use metrics::Metrics;
pub use place::JournalPlace;
pub use read::{JournalLine, UnreadableLine, each};
pub use replay::{Replay, ReplayChange};
pub use report::HtmlReport;
pub use requests::{KnownRuns, RecordedRequest, RequestReader, UnreadLine};
pub use sign::{KeyError, PublicKey, SigningKey};
pub use start::FileStart;
pub use stats::JournalStats;
pub use summary::Summary;
pub use tail::JournalTail;
pub use verify::Verifier;
