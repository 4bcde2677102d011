#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod annotation;
mod cache;
mod cases;
mod clause;
mod compared;
mod compile;
mod coverage;
mod diff;
mod evaluate;
mod explain;
mod finding;
mod head;
mod hints;
mod index;
mod layout;
pub mod learn;
mod limits;
mod lint;
mod lints;
mod members;
mod mutant;
mod named;
mod operation;
mod pattern;
mod places;
mod policy;
mod prefixes;
#[cfg(feature = "prove")]
mod prove;
mod reach;
mod remedy;
mod risks;
mod rule;
mod schema;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod trace;
mod validate;
mod vocabulary;

pub use cases::{Case, Ending, Expected, Page, Question, Script, World};
pub use coverage::{Coverage, CoveredClause, CoveredPolicy};
pub use diff::{Change, Diff, Difference, Examined};
pub use finding::{Finding, Rejected, Severity, Source};
pub use layout::formatted;
pub use learn::{Breadth, Learned, LearnedPermit, Learner};
pub use limits::PolicyLimits;
pub use lints::{LINTS, Levels, Lint};
pub use mutant::{Mutant, Seen};
pub use operation::Operation;
pub use policy::Policy;
#[cfg(feature = "prove")]
pub use prove::{Counterexample, Proof, ProveError, Prover, Solver, Verdict};
pub use reach::Exception;
pub use remedy::Patch;
pub use risks::{Exposed, RISKS, Risk, Severity as RiskSeverity, Way};
pub use trace::{Part, Trace, Traced};
pub use vocabulary::Vocabulary;
