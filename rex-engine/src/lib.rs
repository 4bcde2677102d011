#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! | module | contents |
//! |---|---|
//! | [`engine`] | [`Engine`]: built once, run often |
//! | [`plan`] | [`Plan`]: the recorded effects of a script, and [`PinnedPolicy`], a policy that limits a run to them |
//! | [`report`] | [`Report`]: outcome, output, statistics and journal of a run |
//! | [`memory`] | [`CountingAllocator`], which bounds the memory of a run; the only unsafe code |
//! | `bind` | the one generic binder from operations to Rhai's modules |
//! | `active` | the state of the run that a thread is in |
//! | `script` | a script before it runs: its mistakes, and the form in which it is run |
//! | `values` | comparisons, lists, texts: replacements where Rhai's own functions silently return wrong results |
//! | `pure` | pure functions that scripts need and Rhai lacks: `regex`, `json`, `time`, `table`, ... |
//!
//! Never in this crate: a policy language, a system call, `eval`, `import`.

mod active;
mod bind;
mod builder;
mod convert;
pub mod engine;
mod failure;
pub mod memory;
pub mod plan;
mod pure;
mod random;
pub mod report;
mod script;
mod values;
mod worker;

pub use builder::{BuildError, Builder};
pub use engine::{Engine, Input, script_sha256};
pub use memory::{CountingAllocator, when_out_of_memory};
pub use plan::{CallRecorder, PinnedPolicy, Plan};
pub use random::{RandomSource, random_id};
pub use report::{DeniedRequests, Failure, Report, RunStats};

/// The signature and meaning of each pure function.
pub use pure::DOCS as PURE_FUNCTIONS;
