//! Vacuous properties: they match no request, or are a ceiling over every request.

use rex_core::ActionSpec;

use super::flat::{FlatAction, FlatPolicies};
use super::kinds::{IdForm, truth};
use super::property::{Property, StatedProperty};
use super::seek::{SolverQuery, SolverQuestion, UNREAL};
use super::solve::{SetRelation, SolverFailure};
use super::variables::{ConditionVariables, Untranslatable};
use super::{ProofVerdict, Prover};
use crate::operation::ExampleRequest;
use crate::policy::Policy;

impl Prover<'_> {
    /// Makes a verdict vacuous if the statement matches no request.
    pub(super) fn of_one(
        &mut self,
        verdict: ProofVerdict,
        policy: &Policy,
        stated: &StatedProperty<'_>,
        property: Property,
    ) -> Result<ProofVerdict, SolverFailure> {
        // Only a path can be run.
        let about = |spec: &ActionSpec| property != Property::NeverRun || IdForm::of(spec.resource) == IdForm::Path;
        match verdict {
            refuted @ ProofVerdict::Refuted(_) => Ok(refuted),
            verdict => {
                let matched = self.matched(policy, stated, &about)?;
                Ok(worth(verdict, matched, || "it matches no request".to_owned()))
            }
        }
    }

    /// Makes the verdict on a ceiling vacuous if a permit matches no request, or if it permits every request.
    pub(super) fn of_ceiling(
        &mut self,
        mut verdict: ProofVerdict,
        policy: &Policy,
        ceiling: &[StatedProperty<'_>],
    ) -> Result<ProofVerdict, SolverFailure> {
        if matches!(verdict, ProofVerdict::Refuted(_)) {
            return Ok(verdict);
        }
        verdict = worth(verdict, self.exceeded(policy, ceiling)?, || "it permits every request".to_owned());
        for stated in ceiling {
            let matched = self.matched(policy, stated, &|_| true)?;
            let why = || format!("`{}` matches no request", stated.rule.id.escape_debug());
            verdict = worth(verdict, matched, why);
        }
        Ok(verdict)
    }

    /// Refutes that a statement matches no request.
    fn matched(
        &mut self,
        policy: &Policy,
        stated: &StatedProperty<'_>,
        about: &dyn Fn(&ActionSpec) -> bool,
    ) -> Result<ProofVerdict, SolverFailure> {
        self.each(policy, |prover, spec, principal| {
            if !about(spec) {
                return Ok(Ok(None));
            }
            let act = FlatAction::new(policy, spec, principal, "");
            let mut variables = ConditionVariables::default();
            let applies = match stated.applies(&act, &mut variables) {
                Ok(applies) if applies == truth(false) => return Ok(Ok(None)),
                Ok(applies) => applies,
                Err(untold) => return Ok(Err(untold)),
            };
            let ask = SolverQuery::Pair(SetRelation::Disjoint, vec![(true, applies)], vec![(true, truth(true))]);
            let question = SolverQuestion { variables, acts: vec![act], ask };
            match prover.seek(Ok(question), policy, &|it| it.iter().all(|it| stated.matches(it)))? {
                // It contradicts no known condition, so such a request probably exists; the proof does not need it.
                Err(why) if why == UNREAL => Ok(Ok(Some(Vec::new()))),
                sought => Ok(sought),
            }
        })
    }

    /// Refutes that a ceiling permits every request.
    fn exceeded(&mut self, policy: &Policy, ceiling: &[StatedProperty<'_>]) -> Result<ProofVerdict, SolverFailure> {
        self.each(policy, |prover, spec, principal| {
            let act = FlatAction::new(policy, spec, principal, "");
            let mut variables = ConditionVariables::default();
            let sides = ceiling.iter().map(|stated| Ok((true, stated.applies(&act, &mut variables)?)));
            let question = sides.collect::<Result<FlatPolicies, Untranslatable>>().map(|right| {
                let ask = SolverQuery::Pair(SetRelation::Implies, vec![(true, truth(true))], right);
                SolverQuestion { variables, acts: vec![act], ask }
            });
            let inside = |it: &ExampleRequest| ceiling.iter().any(|stated| stated.matches(it));
            prover.seek(question, policy, &|it| it.iter().all(|it| !inside(it)))
        })
    }
}

/// Returns a verdict that is vacuous or undecided unless the other is refuted.
fn worth(verdict: ProofVerdict, other: ProofVerdict, why: impl FnOnce() -> String) -> ProofVerdict {
    match (verdict, other) {
        (verdict @ ProofVerdict::Vacuous(_), _) | (verdict, ProofVerdict::Refuted(_)) => verdict,
        (verdict, ProofVerdict::Undecided(reasons)) => {
            let told = |reason| format!("whether it says anything: {reason}");
            verdict.and(ProofVerdict::Undecided(reasons.into_iter().map(told).collect()))
        }
        (_, ProofVerdict::Proved | ProofVerdict::Vacuous(_)) => ProofVerdict::Vacuous(why()),
    }
}
