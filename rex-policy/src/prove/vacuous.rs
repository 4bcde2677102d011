//! Vacuous properties: they match no request, or are a ceiling over every request.

use rex_core::ActionSpec;

use super::flat::{Act, Side};
use super::kinds::{Kind, truth};
use super::property::{Property, Stated};
use super::seek::{Ask, Question, UNREAL};
use super::solve::{Broken, Relation};
use super::variables::{Untold, Variables};
use super::{Prover, Verdict};
use crate::operation::Operation;
use crate::policy::Policy;

impl Prover<'_> {
    /// Makes a verdict vacuous if the statement matches no request.
    pub(super) fn of_one(
        &mut self,
        verdict: Verdict,
        policy: &Policy,
        stated: &Stated<'_>,
        property: Property,
    ) -> Result<Verdict, Broken> {
        // Only a path can be run.
        let about = |spec: &ActionSpec| property != Property::NeverRun || Kind::of(spec.resource) == Kind::Path;
        match verdict {
            refuted @ Verdict::Refuted(_) => Ok(refuted),
            verdict => {
                let matched = self.matched(policy, stated, &about)?;
                Ok(worth(verdict, matched, || "it matches no request".to_owned()))
            }
        }
    }

    /// Makes the verdict on a ceiling vacuous if a permit matches no request, or if it permits every request.
    pub(super) fn of_ceiling(
        &mut self,
        mut verdict: Verdict,
        policy: &Policy,
        ceiling: &[Stated<'_>],
    ) -> Result<Verdict, Broken> {
        if matches!(verdict, Verdict::Refuted(_)) {
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
        stated: &Stated<'_>,
        about: &dyn Fn(&ActionSpec) -> bool,
    ) -> Result<Verdict, Broken> {
        self.each(policy, |prover, spec, principal| {
            if !about(spec) {
                return Ok(Ok(None));
            }
            let act = Act::new(policy, spec, principal, "");
            let mut variables = Variables::default();
            let applies = match stated.applies(&act, &mut variables) {
                Ok(applies) if applies == truth(false) => return Ok(Ok(None)),
                Ok(applies) => applies,
                Err(untold) => return Ok(Err(untold)),
            };
            let ask = Ask::Pair(Relation::Disjoint, vec![(true, applies)], vec![(true, truth(true))]);
            let question = Question { variables, acts: vec![act], ask };
            match prover.seek(Ok(question), policy, &|it| it.iter().all(|it| stated.matches(it)))? {
                // It contradicts no known condition, so such a request probably exists; the proof does not need it.
                Err(why) if why == UNREAL => Ok(Ok(Some(Vec::new()))),
                sought => Ok(sought),
            }
        })
    }

    /// Refutes that a ceiling permits every request.
    fn exceeded(&mut self, policy: &Policy, ceiling: &[Stated<'_>]) -> Result<Verdict, Broken> {
        self.each(policy, |prover, spec, principal| {
            let act = Act::new(policy, spec, principal, "");
            let mut variables = Variables::default();
            let sides = ceiling.iter().map(|stated| Ok((true, stated.applies(&act, &mut variables)?)));
            let question = sides.collect::<Result<Side, Untold>>().map(|right| {
                let ask = Ask::Pair(Relation::Implies, vec![(true, truth(true))], right);
                Question { variables, acts: vec![act], ask }
            });
            let inside = |it: &Operation| ceiling.iter().any(|stated| stated.matches(it));
            prover.seek(question, policy, &|it| it.iter().all(|it| !inside(it)))
        })
    }
}

/// Returns a verdict that is vacuous or undecided unless the other is refuted.
fn worth(verdict: Verdict, other: Verdict, why: impl FnOnce() -> String) -> Verdict {
    match (verdict, other) {
        (verdict @ Verdict::Vacuous(_), _) | (verdict, Verdict::Refuted(_)) => verdict,
        (verdict, Verdict::Undecided(reasons)) => {
            let told = |reason| format!("whether it says anything: {reason}");
            verdict.and(Verdict::Undecided(reasons.into_iter().map(told).collect()))
        }
        (_, Verdict::Proved | Verdict::Vacuous(_)) => Verdict::Vacuous(why()),
    }
}
