//! Traces of decisions: the deciding policies, those that came near, and the parts of conditions that decided.

use std::cell::OnceCell;
use std::sync::Arc;

use cedar_policy::{Entities, EvalResult, eval_expression};
use rex_core::program::StartRefusal;
use rex_core::{ActionSpec, Authorize, Decision, Effect, Request};

use crate::clause::{ByteSpan, ClauseTree};
use crate::evaluate::{CedarParts, EvalError};
use crate::finding::PolicySpan;
use crate::index::{Ancestry, action_meets, principal_meets};
use crate::policy::Policy;
use crate::rule::{ConditionNeeds, Rule, Uid};
use crate::vocabulary::same_type;

/// Maximum number of policies that are reported as near.
const NEAR: usize = 5;

/// The account of a decision.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The decision.
    pub decision: Decision,
    /// The remedy of a denial, as scripts get it: permits, or advice if nothing could allow the request.
    pub remedy: Option<String>,
    /// The deciding policies, and those whose evaluation is an error.
    pub deciding: Vec<PolicyTrace>,
    /// The policies that came near to changing it; the nearest first.
    pub near: Vec<PolicyTrace>,
    /// Reasons why a run does not start the program, although the start is allowed; otherwise empty.
    pub withheld: Vec<StartRefusal>,
}

/// The part of one policy in a decision.
#[derive(Debug, Clone)]
pub struct PolicyTrace {
    /// The id of the policy.
    pub id: Arc<str>,
    /// `true` if it is a `permit`.
    pub permit: bool,
    /// The text of its `@reason`.
    pub reason: Option<Arc<str>>,
    /// The name of its file.
    pub file: Arc<str>,
    /// The line where it starts.
    pub line: usize,
    /// The source text of the policy.
    pub text: String,
    /// The parts of its head that do not match the request: `principal`, `action`, `resource`.
    pub misses: Vec<&'static str>,
    /// The parts of its condition that must all hold, in order. Each is evaluated, also those that Cedar does not reach; empty
    /// if the head does not match the request.
    pub conjuncts: Vec<ConditionPart>,
    /// The parts of its condition that cannot be split any further.
    pub clauses: Vec<ConditionPart>,
}

/// A part of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionPart {
    /// The source text, on one line.
    pub text: String,
    /// The line where it starts.
    pub line: usize,
    /// The value; `Err` says why it is unknown.
    pub holds: Result<bool, String>,
    /// `true` if turning this part would turn the condition.
    pub decided: bool,
}

impl PolicyTrace {
    /// Returns whether the policy applies; `None` if its condition is an error.
    #[must_use]
    pub fn applies(&self) -> Option<bool> {
        if !self.misses.is_empty() {
            return Some(false);
        }
        self.conjuncts.iter().try_fold(true, |all, part| if all { part.holds.clone().ok() } else { Some(false) })
    }

    /// Returns the conjuncts that keep it from applying, beyond its head.
    pub fn unmet(&self) -> impl Iterator<Item = &ConditionPart> {
        self.conjuncts.iter().filter(|part| part.holds != Ok(true))
    }

    fn distance(&self) -> (usize, usize) {
        (self.misses.len(), self.unmet().count())
    }
}

impl Policy {
    /// Traces the decision on a request. It is slow: it evaluates each part of each policy.
    #[must_use]
    pub fn trace(&self, request: &Request<'_>) -> Trace {
        let decision = self.decide(request);
        let remedy = self.remedy(request, &decision);
        let withheld = self.withheld(request, &decision);
        let kind = self.checked(request);
        let Ok(kind) = &kind else {
            return Trace { decision, remedy, deciding: Vec::new(), near: Vec::new(), withheld };
        };
        let look = TraceContext::new(self, request, kind);
        let all = (0..self.len()).filter_map(|number| look.traced(number, 1)).collect::<Vec<_>>();
        let decides = |traced: &PolicyTrace| decision.policies.contains(&traced.id) || traced.applies().is_none();
        let (deciding, mut near): (Vec<_>, Vec<_>) = all.into_iter().partition(decides);
        // An allowed request was nearly denied by each `forbid` whose head matches it.
        near.retain(|traced| match decision.effect {
            Effect::Allow => !traced.permit && traced.misses.is_empty(),
            Effect::Deny if decision.policies.is_empty() => traced.permit,
            Effect::Deny => traced.permit && traced.applies() == Some(true),
        });
        near.sort_by_key(PolicyTrace::distance);
        near.truncate(NEAR);
        Trace { decision, remedy, deciding, near, withheld }
    }

    /// Evaluates the parts of each policy whose head matches a request.
    pub(crate) fn met(&self, request: &Request<'_>) -> Result<Vec<(usize, PolicyTrace)>, EvalError> {
        let kind = self.checked(request)?;
        let look = TraceContext::new(self, request, &kind);
        Ok((0..self.len()).filter_map(|number| Some((number, look.traced(number, 0)?))).collect())
    }

    /// Returns the permits of whose heads at most `most` parts do not match the request, the nearest first. With 0, as on each
    /// denial, it looks only at what the index finds.
    pub(crate) fn nearly(&self, request: &Request<'_>, most: usize) -> Result<Vec<(usize, PolicyTrace)>, EvalError> {
        let mut numbers = if most == 0 { self.candidates(request)? } else { (0..self.len()).collect() };
        let permits = |number: &usize| self.rules().get(*number).is_some_and(|rule| rule.permit);
        numbers.retain(|number| permits(number));
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let kind = self.checked(request)?;
        let look = TraceContext::new(self, request, &kind);
        let misses = |number| Some((number, look.misses(self.rules().get(number)?).len()));
        let counted = numbers.into_iter().filter_map(misses).filter(|(_, misses)| *misses <= most);
        let (met, others): (Vec<_>, Vec<_>) = counted.partition(|(_, misses)| *misses == 0);
        let traced = |(number, _)| Some((number, look.traced(number, most)?));
        let mut near: Vec<_> = met.into_iter().filter_map(traced).collect();
        near.sort_by_key(|(_, traced)| traced.distance());
        near.extend(others.into_iter().take(NEAR).filter_map(traced));
        near.truncate(NEAR);
        Ok(near)
    }
}

/// A request, and everything that policies look at.
struct TraceContext<'p> {
    policy: &'p Policy,
    request: &'p Request<'p>,
    /// The request as Cedar takes it, once a condition is evaluated.
    asked: OnceCell<Result<(cedar_policy::Request, Entities), EvalError>>,
    lineage: Ancestry<'p>,
    groups: Vec<Uid>,
    /// The actions on resources of this type.
    alike: Vec<&'static ActionSpec>,
}

impl<'p> TraceContext<'p> {
    fn new(policy: &'p Policy, request: &'p Request<'p>, kind: &'p str) -> Self {
        let subject = &request.subject.principal;
        let groups = policy.groups(subject.kind(), subject.id());
        let above = policy.members().above(kind).map(|above| &**above);
        let lineage = Ancestry::new(kind, request.resource, above);
        let alike = |action: &&ActionSpec| same_type(action.resource, request.resource.spec());
        let alike = policy.actions().iter().copied().filter(alike).collect();
        Self { policy, request, asked: OnceCell::new(), lineage, groups, alike }
    }

    fn asked(&self) -> Result<&(cedar_policy::Request, Entities), EvalError> {
        let asked = || {
            let (request, subject) = (self.request, &self.request.subject.principal);
            let parties = CedarParts::new(subject.kind(), subject.id(), &self.groups, request.action.spec())?;
            parties.asked(request, &self.lineage, ConditionNeeds::ALL, self.policy.known())
        };
        self.asked.get_or_init(asked).as_ref().map_err(Clone::clone)
    }

    /// Evaluates a policy, if at most `most` parts of its head do not match the request.
    fn traced(&self, number: usize, most: usize) -> Option<PolicyTrace> {
        let (rule, stand) = (self.policy.rules().get(number)?, self.policy.stand(number)?);
        let misses = self.misses(rule);
        if misses.len() > most {
            return None;
        }
        let mut traced = PolicyTrace {
            id: rule.id.clone(),
            permit: rule.permit,
            reason: rule.reason.clone(),
            file: stand.text.name.clone(),
            line: stand.line(),
            text: stand.text().to_owned(),
            misses,
            conjuncts: Vec::new(),
            clauses: Vec::new(),
        };
        if let (true, Some(clauses)) = (traced.misses.is_empty(), self.policy.clauses(number)) {
            self.evaluate(&clauses, stand, &mut traced);
        }
        Some(traced)
    }

    fn misses(&self, rule: &Rule) -> Vec<&'static str> {
        let subject = &self.request.subject.principal;
        let who = principal_meets(&rule.principal, subject.kind(), subject.id(), &self.groups);
        let acts = action_meets(rule.actions.as_ref(), self.request.action.spec());
        let on = self.lineage.meets(&rule.resource);
        // Without a scope, a policy is about the resources of its actions alone. It matters where nothing else misses.
        let is_about = |action: &&ActionSpec| action_meets(rule.actions.as_ref(), action);
        let about = acts || !who || !on || self.alike.iter().any(is_about);
        let meets = [("principal", who), ("action", acts), ("resource", on && about)];
        meets.into_iter().filter_map(|(part, meets)| (!meets).then_some(part)).collect()
    }

    fn evaluate(&self, clauses: &ClauseTree, stand: &PolicySpan, traced: &mut PolicyTrace) {
        let values: Vec<Result<bool, String>> = clauses
            .clauses
            .iter()
            .map(|clause| {
                let (asked, entities) = self.asked().map_err(|error| error.to_string())?;
                match eval_expression(asked, entities, &clause.expression) {
                    Ok(EvalResult::Bool(holds)) => Ok(holds),
                    Ok(_) => Err("this is not a Boolean".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            })
            .collect();
        let known: Vec<Option<bool>> = values.iter().map(|value| value.as_ref().ok().copied()).collect();
        let decided = clauses.deciding(&known);
        let part = |place: Option<ByteSpan>, holds, decided| ConditionPart {
            text: stand.one_line(place),
            line: stand.line_of(place),
            holds,
            decided,
        };
        let error = || values.iter().find_map(|value| value.clone().err()).unwrap_or_default();
        traced.conjuncts = clauses
            .conjuncts
            .iter()
            .map(|conjunct| part(conjunct.place, conjunct.holds(&known).ok_or_else(error), false))
            .collect();
        let alone = traced.unmet().count();
        for part in &mut traced.conjuncts {
            part.decided = alone == 0 || (alone == 1 && part.holds != Ok(true));
        }
        traced.clauses = clauses
            .clauses
            .iter()
            .zip(values)
            .zip(decided)
            .map(|((clause, value), decided)| part(clause.place, value, decided))
            .collect();
    }
}
