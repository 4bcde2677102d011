//! How a decision came about: which policies made it, which came near, and which part of a condition it was.

use std::cell::OnceCell;
use std::sync::Arc;

use cedar_policy::{Entities, EvalResult, eval_expression};
use rex_core::program::Withheld;
use rex_core::{Authorize, Decision, Effect, Request};

use crate::clause::{Clauses, Place};
use crate::evaluate::{Parties, Trouble};
use crate::finding::Stand;
use crate::index::{Lineage, action_meets, principal_meets};
use crate::policy::Policy;
use crate::rule::{Needs, Rule, Uid};

/// How many policies that came near are told.
const NEAR: usize = 5;

/// How a decision came about.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The decision.
    pub decision: Decision,
    /// What would have allowed it, or advice where nothing could, as a script is told that is denied.
    pub remedy: Option<String>,
    /// The policies that made the decision.
    pub deciding: Vec<Traced>,
    /// Those that would have changed it, had one thing been otherwise; the nearest first.
    pub near: Vec<Traced>,
    /// Why a run does not start the program, although the start is allowed; empty otherwise.
    pub withheld: Vec<Withheld>,
}

/// What one policy had to say.
#[derive(Debug, Clone)]
pub struct Traced {
    /// The id of the policy.
    pub id: Arc<str>,
    /// Whether it is a `permit`.
    pub permit: bool,
    /// What its `@reason` says.
    pub reason: Option<Arc<str>>,
    /// The file that it stands in.
    pub file: Arc<str>,
    /// The line where it starts.
    pub line: usize,
    /// The policy as it is written.
    pub text: String,
    /// What of its head does not meet the request: `principal`, `action`, `resource`.
    pub misses: Vec<&'static str>,
    /// The parts of its condition of which each must hold, in their order. Evaluated apart, also those that Cedar does not look at any
    /// more; empty if the head does not meet the request.
    pub conjuncts: Vec<Part>,
    /// What cannot be taken apart any further.
    pub clauses: Vec<Part>,
}

/// A part of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// As it is written, on one line.
    pub text: String,
    /// The line that it starts in.
    pub line: usize,
    /// Whether it holds; `Err` says why that cannot be told.
    pub holds: Result<bool, String>,
    /// Whether the condition would have come out otherwise if this had.
    pub decided: bool,
}

impl Traced {
    /// Whether the policy applies; `None` if its condition is an error.
    #[must_use]
    pub fn applies(&self) -> Option<bool> {
        if !self.misses.is_empty() {
            return Some(false);
        }
        self.conjuncts.iter().try_fold(true, |all, part| if all { part.holds.clone().ok() } else { Some(false) })
    }

    /// What keeps it from applying, beyond its head.
    pub fn unmet(&self) -> impl Iterator<Item = &Part> {
        self.conjuncts.iter().filter(|part| part.holds != Ok(true))
    }

    fn distance(&self) -> (usize, usize) {
        (self.misses.len(), self.unmet().count())
    }
}

impl Policy {
    /// How a decision comes about. Slow; it asks each policy for each of its parts.
    #[must_use]
    pub fn trace(&self, request: &Request<'_>) -> Trace {
        let decision = self.decide(request);
        let remedy = self.remedy(request, &decision);
        let withheld = self.withheld(request, &decision);
        let kind = self.checked(request);
        let Ok(kind) = &kind else {
            return Trace { decision, remedy, deciding: Vec::new(), near: Vec::new(), withheld };
        };
        let look = Look::new(self, request, kind);
        let all = (0..self.len()).filter_map(|number| look.traced(number, 1)).collect::<Vec<_>>();
        let decides = |traced: &Traced| decision.policies.contains(&traced.id) || traced.applies().is_none();
        let (deciding, mut near): (Vec<_>, Vec<_>) = all.into_iter().partition(decides);
        // Of an allowance, a `forbid` comes near if the request is one of those that it is about.
        near.retain(|traced| match decision.effect {
            Effect::Allow => !traced.permit && traced.misses.is_empty(),
            Effect::Deny if decision.policies.is_empty() => traced.permit,
            Effect::Deny => traced.permit && traced.applies() == Some(true),
        });
        near.sort_by_key(Traced::distance);
        near.truncate(NEAR);
        Trace { decision, remedy, deciding, near, withheld }
    }

    /// What each policy has to say whose head meets a request.
    pub(crate) fn met(&self, request: &Request<'_>) -> Result<Vec<(usize, Traced)>, Trouble> {
        let kind = self.checked(request)?;
        let look = Look::new(self, request, &kind);
        Ok((0..self.len()).filter_map(|number| Some((number, look.traced(number, 0)?))).collect())
    }

    /// The permits that would apply if their conditions held, and one part of their heads at most met the request, the nearest first.
    /// Without such a part, on the way of each denial, it looks at no other policy.
    pub(crate) fn nearly(&self, request: &Request<'_>, most: usize) -> Result<Vec<(usize, Traced)>, Trouble> {
        let mut numbers = if most == 0 { self.candidates(request)? } else { (0..self.len()).collect() };
        let permits = |number: &usize| self.rules().get(*number).is_some_and(|rule| rule.permit);
        numbers.retain(|number| permits(number));
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let kind = self.checked(request)?;
        let look = Look::new(self, request, &kind);
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

/// A request, and all that policies look at.
struct Look<'p> {
    policy: &'p Policy,
    request: &'p Request<'p>,
    /// The request as Cedar takes it, once a condition is evaluated.
    asked: OnceCell<Result<(cedar_policy::Request, Entities), Trouble>>,
    lineage: Lineage<'p>,
    groups: Vec<Uid>,
}

impl<'p> Look<'p> {
    fn new(policy: &'p Policy, request: &'p Request<'p>, kind: &'p str) -> Self {
        let subject = &request.subject.principal;
        let groups = policy.groups(subject.kind(), subject.id());
        let above = policy.members().above(kind).map(|above| &**above);
        Self { policy, request, asked: OnceCell::new(), lineage: Lineage::new(kind, request.resource, above), groups }
    }

    fn asked(&self) -> Result<&(cedar_policy::Request, Entities), Trouble> {
        let asked = || {
            let (request, subject) = (self.request, &self.request.subject.principal);
            let parties = Parties::new(subject.kind(), subject.id(), &self.groups, request.action.spec())?;
            parties.asked(request, &self.lineage, Needs::ALL, self.policy.known())
        };
        self.asked.get_or_init(asked).as_ref().map_err(Clone::clone)
    }

    /// What a policy has to say, if no more than so many parts of its head do not meet the request.
    fn traced(&self, number: usize, most: usize) -> Option<Traced> {
        let (rule, stand) = (self.policy.rules().get(number)?, self.policy.stand(number)?);
        let misses = self.misses(rule);
        if misses.len() > most {
            return None;
        }
        let mut traced = Traced {
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
        let meets = [
            ("principal", principal_meets(&rule.principal, subject.kind(), subject.id(), &self.groups)),
            ("action", action_meets(rule.actions.as_ref(), self.request.action.spec())),
            ("resource", self.lineage.meets(&rule.resource)),
        ];
        meets.into_iter().filter_map(|(part, meets)| (!meets).then_some(part)).collect()
    }

    fn evaluate(&self, clauses: &Clauses, stand: &Stand, traced: &mut Traced) {
        let values: Vec<Result<bool, String>> = clauses
            .clauses
            .iter()
            .map(|clause| {
                let (asked, entities) = self.asked()?;
                match eval_expression(asked, entities, &clause.expression) {
                    Ok(EvalResult::Bool(holds)) => Ok(holds),
                    Ok(_) => Err("this is no truth value".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            })
            .collect();
        let known: Vec<Option<bool>> = values.iter().map(|value| value.as_ref().ok().copied()).collect();
        let decided = clauses.deciding(&known);
        let part = |place: Option<Place>, holds, decided| Part {
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
