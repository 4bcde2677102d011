//! The coverage of a policy by its tests.

use std::sync::Arc;

use rex_core::{Decision, Request};

use crate::policy::Policy;

/// The coverage of a policy by its tests.
///
/// A policy is covered if it was a deciding policy of some decision. A clause of its condition is covered if it decided both
/// when it held and when it did not: with the opposite value, the effect or the deciding policies would have been others. So in
/// `a && b`, a case in which `a` does not hold covers nothing of `b`; one in which neither holds covers nothing; and one that a
/// `forbid` decides covers nothing of a permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The policies, in the order of the sources.
    pub policies: Vec<CoveredPolicy>,
}

/// The coverage of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredPolicy {
    /// The id of the policy.
    pub id: Arc<str>,
    /// The name of its file.
    pub file: Arc<str>,
    /// The line where it starts.
    pub line: usize,
    /// Number of decisions of which it is a deciding policy.
    pub decided: u64,
    /// The clauses of its condition, without constants.
    pub clauses: Vec<CoveredClause>,
}

/// The coverage of one clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredClause {
    /// The source text, on one line.
    pub text: String,
    /// The line where it starts.
    pub line: usize,
    /// Number of times that it decided because it held.
    pub held: u64,
    /// Number of times that it decided because it did not hold.
    pub failed: u64,
}

impl CoveredClause {
    /// Returns whether it decided both ways.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        self.held > 0 && self.failed > 0
    }
}

impl Coverage {
    /// Starts the coverage of a policy, with nothing covered.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let covered = |(number, id): (usize, &Arc<str>)| {
            let stand = policy.stand(number)?;
            let clauses = policy.clauses(number).map(|clauses| clauses.clauses).unwrap_or_default();
            let clauses = clauses.iter().map(|clause| CoveredClause {
                text: stand.one_line(clause.place),
                line: stand.line_of(clause.place),
                held: 0,
                failed: 0,
            });
            Some(CoveredPolicy {
                id: id.clone(),
                file: stand.text.name.clone(),
                line: stand.line(),
                decided: 0,
                clauses: clauses.collect(),
            })
        };
        Self { policies: policy.ids().enumerate().filter_map(covered).collect() }
    }

    /// Counts one decision of the policy.
    pub fn observe(&mut self, policy: &Policy, request: &Request<'_>, decision: &Decision) {
        let met = policy.met(request).unwrap_or_default();
        let came_out = decided(met.iter().map(|(_, traced)| (traced.permit, traced.applies())));
        for (place, (number, traced)) in met.iter().enumerate() {
            let Some(covered) = self.policies.get_mut(*number) else { continue };
            covered.decided += u64::from(decision.policies.contains(&covered.id));
            let otherwise = decided(met.iter().enumerate().map(|(other, (_, traced))| {
                let applies = traced.applies();
                (traced.permit, if other == place { applies.map(|applies| !applies) } else { applies })
            }));
            if otherwise == came_out {
                continue;
            }
            for (clause, part) in covered.clauses.iter_mut().zip(&traced.clauses) {
                clause.held += u64::from(part.decided && part.holds == Ok(true));
                clause.failed += u64::from(part.decided && part.holds == Ok(false));
            }
        }
    }

    /// Returns the number of covered policies, and of all.
    #[must_use]
    pub fn of_policies(&self) -> (usize, usize) {
        (self.policies.iter().filter(|policy| policy.decided > 0).count(), self.policies.len())
    }

    /// Returns the number of covered clauses, and of all.
    #[must_use]
    pub fn of_clauses(&self) -> (usize, usize) {
        let clauses = || self.policies.iter().flat_map(|policy| &policy.clauses);
        (clauses().filter(|clause| clause.is_covered()).count(), clauses().count())
    }

    /// Returns the share of policies and clauses that are covered, in percent, rounded down; 100 for an empty policy.
    #[must_use]
    pub fn percent(&self) -> usize {
        let ((policies, all_policies), (clauses, all_clauses)) = (self.of_policies(), self.of_clauses());
        ((policies + clauses) * 100).checked_div(all_policies + all_clauses).unwrap_or(100)
    }
}

/// Returns whether policies allow a request, and the positions of those that decide. Each is `(is a permit, applies)`; `None`
/// is an error. A `forbid` beats an error, an error beats a `permit`.
fn decided(met: impl Iterator<Item = (bool, Option<bool>)>) -> (bool, Vec<usize>) {
    let (mut permits, mut forbids, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (place, (permit, applies)) in met.enumerate() {
        match applies {
            Some(true) if permit => permits.push(place),
            Some(true) => forbids.push(place),
            Some(false) => {}
            None => errors.push(place),
        }
    }
    match (forbids.is_empty(), errors.is_empty()) {
        (false, _) => (false, forbids),
        (true, false) => (false, errors),
        (true, true) => (!permits.is_empty(), permits),
    }
}
