#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! | module | contents |
//! |---|---|
//! | [`os`] | [`Os`], the capability trait: every method that reaches the system consumes a grant |
//! | [`spec`] | [`OpSpec`], the declaration of an operation, and the trait [`Operation`] |
//! | [`args`] | [`Args`], arguments that were checked against the declaration |
//! | [`session`] | [`Session`], which calls operations: counts and records them, and catches panics |
//! | [`lines`] | [`FileLines`], the lines of an open file, read on demand |
//! | [`ops`] | the operations, one file each, and the slice of all of them, [`OPS`] |
//! | `host` | the real operating system, the only place with system calls |
//! | [`overlay`] | a system that keeps changes in memory over another one: plans |
//! | [`mem`] | an operating system in memory, for tests, fuzzing and simulation |
//!
//! This crate never contains a policy language or a script language.

mod advice;
mod answer;
mod archive;
pub mod args;
mod certificate;
mod compress;
mod connection;
mod cursor;
mod dns;
pub mod docs;
mod expand;
mod groups;
#[cfg(all(feature = "host", target_os = "linux"))]
pub mod host;
mod http;
pub mod lines;
mod links;
pub mod mem;
mod needs;
pub mod ops;
pub mod os;
pub mod overlay;
mod ownership;
#[cfg(any(all(feature = "host", target_os = "linux"), feature = "testing", test))]
mod pid;
mod proc;
mod readable;
pub mod session;
mod skipped;
pub mod spec;
#[cfg(any(feature = "testing", test))]
pub mod testing;
mod tls;
mod tree;
mod url;
mod words;

pub use args::Args;
pub use groups::known_groups;
#[cfg(all(feature = "host", target_os = "linux"))]
pub use host::HostOs;
pub use lines::FileLines;
pub use mem::MemOs;
pub use ops::OPS;
pub use os::{Files, Os, OsError, Processes, Services, System};
pub use overlay::Overlay;
pub use session::Session;
pub use spec::{CallExample, Literal, Op, OpAnswer, OpSpec, Operation, Param, ParamForm, ParamKind, ReturnSpec};
