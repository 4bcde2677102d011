#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! | module | contents |
//! |---|---|
//! | [`action`] | the table of actions: everything that a policy can permit, declared once |
//! | [`resource`] | the resources of actions: the [`Resource`] trait, units, hosts |
//! | [`program`] | programs that start only if the permit allows it by `@allow` |
//! | [`process`], [`machine`] | processes and programs; parameters and variables of the machine |
//! | [`net`] | hosts, addresses and URLs |
//! | [`path`] | [`AbsPath`], a path that has one spelling |
//! | [`grant`] | [`Gate`], the security kernel, and [`Grant`], its proof of one permission |
//! | [`decide`] | [`Authorize`], the trait of a policy engine, with [`Request`], [`Decision`] and [`Denial`] |
//! | [`need`] | [`Need`], a request that a call makes or would make next |
//! | [`request`] | [`RequestBuf`], a request made from its written form: in a journal, a test, a command line |
//! | [`reach`] | [`Reach`], a bound on what a policy could ever permit |
//! | [`run`] | [`Run`]: its subject, its limits and its journal |
//! | [`journal`] | [`Journal`], the record of every decision and outcome |
//! | [`limits`] | [`Limits`] and the [`Budget`] that counts against them |
//! | [`bounds`] | fixed bounds, which are not limits that can be set |
//! | [`error`] | [`Error`] and its stable [`Code`]s |
//! | [`data`] | actions and resources as data, for another process |
//! | [`values`] | the values that a fact or an attribute can have |
//! | [`nearest`] | suggestions for unknown names |
//! | [`uid`] | names of entities as policies write them |
//! | [`value`], [`time`] | what operations return; a point in time |
//! | [`units`] | durations and sizes as people write them |
//!
//! This crate has no I/O, policy language, script language or system call.
#![forbid(unsafe_code)]

pub mod action;
pub mod bounds;
pub mod data;
pub mod decide;
pub mod error;
pub mod grant;
pub mod journal;
pub mod limits;
pub mod machine;
pub mod nearest;
pub mod need;
pub mod net;
pub mod path;
pub mod process;
pub mod program;
pub mod reach;
pub mod request;
pub mod resource;
pub mod run;
pub mod spelling;
pub mod text;
pub mod time;
pub mod uid;
pub mod units;
pub mod value;
pub mod values;

pub use action::{ACTIONS, Action, ActionSpec};
pub use decide::{Authorize, Bond, Decision, Denial, Effect, Request};
pub use error::{Code, Error};
pub use grant::{Gate, Grant};
pub use journal::{Call, Journal, JournalError, JsonLines, MemoryJournal, Record};
pub use limits::{Budget, Limits};
pub use need::{DeniedCall, LateResources, Need, NeedWidth};
pub use path::{AbsPath, PathError};
pub use reach::{Extent, Reach, ReachPlace};
pub use request::RequestBuf;
pub use resource::{Attribute, Fact, FactKind, Resource, ResourceSpec};
pub use run::{Principal, Run, Subject};
pub use time::Timestamp;
pub use value::Value;
pub use values::ValueSet;
