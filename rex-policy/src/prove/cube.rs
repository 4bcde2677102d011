//! The reasons for a difference between two policies: the parts of heads and the clauses because of which one allows a request and the
//! other does not. Every request with the same reasons differs likewise, so the one that was found represents them all.

use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr};
use cedar_policy::{EvalResult, Expression, eval_expression};

use super::flat::FlatAction;
use super::kinds::{and, not, truth};
use super::variables::{ConditionVariables, Untranslatable};
use crate::clause::{ClauseTree, ClauseTruth};
use crate::evaluate::{CedarParts, EvalError, KnownMembers};
use crate::index::{Ancestry, action_meets, principal_meets};
use crate::operation::ExampleRequest;
use crate::policy::Policy;
use crate::rule::Rule;

/// A part of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PolicyPart {
    Principal,
    Resource,
    Clause(usize),
    /// A clause that holds if one of several alternatives does, and its number.
    Member(usize, usize),
}

/// A part of a policy that holds, or does not hold, for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PartReason {
    number: usize,
    part: PolicyPart,
    holds: bool,
}

/// The reasons why one policy allows a request and the other does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cube {
    /// Reasons why a permit of the one applies.
    more: Vec<PartReason>,
    /// Reasons why a `forbid` of the other applies, if one does.
    less: Vec<PartReason>,
    /// Reasons why no other policy interferes, among those that only one of the two has.
    finely: [Vec<PartReason>; 2],
}

/// Two policies, the first of which allows what the second does not, and which of their policies only one of them has.
#[derive(Clone, Copy)]
pub(crate) struct PolicyPair<'p> {
    pub(crate) more: &'p Policy,
    pub(crate) less: &'p Policy,
    pub(crate) changed: [&'p [bool]; 2],
    /// The word that `@allow` must have for a permit to count.
    pub(crate) word: Option<&'p str>,
}

impl PolicyPair<'_> {
    fn changed(&self, side: usize, number: usize) -> bool {
        self.changed.get(side).and_then(|changed| changed.get(number)).copied().unwrap_or(true)
    }
}

impl Cube {
    /// Finds the reasons why two policies decide a request differently. The error says why they cannot be found.
    pub(crate) fn of(sides: &PolicyPair<'_>, operation: &ExampleRequest) -> Result<Self, Untranslatable> {
        let mut cube = Self::default();
        let explained = |policy| came_out(policy, operation).map_err(|error| error.to_string());
        let (more, less) = (explained(sides.more)?, explained(sides.less)?);
        let counts = |one: &MetPolicy<'_>| !one.rule.permit || sides.word.is_none_or(|word| one.rule.lets(word));
        let by = |side: usize, met: &[MetPolicy<'_>], permit: bool| {
            let fits = |one: &&MetPolicy<'_>| one.applies && one.rule.permit == permit && counts(one);
            // A policy that only one of the two has explains more than one that both have.
            let found = met.iter().filter(fits).max_by_key(|one| sides.changed(side, one.number));
            found.map(|one| one.reasons.clone())
        };
        let fails = |side: usize, met: &[MetPolicy<'_>], permit: bool| {
            let fits = |one: &&MetPolicy<'_>| {
                !one.applies && one.rule.permit == permit && counts(one) && sides.changed(side, one.number)
            };
            met.iter().filter(fits).flat_map(|one| one.reasons.clone()).collect::<Vec<_>>()
        };
        cube.more = by(0, &more, true).ok_or("the permit that allows it is unknown")?;
        let (forbidden, unpermitted) = (by(1, &less, false), fails(1, &less, true));
        let unforbidden = fails(0, &more, false);
        cube.finely = match &forbidden {
            Some(_) => [unforbidden, Vec::new()],
            None => [unforbidden, unpermitted],
        };
        cube.less = forbidden.unwrap_or_default();
        Ok(cube)
    }

    /// Returns whether there are reasons other than those of the deciding permit and `forbid`.
    pub(crate) fn is_fine(&self) -> bool {
        self.finely.iter().any(|reasons| !reasons.is_empty())
    }

    /// Returns whether another has the same reasons, compared finely or not.
    pub(crate) fn is_like(&self, other: &Self, fine: bool) -> bool {
        (&self.more, &self.less) == (&other.more, &other.less) && (!fine || self.finely == other.finely)
    }

    /// Encodes that a request has these reasons.
    pub(super) fn told(
        &self,
        variables: &mut ConditionVariables,
        [more, less]: [&FlatAction<'_>; 2],
        fine: bool,
    ) -> Result<Expr, Untranslatable> {
        let mut all = truth(true);
        let none = [Vec::new(), Vec::new()];
        let [unforbidden, unpermitted] = if fine { &self.finely } else { &none };
        for (act, reasons) in [(more, &self.more), (less, &self.less), (more, unforbidden), (less, unpermitted)] {
            for reason in reasons {
                let told = reason.told(variables, act)?;
                all = and(all, if reason.holds { told } else { not(told) });
            }
        }
        Ok(all)
    }
}

impl PartReason {
    fn told(&self, variables: &mut ConditionVariables, act: &FlatAction<'_>) -> Result<Expr, Untranslatable> {
        let gone = || "a policy is not where it was".to_owned();
        let rule = act.policy.rules().get(self.number).ok_or_else(gone)?;
        match self.part {
            PolicyPart::Principal => act.principal_is(variables, rule),
            PolicyPart::Resource => act.resource_is(variables, rule),
            PolicyPart::Clause(clause) | PolicyPart::Member(clause, _) => {
                let clauses = act.policy.clauses(self.number).ok_or_else(gone)?;
                let clause = clauses.clauses.get(clause).ok_or_else(gone)?;
                let syntax = syntax(&clause.expression).ok_or("a clause has an unknown shape")?;
                match self.part {
                    PolicyPart::Member(_, place) => {
                        let member = alternatives(&syntax).into_iter().nth(place).ok_or_else(gone)?;
                        act.expr(variables, &member)
                    }
                    _ => act.expr(variables, &syntax),
                }
            }
        }
    }
}

fn syntax(clause: &Expression) -> Option<Expr> {
    Expr::try_from(clause.as_ref().clone()).ok()
}

/// Returns the alternatives of which one is enough for a clause: `["a", "b"].contains(x)` is `x == "a"` or `x == "b"`. Empty if there is
/// only one.
fn alternatives(clause: &Expr) -> Vec<Expr> {
    let each = |set: &Expr, one: &dyn Fn(&Arc<Expr>) -> Expr| match set {
        Expr::Set(members) if members.len() > 1 => members.iter().map(one).collect(),
        _ => Vec::new(),
    };
    let of = |op: BinaryOp, left: &Arc<Expr>, right: &Arc<Expr>| Expr::BinaryOp {
        op,
        left: left.clone(),
        right: right.clone(),
    };
    match clause {
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } => each(left, &|one| of(BinaryOp::Eq, right, one)),
        Expr::BinaryOp { op: BinaryOp::In, left, right } => each(right, &|one| of(BinaryOp::In, left, one)),
        Expr::BinaryOp { op: BinaryOp::ContainsAny, left, right } => match &**left {
            Expr::Set(_) => each(left, &|one| of(BinaryOp::Contains, right, one)),
            _ => each(right, &|one| of(BinaryOp::Contains, left, one)),
        },
        _ => Vec::new(),
    }
}

/// A policy about the action of a request, whether it applies, and the reasons.
struct MetPolicy<'p> {
    number: usize,
    rule: &'p Rule,
    applies: bool,
    reasons: Vec<PartReason>,
}

/// Evaluates each policy about the action of a request.
fn came_out<'p>(policy: &'p Policy, operation: &ExampleRequest) -> Result<Vec<MetPolicy<'p>>, EvalError> {
    let request = operation.asked.request();
    let (subject, spec) = (&request.subject.principal, request.action.spec());
    let (members, kind) = (operation.with(policy), spec.resource.to_string());
    let groups = members.above(subject.kind()).and_then(|above| above.get(subject.id()));
    let groups = groups.map_or(&[][..], |groups| groups);
    let parties = CedarParts::new(subject.kind(), subject.id(), groups, spec)?;
    let known = KnownMembers { members: &members, ..policy.known() };
    let entities = parties.all_entities(&request, known)?;
    let asked = parties.full_request(&request)?;
    let lineage = Ancestry::new(&kind, request.resource, members.above(&kind).map(|above| &**above));
    let value = |clause: &Expression| -> ClauseTruth {
        match eval_expression(&asked, &entities, clause) {
            Ok(EvalResult::Bool(value)) => Some(value),
            _ => None,
        }
    };
    // Find the alternative because of which a clause holds.
    let part = |clauses: &ClauseTree, clause: usize| {
        let syntax = clauses.clauses.get(clause).and_then(|clause| syntax(&clause.expression));
        let members = syntax.iter().flat_map(alternatives);
        let held = members.map(|one| one.to_string().parse().ok().and_then(|one| value(&one)));
        let place = held.collect::<Vec<_>>().into_iter().position(|held| held == Some(true));
        place.map_or(PolicyPart::Clause(clause), |place| PolicyPart::Member(clause, place))
    };
    let of = |clauses: &ClauseTree| -> Option<(bool, Vec<(PolicyPart, bool)>)> {
        let values: Vec<ClauseTruth> = clauses.clauses.iter().map(|clause| value(&clause.expression)).collect();
        let (applies, because) = clauses.because(&values)?;
        let named = |(clause, holds)| (if holds { part(clauses, clause) } else { PolicyPart::Clause(clause) }, holds);
        Some((applies, because.into_iter().map(named).collect()))
    };
    let mut all = Vec::new();
    for (number, rule) in policy.rules().iter().enumerate() {
        if !action_meets(rule.actions.as_ref(), spec) {
            continue;
        }
        let reason = |part: PolicyPart, holds: bool| PartReason { number, part, holds };
        let not_met = |part: PolicyPart| MetPolicy { number, rule, applies: false, reasons: vec![reason(part, false)] };
        if !principal_meets(&rule.principal, subject.kind(), subject.id(), groups) {
            all.push(not_met(PolicyPart::Principal));
            continue;
        }
        if !lineage.meets(&rule.resource) {
            all.push(not_met(PolicyPart::Resource));
            continue;
        }
        let head = [reason(PolicyPart::Principal, true), reason(PolicyPart::Resource, true)];
        let because = policy.clauses(number).map_or(Some((true, Vec::new())), |clauses| of(&clauses));
        let (applies, because) = because.ok_or_else(|| EvalError::FailingPolicy(rule.id.clone()))?;
        let clauses = because.into_iter().map(|(part, holds)| reason(part, holds));
        let head = head.into_iter().filter(|_| applies);
        all.push(MetPolicy { number, rule, applies, reasons: head.chain(clauses).collect() });
    }
    Ok(all)
}
