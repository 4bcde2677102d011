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

pub use append::Addition;
pub use chain::{Chain, Hash};
pub use entry::Entry;
pub use filter::Filter;
pub use finding::{Finding, Verdict, What};
pub use lines::Lines;
pub use mark::{Mark, Writer};
pub use metrics::Metrics;
pub use place::Place;
pub use read::{Line, Unreadable, each};
pub use replay::{Change, Replay};
pub use report::Report;
pub use requests::{Recorded, Requests, Runs, Unread};
pub use sign::{KeyError, PublicKey, SigningKey};
pub use start::Start;
pub use stats::Stats;
pub use summary::Summary;
pub use tail::Tail;
pub use verify::Verifier;
