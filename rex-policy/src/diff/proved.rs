//! Differences that a solver finds, until it finds no more.
//!
//! Each difference is excluded by the reasons for it, and the solver is asked again. So one change cannot hide another, and in the end all
//! are reported. First, a difference covers all requests that the same clauses of the same permit (and of the same `forbid`, if there was
//! one) decide in this way. Then it covers only requests that are permitted or not forbidden for the same reasons: a permit may lose two
//! exceptions at once, and a `forbid` may get two.

use std::collections::HashSet;

use rex_core::ActionSpec;

use super::{DecisionChange, ExaminedAction, PolicyDiff, PolicyDifference};
use crate::operation::ExampleRequest;
use crate::policy::Policy;
use crate::prove::cube::{Cube, PolicyPair};
use crate::prove::{ProveError, Prover, acts, words};

/// Maximum number of differences for one action, one type of principal and one change.
const MOST: usize = 48;

/// The message of a solver that cannot continue.
type SolverFailure = String;

/// The extent of a search for differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SearchExtent {
    /// Search until all are found.
    All,
    /// Search until one is found.
    One,
}

/// A search for requests that one policy allows and the other does not.
struct DifferenceSearch<'p> {
    change: DecisionChange,
    sides: PolicyPair<'p>,
    spec: &'static ActionSpec,
    principal: &'static str,
}

impl Prover<'_> {
    /// Finds the differences of a newer policy. After the examples of [`Policy::diff`], it asks the solver about each action by each type
    /// of principal, until it finds nothing unlike the known ones. [`ExaminedAction`] says for each pair whether it is proved that all were
    /// found.
    ///
    /// # Errors
    /// If the solver cannot continue.
    pub fn diff(&mut self, older: &Policy, newer: &Policy) -> Result<PolicyDiff, ProveError> {
        self.differences(older, newer, SearchExtent::All)
    }

    /// Finds differences like [`diff`](Self::diff), but one for each action, type of principal and change is enough: it proves nothing
    /// about others.
    ///
    /// # Errors
    /// If the solver cannot continue.
    pub fn first_differences(&mut self, older: &Policy, newer: &Policy) -> Result<PolicyDiff, ProveError> {
        self.differences(older, newer, SearchExtent::One)
    }

    fn differences(&mut self, older: &Policy, newer: &Policy, far: SearchExtent) -> Result<PolicyDiff, ProveError> {
        let mut diff = older.diff(newer);
        let (gone, new) = (changed(older, newer), changed(newer, older));
        let allowed = PolicyPair { more: newer, less: older, changed: [&new, &gone], word: None };
        let denied = PolicyPair { more: older, less: newer, changed: [&gone, &new], word: None };
        for (spec, principal) in acts(newer) {
            let mut examined = ExaminedAction { action: spec, principal, undecided: Vec::new() };
            for (change, sides) in [(DecisionChange::Allowed, allowed), (DecisionChange::Denied, denied)] {
                for word in words(sides.more, spec) {
                    let search = DifferenceSearch { change, sides: PolicyPair { word, ..sides }, spec, principal };
                    if let Err(why) = search.run(self, &mut diff, far).map_err(ProveError::Solver)? {
                        diff.undecided.push(format!("{spec} by {}: {why}", principal.to_lowercase()));
                        examined.undecided.push((change, why));
                    } else if far == SearchExtent::One && diff.differences.iter().any(|it| search.is_about(it)) {
                        examined.undecided.push((change, "the search ended at the first difference".to_owned()));
                    }
                }
            }
            diff.examined.push(examined);
        }
        diff.undecided.sort();
        diff.undecided.dedup();
        diff.proved = diff.examined.iter().all(ExaminedAction::is_proved);
        diff.sort(newer.actions());
        Ok(diff)
    }
}

/// Returns, for each policy, whether its text is not in the other set.
fn changed(policy: &Policy, other: &Policy) -> Vec<bool> {
    let known: HashSet<_> = texts(other).collect();
    texts(policy).map(|text| !known.contains(&text)).collect()
}

fn texts(policy: &Policy) -> impl Iterator<Item = Option<&str>> {
    (0..policy.len()).map(|number| policy.stand(number).map(crate::finding::PolicySpan::text))
}

impl DifferenceSearch<'_> {
    /// Looks for differences unlike all known ones. The inner error says why there may be more.
    fn run(
        &self,
        prover: &mut Prover<'_>,
        diff: &mut PolicyDiff,
        far: SearchExtent,
    ) -> Result<Result<(), String>, SolverFailure> {
        let known: Vec<_> = diff.differences.iter().filter(|it| self.is_about(it)).collect();
        if far == SearchExtent::One {
            return if known.is_empty() { self.first(prover, diff) } else { Ok(Ok(())) };
        }
        let cubes = known.iter().map(|known| Cube::of(&self.sides, &known.example));
        let mut cubes = match cubes.collect::<Result<Vec<_>, _>>() {
            Ok(cubes) => cubes,
            Err(why) => return Ok(Err(more(&why))),
        };
        for fine in [false, true] {
            if fine && !cubes.iter().any(Cube::is_fine) {
                // The question would be unchanged.
                break;
            }
            while let Some(new) = match self.next(prover, &cubes, fine)? {
                Ok(new) => new,
                Err(why) => return Ok(Err(why)),
            } {
                let cube = match Cube::of(&self.sides, &new.example) {
                    Ok(cube) => cube,
                    Err(why) => {
                        diff.differences.push(new);
                        return Ok(Err(more(&why)));
                    }
                };
                let again = cubes.iter().any(|known| known.is_like(&cube, fine));
                if !again {
                    diff.differences.push(new);
                    cubes.push(cube);
                }
                if again || cubes.len() >= MOST {
                    let why = if again {
                        "the differences found cannot be excluded"
                    } else {
                        "there are too many to list; compare the policies in parts"
                    };
                    return Ok(Err(more(why)));
                }
            }
        }
        Ok(Ok(()))
    }

    fn first(&self, prover: &mut Prover<'_>, diff: &mut PolicyDiff) -> Result<Result<(), String>, SolverFailure> {
        Ok(self.next(prover, &[], false)?.map(|found| diff.differences.extend(found)))
    }

    /// Finds a difference unlike all of these.
    fn next(
        &self,
        prover: &mut Prover<'_>,
        known: &[Cube],
        fine: bool,
    ) -> Result<Result<Option<PolicyDifference>, String>, SolverFailure> {
        let found = prover.beyond(&self.sides, self.spec, self.principal, (known, fine))?;
        let (older, newer) = match self.change {
            DecisionChange::Allowed => (self.sides.less, self.sides.more),
            DecisionChange::Denied => (self.sides.more, self.sides.less),
        };
        let told = |example: ExampleRequest| {
            let (before, after) = (example.decision(older), example.decision(newer));
            let lets = self.sides.word.map(str::to_owned);
            PolicyDifference { change: self.change, example, before, after, lets }
        };
        Ok(found.map(|found| found.map(told)))
    }

    fn is_about(&self, difference: &PolicyDifference) -> bool {
        difference.change == self.change
            && *difference.action() == *self.spec
            && difference.principal() == self.principal
            && difference.lets.as_deref() == self.sides.word
    }
}

fn more(why: &str) -> String {
    format!("more may exist: {why}")
}
