//! Differences between the decisions of two policies.

#[cfg(feature = "prove")]
mod proved;
mod requests;

use rex_core::{ActionSpec, Decision, Effect};

use crate::operation::ExampleRequest;
use crate::policy::Policy;
use crate::rule::lets;
use requests::DiffRequests;

/// The change of a decision from the older to the newer policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DecisionChange {
    /// A denial that became an allowance.
    Allowed,
    /// An allowance that became a denial.
    Denied,
}

/// Requests of one action by one type of principal that two policies decide differently, all by the same policies.
#[derive(Debug)]
pub struct PolicyDifference {
    /// The change.
    pub change: DecisionChange,
    /// One of the requests, which both policies have decided.
    pub example: ExampleRequest,
    /// The decision of the older policy.
    pub before: Decision,
    /// The decision of the newer policy.
    pub after: Decision,
    /// The word that `@allow` has in one of the two policies alone, if both allow the request.
    pub lets: Option<String>,
}

/// The result of a solver for one action by one type of principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExaminedAction {
    /// The action.
    pub action: &'static ActionSpec,
    /// The type of principal: `Agent`, `User`.
    pub principal: &'static str,
    /// Reasons why there may be more changes than those reported; empty if it is proved that no others exist.
    pub undecided: Vec<(DecisionChange, String)>,
}

impl ExaminedAction {
    /// Returns whether it is proved that there are no changes but those reported.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.undecided.is_empty()
    }
}

/// The differences between the decisions of two policies.
#[derive(Debug)]
pub struct PolicyDiff {
    /// `true` if a solver proved for each action and type of principal that there are no other differences.
    pub proved: bool,
    /// The differences, by change, then in the order of the actions.
    pub differences: Vec<PolicyDifference>,
    /// The results of a solver for each action by each type of principal; empty if no solver was used.
    pub examined: Vec<ExaminedAction>,
    /// The questions that a solver could not decide, each with the reason.
    pub undecided: Vec<String>,
    /// Number of requests that both policies decided.
    pub requests: usize,
    /// Number of policies that only one of the two has and for which no request was made: nothing is known of them.
    pub untried: usize,
}

impl Policy {
    /// Compares this policy with a newer one, by requests made from the names, texts and numbers of both. Each difference that
    /// it finds is real; there may be others.
    #[must_use]
    pub fn diff(&self, newer: &Self) -> PolicyDiff {
        let (operations, untried) = DiffRequests::new([self, newer]).operations();
        let mut diff = PolicyDiff {
            proved: false,
            differences: Vec::new(),
            examined: Vec::new(),
            undecided: Vec::new(),
            requests: 0,
            untried,
        };
        for operation in operations {
            diff.requests += 1;
            if let Some(new) = PolicyDifference::of(self, newer, operation)
                && !diff.differences.iter().any(|known| known.is_like(&new))
            {
                diff.differences.push(new);
            }
        }
        diff.sort(newer.actions());
        diff
    }
}

impl PolicyDiff {
    fn sort(&mut self, actions: &[&'static ActionSpec]) {
        self.differences.sort_by_cached_key(|it| {
            let place = actions.iter().position(|spec| std::ptr::eq(*spec, it.action()));
            let by = [&it.before, &it.after].map(|decision| decision.policies.to_vec());
            (it.change, place, by, it.principal().to_owned())
        });
    }
}

impl PolicyDifference {
    /// Compares the decisions on one request; `None` if they do not differ.
    fn of(older: &Policy, newer: &Policy, example: ExampleRequest) -> Option<Self> {
        let (before, after) = (example.decision(older), example.decision(newer));
        if (before.effect, after.effect) == (Effect::Allow, Effect::Allow) {
            let all = |decision: &Decision| decision.allows.clone().unwrap_or_default();
            let words = format!("{} {}", all(&before), all(&after));
            let lets = |decision: &Decision, word: &str| lets(decision.allows.as_deref(), word);
            let word =
                words.split_ascii_whitespace().find(|word| lets(&before, word) != lets(&after, word))?.to_owned();
            let change = if lets(&after, &word) { DecisionChange::Allowed } else { DecisionChange::Denied };
            return Some(Self { change, example, before, after, lets: Some(word) });
        }
        let change = match (before.effect, after.effect) {
            (Effect::Deny, Effect::Allow) => DecisionChange::Allowed,
            (Effect::Allow, Effect::Deny) => DecisionChange::Denied,
            _ => return None,
        };
        Some(Self { change, example, before, after, lets: None })
    }

    /// Returns the action of the requests.
    #[must_use]
    pub fn action(&self) -> &'static ActionSpec {
        self.example.asked.request().action.spec()
    }

    /// Returns the type of their principals: `Agent`, `User`.
    #[must_use]
    pub fn principal(&self) -> &str {
        self.example.asked.request().subject.principal.kind()
    }

    fn is_like(&self, other: &Self) -> bool {
        self.change == other.change
            && std::ptr::eq(self.action(), other.action())
            && self.principal() == other.principal()
            && self.lets == other.lets
            && (&self.before.policies, &self.before.reason) == (&other.before.policies, &other.before.reason)
            && (&self.after.policies, &self.after.reason) == (&other.after.policies, &other.after.reason)
    }
}
