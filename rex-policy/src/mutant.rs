//! Mutants: policies with one change each, which their tests should notice.

use std::sync::Arc;

use rex_core::{Decision, Request};

use crate::clause::{ClauseTree, ClauseTruth};
use crate::evaluate::{EvalError, EvalOutcome};
use crate::policy::Policy;

/// A policy with one change that a test of it should notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// The id of the changed policy.
    pub policy: Arc<str>,
    /// The name of its file.
    pub file: Arc<str>,
    /// The line where the change starts.
    pub line: usize,
    /// The change, in words: `` without `resource.extension == "key"` ``.
    pub change: String,
    number: usize,
    kind: MutantKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum MutantKind {
    /// The policy is removed.
    Dropped,
    /// A `forbid` instead of a `permit`, or the other way round.
    Flipped,
    /// Clauses that have these values, whatever they evaluate to.
    Forced(Vec<(usize, bool)>),
}

/// The value of each clause of a policy; `Err` says why it is unknown.
type ClauseResults = Vec<Result<bool, String>>;

/// The values of policies for one request, from which the decision of each mutant follows without evaluating anything again.
#[derive(Debug)]
pub struct RequestValues<'p> {
    policy: &'p Policy,
    /// The policies whose heads match the request, with the values of their clauses.
    met: Result<Vec<(usize, ClauseResults)>, EvalError>,
}

impl Policy {
    /// Returns every mutant: without one policy, with the effect of one turned, or without a part of the condition of one.
    #[must_use]
    pub fn mutants(&self) -> Vec<Mutant> {
        let mut all = Vec::new();
        for (number, rule) in self.rules().iter().enumerate() {
            let Some(stand) = self.stand(number) else { continue };
            let mutant = |line: usize, change: String, kind: MutantKind| Mutant {
                policy: rule.id.clone(),
                file: stand.text.name.clone(),
                line,
                change,
                number,
                kind,
            };
            let turned = if rule.permit { "as a `forbid`" } else { "as a `permit`" };
            all.push(mutant(stand.line(), "dropped".to_owned(), MutantKind::Dropped));
            all.push(mutant(stand.line(), turned.to_owned(), MutantKind::Flipped));
            let Some(clauses) = self.clauses(number) else { continue };
            let dropped = clauses.dropped();
            let whole = (dropped.len() > 1).then(|| {
                mutant(stand.line(), "without its condition".to_owned(), MutantKind::Forced(clauses.fulfilled()))
            });
            all.extend(whole);
            all.extend(dropped.into_iter().map(|dropped| {
                let part = stand.one_line(dropped.place);
                mutant(stand.line_of(dropped.place), format!("without `{part}`"), MutantKind::Forced(dropped.forced))
            }));
        }
        all
    }

    /// Evaluates the policies for a request.
    #[must_use]
    pub fn see(&self, request: &Request<'_>) -> RequestValues<'_> {
        let met = self.met(request).map(|met| {
            let values = |(number, traced): (usize, crate::trace::PolicyTrace)| {
                (number, traced.clauses.into_iter().map(|part| part.holds).collect())
            };
            met.into_iter().map(values).collect()
        });
        RequestValues { policy: self, met }
    }
}

impl RequestValues<'_> {
    /// Returns whether the mutant may decide the request differently.
    #[must_use]
    pub fn concerns(&self, mutant: &Mutant) -> bool {
        self.met.as_ref().is_ok_and(|met| met.iter().any(|(number, _)| *number == mutant.number))
    }

    /// Returns the decision on the request, with or without a change.
    #[must_use]
    pub fn decision(&self, mutant: Option<&Mutant>) -> Decision {
        let met = match &self.met {
            Ok(met) => met,
            Err(error) => return Decision::deny(Some(&error.to_string())),
        };
        let mut outcome = EvalOutcome::default();
        for (number, values) in met {
            let Some(rule) = self.policy.rules().get(*number) else { continue };
            let kind = mutant.filter(|mutant| mutant.number == *number).map(|mutant| &mutant.kind);
            let holds = self.holds(*number, values, kind);
            match kind {
                Some(MutantKind::Dropped) => {}
                Some(MutantKind::Flipped) if holds == Ok(true) && rule.permit => outcome.forbids.push(rule),
                Some(MutantKind::Flipped) if holds == Ok(true) => outcome.permits.push(rule),
                _ => outcome.add(rule, holds),
            }
        }
        outcome.decision()
    }

    fn holds(&self, number: usize, values: &[Result<bool, String>], kind: Option<&MutantKind>) -> Result<bool, String> {
        let Some(clauses) = self.policy.clauses(number) else { return Ok(true) };
        let forced = match kind {
            Some(MutantKind::Forced(forced)) => &forced[..],
            _ => &[],
        };
        holds(&clauses, values, forced)
    }
}

/// Evaluates a condition with some of its clauses forced to values.
fn holds(clauses: &ClauseTree, values: &[Result<bool, String>], forced: &[(usize, bool)]) -> Result<bool, String> {
    let mut error = None;
    let came_out = clauses.holds(&mut |clause| -> ClauseTruth {
        if let Some((_, value)) = forced.iter().find(|(known, _)| *known == clause) {
            return Some(*value);
        }
        match values.get(clause) {
            Some(Ok(value)) => Some(*value),
            Some(Err(why)) => {
                error = Some(why.clone());
                None
            }
            None => None,
        }
    });
    came_out.ok_or_else(|| error.unwrap_or_default())
}
