#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod cache;
mod compile;
mod evaluate;
mod explain;
mod finding;
mod index;
mod limits;
mod lint;
mod members;
mod places;
mod policy;
mod prefixes;
mod reach;
mod remedy;
mod rule;
mod schema;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod validate;
mod vocabulary;

pub use finding::{Finding, Rejected, Severity, Source};
pub use limits::PolicyLimits;
pub use policy::Policy;
pub use reach::Exception;
pub use vocabulary::Vocabulary;
