//! What tests of a policy have seen of it.

use std::sync::Arc;

use rex_core::{Decision, Request};

use crate::policy::Policy;

/// What tests of a policy have seen of it.
///
/// A policy is covered if it was one of those that made a decision. A clause of its condition is covered if it decided both when it
/// held and when it did not: if the decision would have been another, or one by other policies, had the clause come out otherwise. So in
/// `a && b`, a case in which `a` does not hold covers nothing of `b`, and one in which neither holds covers nothing at all; and a case
/// that a `forbid` decides covers nothing of a permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The policies, in the order of the sources.
    pub policies: Vec<CoveredPolicy>,
}

/// What tests have seen of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredPolicy {
    /// Its id.
    pub id: Arc<str>,
    /// The file that it stands in.
    pub file: Arc<str>,
    /// The line where it starts.
    pub line: usize,
    /// How often it made a decision.
    pub decided: u64,
    /// The clauses of its condition; what is constant is none.
    pub clauses: Vec<CoveredClause>,
}

/// What tests have seen of one clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredClause {
    /// As it is written, on one line.
    pub text: String,
    /// The line where it starts.
    pub line: usize,
    /// How often it decided because it held.
    pub held: u64,
    /// How often it decided because it did not.
    pub failed: u64,
}

impl CoveredClause {
    /// Whether it decided both ways.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        self.held > 0 && self.failed > 0
    }
}

impl Coverage {
    /// Nothing has been seen of a policy yet.
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

    /// Counts one decision of that policy.
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

    /// How many policies are covered, and how many there are.
    #[must_use]
    pub fn of_policies(&self) -> (usize, usize) {
        (self.policies.iter().filter(|policy| policy.decided > 0).count(), self.policies.len())
    }

    /// How many clauses are covered, and how many there are.
    #[must_use]
    pub fn of_clauses(&self) -> (usize, usize) {
        let clauses = || self.policies.iter().flat_map(|policy| &policy.clauses);
        (clauses().filter(|clause| clause.is_covered()).count(), clauses().count())
    }

    /// Covered policies and clauses of all policies and clauses, in percent, rounded down; 100 of none.
    #[must_use]
    pub fn percent(&self) -> usize {
        let ((policies, all_policies), (clauses, all_clauses)) = (self.of_policies(), self.of_clauses());
        ((policies + clauses) * 100).checked_div(all_policies + all_clauses).unwrap_or(100)
    }
}

/// What policies decide of which it is known whether they permit and whether they apply: whether it is an allowance, and the places of
/// those that make it so. A `forbid` beats an error, an error beats a `permit`.
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
