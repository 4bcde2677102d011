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
mod lints;
mod load_checks;
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
mod rule_set;
mod schema;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod trace;
mod validate;
mod vocabulary;

pub use cases::{Case, CaseQuestion, CaseScript, CaseWorld, ExpectedOutcome, ProgramEnding, ServerPage};
pub use coverage::{Coverage, CoveredClause, CoveredPolicy};
pub use diff::{DecisionChange, ExaminedAction, PolicyDiff, PolicyDifference};
pub use finding::{Finding, RejectedPolicy, Severity, SourceText};
pub use layout::formatted;
pub use learn::{Breadth, LearnedPermit, LearnedPolicy, Learner};
pub use limits::PolicyLimits;
pub use lints::{LINTS, Lint, LintLevels};
pub use mutant::{Mutant, RequestValues};
pub use operation::ExampleRequest;
pub use policy::Policy;
#[cfg(feature = "prove")]
pub use prove::{Counterexample, ProofVerdict, PropertyProof, ProveError, Prover, Solver};
pub use reach::ReachException;
pub use remedy::Patch;
pub use risks::{ExposedRisk, RISKS, Risk, RiskRequest, RiskSeverity};
pub use trace::{ConditionPart, PolicyTrace, Trace};
pub use vocabulary::Vocabulary;
