//! The parts that need the real operating system: runs, plans, `rex doctor`, and notices about files.

mod actor;
mod broker;
mod changes;
mod doctor;
mod guard;
mod inputs;
mod journal;
mod lines;
mod link;
mod notices;
#[cfg(feature = "otel")]
mod otel;
mod plan;
mod report;
mod rotate;
mod run;
mod supervise;
mod watch;
mod wire;

pub(crate) use doctor::doctor;
pub(crate) use notices::{FileNotices, TreeNotices};
pub(crate) use plan::plan;
pub(crate) use run::run;
