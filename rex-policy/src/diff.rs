//! What is decided otherwise by another policy.

#[cfg(feature = "prove")]
mod proved;
mod requests;

use rex_core::{ActionSpec, Decision, Effect};

use crate::operation::Operation;
use crate::policy::Policy;
use crate::rule::lets;
use requests::Requests;

/// How a request is decided by the newer of two policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It was denied.
    Allowed,
    /// It was allowed.
    Denied,
}

/// Requests that are decided otherwise, of one action by one type of principal, by the same policies.
#[derive(Debug)]
pub struct Difference {
    /// How they are decided now.
    pub change: Change,
    /// One of them, which both policies have decided.
    pub example: Operation,
    /// What the older policy decides on it.
    pub before: Decision,
    /// What the newer one does.
    pub after: Decision,
    /// What of the `@allow` of a permit is let go by one of the two alone, where both may allow the request.
    pub lets: Option<String>,
}

/// What a solver found out of one action by one type of principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The action.
    pub action: &'static ActionSpec,
    /// The type of principal: `Agent`, `User`.
    pub principal: &'static str,
    /// Why it is not known whether more is newly allowed or denied than what is told; empty if it is proved that nothing is.
    pub undecided: Vec<(Change, String)>,
}

impl Examined {
    /// Whether it is proved that nothing is newly allowed or denied but what is told.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.undecided.is_empty()
    }
}

/// What is decided otherwise by another policy.
#[derive(Debug)]
pub struct Diff {
    /// Whether a solver proved of each action and type of principal that there is no other difference than those told.
    pub proved: bool,
    /// The differences, by what they change, then in the order of the actions.
    pub differences: Vec<Difference>,
    /// What a solver found out of each action by each type of principal; empty if none was asked.
    pub examined: Vec<Examined>,
    /// What a solver could not decide, and why.
    pub undecided: Vec<String>,
    /// How many requests were decided by both.
    pub requests: usize,
    /// For how many policies that are in one of the two alone no request was made: of them, nothing is known.
    pub untried: usize,
}

impl Policy {
    /// What a newer policy decides otherwise, as far as requests show that are made from the names, texts and numbers of both. What it
    /// finds is so; what it does not find may be so all the same.
    #[must_use]
    pub fn diff(&self, newer: &Self) -> Diff {
        let (operations, untried) = Requests::new([self, newer]).operations();
        let mut diff = Diff {
            proved: false,
            differences: Vec::new(),
            examined: Vec::new(),
            undecided: Vec::new(),
            requests: 0,
            untried,
        };
        for operation in operations {
            diff.requests += 1;
            if let Some(new) = Difference::of(self, newer, operation)
                && !diff.differences.iter().any(|known| known.is_like(&new))
            {
                diff.differences.push(new);
            }
        }
        diff.sort(newer.actions());
        diff
    }
}

impl Diff {
    fn sort(&mut self, actions: &[&'static ActionSpec]) {
        self.differences.sort_by_cached_key(|it| {
            let place = actions.iter().position(|spec| std::ptr::eq(*spec, it.action()));
            let by = [&it.before, &it.after].map(|decision| decision.policies.to_vec());
            (it.change, place, by, it.principal().to_owned())
        });
    }
}

impl Difference {
    /// What is decided otherwise on a request; `None` if nothing is.
    fn of(older: &Policy, newer: &Policy, example: Operation) -> Option<Self> {
        let (before, after) = (example.decision(older), example.decision(newer));
        if (before.effect, after.effect) == (Effect::Allow, Effect::Allow) {
            let all = |decision: &Decision| decision.allows.clone().unwrap_or_default();
            let words = format!("{} {}", all(&before), all(&after));
            let lets = |decision: &Decision, word: &str| lets(decision.allows.as_deref(), word);
            let word =
                words.split_ascii_whitespace().find(|word| lets(&before, word) != lets(&after, word))?.to_owned();
            let change = if lets(&after, &word) { Change::Allowed } else { Change::Denied };
            return Some(Self { change, example, before, after, lets: Some(word) });
        }
        let change = match (before.effect, after.effect) {
            (Effect::Deny, Effect::Allow) => Change::Allowed,
            (Effect::Allow, Effect::Deny) => Change::Denied,
            _ => return None,
        };
        Some(Self { change, example, before, after, lets: None })
    }

    /// The action of the requests.
    #[must_use]
    pub fn action(&self) -> &'static ActionSpec {
        self.example.asked.request().action.spec()
    }

    /// The type of their principals: `Agent`, `User`.
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
