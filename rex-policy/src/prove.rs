//! Proofs about a policy, for every possible request.
//!
//! A policy is encoded for a solver action by action, as conditions on a flat record of facts; see `flat`. The encoding
//! over-approximates the policy: whatever is allowed is allowed of such a record, too, so what holds of all records holds of
//! all requests. The converse is false: a solver may choose a record that no request has. So its counterexample is made into a
//! request and decided; if the policy does not confirm it, the solver gets the reason and is asked again.

pub(crate) mod cube;
mod flat;
mod kinds;
mod property;
mod real;
mod seek;
mod solve;
mod vacuous;
mod variables;

use std::fmt;
use std::sync::Arc;

use rex_core::action::process;
use rex_core::{Action, ActionSpec, Effect};

use crate::finding::RejectedPolicy;
use crate::operation::ExampleRequest;
use crate::policy::Policy;
use crate::rule;
use cube::{Cube, PolicyPair};
use flat::{FlatAction, FlatPolicies};
use kinds::{IdForm, and, not, truth};
use property::{Property, StatedProperty, can_fail};
pub(crate) use seek::acts;
use seek::{SolverQuery, SolverQuestion};
use solve::{CachedSolver, SetRelation, SolverFailure};
use variables::{ConditionVariables, Untranslatable};

/// A solver of SMT-LIB 2, such as cvc5.
pub trait Solver {
    /// Runs commands, the last of which is `(check-sat)` or `(get-model)`, and returns what the solver prints for it. They
    /// continue after the commands of earlier calls; `(reset)` is among them where a new question starts.
    ///
    /// # Errors
    /// If the solver cannot continue, with the reason in words.
    fn answer(&mut self, commands: &str) -> Result<String, String>;
}

/// The verdict on a property.
#[derive(Debug)]
pub enum ProofVerdict {
    /// The property holds of every request.
    Proved,
    /// The property does not hold, as the counterexample shows.
    Refuted(Box<Counterexample>),
    /// No verdict, for these reasons.
    Undecided(Vec<String>),
    /// A property that would hold of every policy, for this reason, so that its proof says nothing.
    Vacuous(String),
}

/// The requests that show that a property does not hold.
#[derive(Debug)]
pub struct Counterexample {
    /// The request; two where the property is about two. The policy has decided all of them.
    pub operations: Vec<ExampleRequest>,
    /// The ids of the policies that cause it.
    pub policies: Vec<Arc<str>>,
    /// A description of what is wrong: `it is allowed`.
    pub why: &'static str,
}

/// A property, and the verdict on it.
#[derive(Debug)]
pub struct PropertyProof {
    /// The ids of the policies that state it, or the name of the policy that was compared.
    pub property: String,
    /// The claim, in words.
    pub claim: &'static str,
    /// The verdict.
    pub verdict: ProofVerdict,
}

/// The reason why there are no proofs.
#[derive(Debug)]
pub enum ProveError {
    /// A statement that is not a property.
    Property(RejectedPolicy),
    /// A solver that cannot continue.
    Solver(String),
}

impl fmt::Display for ProveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(rejected) => rejected.fmt(f),
            Self::Solver(why) => write!(f, "the solver failed: {why}"),
        }
    }
}

impl std::error::Error for ProveError {}

/// A prover that uses a solver. It asks each question once.
pub struct Prover<'s> {
    solving: CachedSolver<'s>,
}

impl fmt::Debug for Prover<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover").finish_non_exhaustive()
    }
}

impl<'s> Prover<'s> {
    /// Creates a prover that asks this solver.
    ///
    /// # Errors
    /// If the solver cannot be asked.
    pub fn new(solver: &'s mut dyn Solver) -> Result<Self, ProveError> {
        CachedSolver::new(solver).map(|solving| Self { solving }).map_err(ProveError::Solver)
    }

    /// Proves or refutes properties of a policy. [`Policy::properties`] compiles them. They are policies themselves, whose
    /// annotation says what each states:
    ///
    /// - `@prove("at-most") permit`: the policy allows nothing that none of these permits allows.
    /// - `@prove("never") forbid`: the policy allows nothing that this matches.
    /// - `@prove("no-error") permit`: for what this matches, the evaluation of no policy is an error.
    /// - `@prove("never-run") forbid`: no path for which the policy allows what this matches may be run by the same principal.
    ///
    /// If the policy was compiled without an entities file, a proof holds for every such file, whatever members of groups and
    /// classes it declares. A property that would hold of every policy, because it matches no request or is a ceiling that
    /// permits every request, is [`ProofVerdict::Vacuous`].
    ///
    /// # Errors
    /// If a statement is not a property, or the solver cannot continue. A question that the solver cannot decide is not an error.
    pub fn prove(&mut self, policy: &Policy, properties: &Policy) -> Result<Vec<PropertyProof>, ProveError> {
        let (mut findings, mut stated) = (Vec::new(), Vec::new());
        for (number, rule) in properties.rules().iter().enumerate() {
            match Property::of(properties, number) {
                Ok(property) => stated.push((property, StatedProperty { properties, number, rule })),
                Err(finding) => findings.extend(finding.map(|finding| *finding)),
            }
        }
        if stated.len() < properties.len() {
            return Err(ProveError::Property(RejectedPolicy { findings }));
        }
        let (ceiling, others): (Vec<_>, Vec<_>) =
            stated.into_iter().partition(|(property, _)| *property == Property::AtMost);
        let ceiling: Vec<StatedProperty<'_>> = ceiling.into_iter().map(|(_, stated)| stated).collect();
        let mut proofs = Vec::new();
        if !ceiling.is_empty() {
            let ids: Vec<&str> = ceiling.iter().map(|stated| &*stated.rule.id).collect();
            let verdict = self.at_most(policy, &ceiling).and_then(|verdict| self.of_ceiling(verdict, policy, &ceiling));
            let verdict = verdict.map_err(ProveError::Solver)?;
            proofs.push(PropertyProof { property: ids.join(", "), claim: "nothing else is allowed", verdict });
        }
        for (property, stated) in others {
            let (claim, verdict) = match property {
                Property::AtMost => continue,
                Property::Never => ("nothing of this is allowed", self.never(policy, &stated)),
                Property::NoError => ("no policy is an error", self.no_error(policy, &stated)),
                Property::NeverRun => ("nothing that this may be done to may be run", self.never_run(policy, &stated)),
            };
            let verdict = verdict.and_then(|verdict| self.of_one(verdict, policy, &stated, property));
            let verdict = verdict.map_err(ProveError::Solver)?;
            proofs.push(PropertyProof { property: stated.rule.id.to_string(), claim, verdict });
        }
        Ok(proofs)
    }

    /// Proves or refutes that two policies mean the same: each allows what the other allows.
    ///
    /// # Errors
    /// If the solver cannot continue.
    pub fn same(&mut self, policy: &Policy, other: &Policy) -> Result<ProofVerdict, ProveError> {
        let (mut all, mut allowing, mut why) = (ProofVerdict::Proved, policy, "only the first allows it");
        for (one, wide, only) in [(policy, other, why), (other, policy, "only the second allows it")] {
            let verdict = self.each(policy, |prover, spec, principal| {
                for word in words(one, spec) {
                    let sides = PolicyPair { more: one, less: wide, changed: [&[], &[]], word };
                    let found = prover.beyond(&sides, spec, principal, (&[], false))?;
                    if !matches!(found, Ok(None)) {
                        return Ok(found.map(|it| it.map(|it| vec![it])));
                    }
                }
                Ok(Ok(None))
            });
            all = all.and(verdict.map_err(ProveError::Solver)?);
            if matches!(all, ProofVerdict::Refuted(_)) {
                (allowing, why) = (one, only);
                break;
            }
        }
        Ok(all.by(allowing, why))
    }

    /// Finds a request by this type of principal that `more` allows and `less` does not, and that is like none of `excluded`,
    /// compared finely or not.
    pub(crate) fn beyond(
        &mut self,
        sides: &PolicyPair<'_>,
        spec: &'static ActionSpec,
        principal: &'static str,
        (excluded, fine): (&[Cube], bool),
    ) -> Result<Result<Option<ExampleRequest>, Untranslatable>, SolverFailure> {
        let PolicyPair { more: one, less: wide, word, .. } = *sides;
        let act = FlatAction::new(one, spec, principal, "").letting(word);
        let other = act.seen_by(wide).letting(word);
        let mut variables = ConditionVariables::default();
        let both = act.side(&mut variables, true).and_then(|left| Ok((left, other.side(&mut variables, false)?)));
        let told = both.and_then(|both| {
            for cube in excluded {
                let cube = cube.told(&mut variables, [&act, &other], fine)?;
                variables.learn(not(cube));
            }
            Ok(both)
        });
        let (left, right) = match told {
            Ok(sides) => sides,
            Err(untold) => return Ok(Err(untold)),
        };
        let question = SolverQuestion {
            variables: variables.clone(),
            acts: vec![act],
            ask: SolverQuery::Pair(SetRelation::Implies, left, right),
        };
        let lets = |policy: &Policy, it: &ExampleRequest| {
            let decision = it.decision(policy);
            decision.effect == Effect::Allow && word.is_none_or(|word| rule::lets(decision.allows.as_deref(), word))
        };
        // The values that a solver chose may lead to a request that is known.
        let known = |it: &ExampleRequest| {
            let cube = Cube::of(sides, it);
            cube.is_ok_and(|cube| excluded.iter().any(|known| known.is_like(&cube, fine)))
        };
        let new = |it: &ExampleRequest| lets(one, it) && !lets(wide, it) && !known(it);
        match self.seek(Ok(question), one, &|it| it.iter().all(new))? {
            // INVARIANT: for a solver, a policy that is an error does not apply; for Rex, it is a denial. So the proof is valid
            // only if no policy can be an error on the side that must allow.
            Ok(None) => Ok(self.never_fails(wide, &other, &variables)?.map(|()| None)),
            sought => Ok(sought.map(|operations| operations.and_then(|operations| operations.into_iter().next()))),
        }
    }

    fn at_most(&mut self, policy: &Policy, ceiling: &[StatedProperty<'_>]) -> Result<ProofVerdict, SolverFailure> {
        let verdict = self.each(policy, |prover, spec, principal| {
            let act = FlatAction::new(policy, spec, principal, "");
            let mut variables = ConditionVariables::default();
            let sides = act.side(&mut variables, true).and_then(|left| {
                let right = ceiling.iter().map(|stated| Ok((true, stated.applies(&act, &mut variables)?)));
                Ok((left, right.collect::<Result<FlatPolicies, Untranslatable>>()?))
            });
            let question = sides.map(|(left, right)| {
                let ask = SolverQuery::Pair(SetRelation::Implies, left, right);
                SolverQuestion { variables, acts: vec![act], ask }
            });
            let inside = |it: &ExampleRequest| ceiling.iter().any(|stated| stated.matches(it));
            prover.seek(question, policy, &|it| it.iter().all(|it| allows(policy, it) && !inside(it)))
        })?;
        Ok(verdict.by(policy, "it is allowed"))
    }

    fn never(&mut self, policy: &Policy, stated: &StatedProperty<'_>) -> Result<ProofVerdict, SolverFailure> {
        let verdict = self.each(policy, |prover, spec, principal| {
            let act = FlatAction::new(policy, spec, principal, "");
            let guard = act.seen_by(stated.properties);
            let mut variables = ConditionVariables::default();
            let sides = stated.applies(&act, &mut variables).and_then(|applies| {
                let left = if applies == truth(false) { FlatPolicies::new() } else { act.side(&mut variables, true)? };
                Ok((left, vec![(true, applies)]))
            });
            let known = variables.clone();
            let question = sides.map(|(left, right)| {
                let ask = SolverQuery::Pair(SetRelation::Disjoint, left, right);
                SolverQuestion { variables, acts: vec![act], ask }
            });
            match prover.seek(question, policy, &|it| it.iter().all(|it| allows(policy, it) && stated.matches(it)))? {
                // A guard that is an error matches nothing, and a guard that matches nothing guards nothing.
                Ok(None) => Ok(prover.may_fail(stated, &guard, &known)?.map(|()| None)),
                sought => Ok(sought),
            }
        })?;
        Ok(verdict.by(policy, "it is allowed"))
    }

    fn no_error(&mut self, policy: &Policy, stated: &StatedProperty<'_>) -> Result<ProofVerdict, SolverFailure> {
        let mut all = ProofVerdict::Proved;
        for (number, rule) in policy.rules().iter().enumerate().filter(|(number, _)| can_fail(policy, *number)) {
            let verdict = self.each(policy, |prover, spec, principal| {
                let act = FlatAction::new(policy, spec, principal, "");
                let mut variables = ConditionVariables::default();
                let applies = stated
                    .applies(&act, &mut variables)
                    .and_then(|stated| Ok(and(stated, act.rule(&mut variables, number, rule)?)));
                let question = applies.map(|applies| SolverQuestion {
                    variables,
                    acts: vec![act],
                    ask: SolverQuery::Error(applies),
                });
                let is_error = |it: &ExampleRequest| {
                    let outcome = policy.by_cedar(policy.all(), &it.asked.request(), &it.with(policy));
                    outcome.is_ok_and(|outcome| outcome.errors.iter().any(|(known, _)| known.id == rule.id))
                };
                prover.seek(question, policy, &|it| it.iter().all(|it| stated.matches(it) && is_error(it)))
            })?;
            all = all.and(match verdict {
                ProofVerdict::Refuted(mut it) => {
                    (it.policies, it.why) = (vec![rule.id.clone()], "its evaluation is an error");
                    return Ok(ProofVerdict::Refuted(it));
                }
                other => other,
            });
        }
        Ok(all)
    }

    fn never_run(&mut self, policy: &Policy, stated: &StatedProperty<'_>) -> Result<ProofVerdict, SolverFailure> {
        let run = policy.actions().iter().copied().find(|spec| *spec == process::Run::SPEC);
        let verdict = self.each(policy, |prover, spec, principal| {
            let Some(run) = run.filter(|_| IdForm::of(spec.resource) == IdForm::Path) else { return Ok(Ok(None)) };
            // Both are about one principal and one path, each with its own facts.
            let (done, runs) =
                (FlatAction::new(policy, spec, principal, "done_"), FlatAction::new(policy, run, principal, "run_"));
            let mut variables = ConditionVariables::default();
            let sides = stated.applies(&done, &mut variables).and_then(|applies| {
                let mut left =
                    if applies == truth(false) { FlatPolicies::new() } else { done.side(&mut variables, true)? };
                left.push((false, not(applies)));
                Ok((left, runs.side(&mut variables, true)?))
            });
            let question = sides.map(|(left, right)| {
                let ask = SolverQuery::Pair(SetRelation::Disjoint, left, right);
                SolverQuestion { variables, acts: vec![done, runs], ask }
            });
            prover.seek(question, policy, &|it| {
                it.iter().all(|it| allows(policy, it)) && it.first().is_some_and(|done| stated.matches(done))
            })
        })?;
        Ok(verdict.by(policy, "both are allowed"))
    }

    /// Checks that no policy can be an error for this act; `Err` names one that can.
    fn never_fails(
        &mut self,
        policy: &Policy,
        act: &FlatAction<'_>,
        variables: &ConditionVariables,
    ) -> Result<Result<(), Untranslatable>, SolverFailure> {
        for (number, rule) in policy.rules().iter().enumerate() {
            let stated = StatedProperty { properties: policy, number, rule };
            if let Err(untold) = self.may_fail(&stated, act, variables)? {
                return Ok(Err(untold));
            }
        }
        Ok(Ok(()))
    }

    fn may_fail(
        &mut self,
        stated: &StatedProperty<'_>,
        act: &FlatAction<'_>,
        variables: &ConditionVariables,
    ) -> Result<Result<(), Untranslatable>, SolverFailure> {
        if !can_fail(stated.properties, stated.number) {
            return Ok(Ok(()));
        }
        let mut variables = variables.clone();
        let applies = match stated.applies(act, &mut variables) {
            Ok(applies) => applies,
            Err(untold) => return Ok(Err(untold)),
        };
        Ok(self.solving.error(&variables, &applies)?.and_then(|model| match model {
            None => Ok(()),
            Some(_) => Err(format!("policy `{}` may be an error there", stated.rule.id.escape_debug())),
        }))
    }
}

/// Lists what can be allowed of an action: the action itself (`None`), and each word of the permits' `@allow`.
pub(crate) fn words<'p>(policy: &'p Policy, spec: &ActionSpec) -> Vec<Option<&'p str>> {
    let mut words = vec![None];
    let permits = policy.rules().iter().filter(|rule| *spec == *process::Run::SPEC && rule.permit);
    let said = permits.filter_map(|rule| rule.allows.as_deref()).flat_map(str::split_ascii_whitespace);
    words.extend(said.map(Some));
    words.sort_unstable();
    words.dedup();
    words
}

fn allows(policy: &Policy, operation: &ExampleRequest) -> bool {
    operation.decision(policy).effect == Effect::Allow
}

impl ProofVerdict {
    /// Combines the verdicts on two parts.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (refuted @ Self::Refuted(_), _) | (_, refuted @ Self::Refuted(_)) => refuted,
            (Self::Undecided(mut one), Self::Undecided(other)) => {
                one.extend(other);
                one.sort();
                one.dedup();
                Self::Undecided(one)
            }
            (undecided @ Self::Undecided(_), _) | (_, undecided @ Self::Undecided(_)) => undecided,
            (vacuous @ Self::Vacuous(_), _) | (_, vacuous @ Self::Vacuous(_)) => vacuous,
            (Self::Proved, Self::Proved) => Self::Proved,
        }
    }

    /// Sets the reason of a counterexample, and the policies that allow it.
    fn by(mut self, policy: &Policy, why: &'static str) -> Self {
        if let Self::Refuted(counterexample) = &mut self {
            let decisions = counterexample.operations.iter().map(|operation| operation.decision(policy));
            counterexample.policies = decisions.flat_map(|decision| decision.policies.to_vec()).collect();
            counterexample.why = why;
        }
        self
    }
}
