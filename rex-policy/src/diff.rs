//! What is decided otherwise by another policy.

mod requests;

use rex_core::{ActionSpec, Decision, Effect};

use crate::operation::Operation;
use crate::policy::Policy;
#[cfg(feature = "prove")]
use crate::prove::{ProveError, Prover};
use requests::Requests;

/// How a request is decided by the newer of two policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It was denied.
    Allowed,
    /// It was allowed.
    Denied,
}

/// Requests that are decided otherwise, of one action, by the same policies.
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
}

/// What is decided otherwise by another policy.
#[derive(Debug)]
pub struct Diff {
    /// Whether a solver was asked about whatever no example was found of. If not, that there is no difference is no proof.
    pub proved: bool,
    /// The differences, by what they change, then in the order of the actions.
    pub differences: Vec<Difference>,
    /// What a solver could not decide, and why.
    pub undecided: Vec<String>,
    /// How many requests were decided by both.
    pub requests: usize,
}

impl Policy {
    /// What a newer policy decides otherwise, as far as requests show that are made from the names, texts and numbers of both. What it
    /// finds is so; what it does not find may be so all the same.
    #[must_use]
    pub fn diff(&self, newer: &Self) -> Diff {
        let mut diff = Diff { proved: false, differences: Vec::new(), undecided: Vec::new(), requests: 0 };
        for operation in Requests::new([self, newer]).operations() {
            diff.requests += 1;
            diff.add(self, newer, operation);
        }
        diff.differences.sort_by_key(|difference| difference.change);
        diff
    }
}

impl Diff {
    fn add(&mut self, older: &Policy, newer: &Policy, example: Operation) {
        let (before, after) = (example.decision(older), example.decision(newer));
        let change = match (before.effect, after.effect) {
            (Effect::Deny, Effect::Allow) => Change::Allowed,
            (Effect::Allow, Effect::Deny) => Change::Denied,
            _ => return,
        };
        let new = Difference { change, example, before, after };
        if !self.differences.iter().any(|known| known.is_like(&new)) {
            self.differences.push(new);
        }
    }

    #[cfg(feature = "prove")]
    fn knows(&self, change: Change, spec: &ActionSpec, principal: &str) -> bool {
        self.differences.iter().any(|known| {
            let request = known.example.asked.request();
            known.change == change && *request.action.spec() == *spec && request.subject.principal.kind() == principal
        })
    }
}

impl Difference {
    /// The action of the requests.
    #[must_use]
    pub fn action(&self) -> &'static ActionSpec {
        self.example.asked.request().action.spec()
    }

    fn is_like(&self, other: &Self) -> bool {
        self.change == other.change
            && std::ptr::eq(self.action(), other.action())
            && (&self.before.policies, &self.before.reason) == (&other.before.policies, &other.before.reason)
            && (&self.after.policies, &self.after.reason) == (&other.after.policies, &other.after.reason)
    }
}

#[cfg(feature = "prove")]
impl Prover<'_> {
    /// What a newer policy decides otherwise: examples are looked for as [`Policy::diff`] does, and a solver is asked about each action
    /// by each type of principal that none was found of.
    ///
    /// # Errors
    /// If the solver cannot go on.
    pub fn diff(&mut self, older: &Policy, newer: &Policy) -> Result<Diff, ProveError> {
        let mut diff = older.diff(newer);
        diff.proved = true;
        for (change, more, less) in [(Change::Allowed, newer, older), (Change::Denied, older, newer)] {
            for (spec, principal) in crate::prove::acts(newer) {
                if diff.knows(change, spec, principal) {
                    continue;
                }
                match self.beyond(more, less, spec, principal).map_err(ProveError::Solver)? {
                    Ok(None) => {}
                    Ok(Some(example)) => diff.add(older, newer, example),
                    Err(why) => diff.undecided.push(format!("{spec} by {}: {why}", principal.to_lowercase())),
                }
            }
        }
        diff.undecided.sort();
        diff.undecided.dedup();
        diff.differences.sort_by_key(|difference| difference.change);
        Ok(diff)
    }
}
