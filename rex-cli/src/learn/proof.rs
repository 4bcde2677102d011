//! The proof about a learned policy.

use rex_policy::{DecisionChange as Changed, PolicyDiff};
use serde::Serialize;

use crate::draw;

/// The comparison of a learned policy with the exact one, which allows only the resources that were seen.
#[derive(Serialize)]
pub(super) struct ExactComparison {
    /// `true` if it allows all that the exact policy allows.
    allows_all: bool,
    /// The requests that only the learned policy allows: one for each action and type of principal.
    beyond: Vec<String>,
    /// The reasons why something is undecided.
    undecided: Vec<String>,
}

impl ExactComparison {
    pub(super) fn new(diff: PolicyDiff) -> Self {
        let (beyond, lost): (Vec<_>, Vec<_>) =
            diff.differences.iter().partition(|difference| difference.change == Changed::Allowed);
        Self {
            allows_all: lost.is_empty() && diff.undecided.is_empty(),
            beyond: beyond.into_iter().map(|difference| difference.example.to_string()).collect(),
            undecided: diff.undecided,
        }
    }

    pub(super) fn human(&self) -> String {
        let mut out = String::new();
        if self.allows_all {
            out += "proved: the policy allows everything that a policy for only the recorded resources allows\n";
        }
        for operation in &self.beyond {
            out += &format!("  it also allows, for example, {}\n", draw::line(operation));
        }
        if self.allows_all && self.beyond.is_empty() {
            out += "  it allows nothing else\n";
        }
        for why in &self.undecided {
            out += &format!("undecided: {}\n", draw::line(why));
        }
        out
    }
}
