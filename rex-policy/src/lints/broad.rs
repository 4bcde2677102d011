//! Permits that are broader than they look.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rex_core::action::{fs, process};
use rex_core::{Action, ActionSpec, Extent, ReachPlace};

use super::{Lint, LintContext, with_help};
use crate::finding::{Finding, Severity};
use crate::places::Nesting;
use crate::rule::{Rule, Scope, Uid, syntax, walk};
use crate::vocabulary::PRINCIPALS;
use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp, Var};

pub(super) const EVERYTHING: Lint = Lint {
    code: "REX004",
    name: "a permit permits everything",
    severity: Severity::Error,
    explanation: "It names no principal, no action, no resource, and has no condition: whoever runs a script may do all that the system lets Rex do, \
                  but for what a `forbid` names. What will be added to Rex later is permitted too.",
    example: include_str!("examples/rex004.cedar"),
    better: include_str!("examples/rex004-better.cedar"),
    find: everything,
};

pub(super) const WRITES_PROGRAM: Lint = Lint {
    code: "REX005",
    name: "a program that may be run may be written",
    severity: Severity::Error,
    explanation: "One permit lets a file be written, another lets it be run as a program. Whoever has both runs what they like, confined as programs \
                  are, but no longer the program that was reviewed. A `forbid` without a condition that takes away one of the two settles it.",
    example: include_str!("examples/rex005.cedar"),
    better: include_str!("examples/rex005-better.cedar"),
    find: writes_program,
};

pub(super) const PRINCIPAL: Lint = Lint {
    code: "REX009",
    name: "a permit is for every principal",
    severity: Severity::Warning,
    explanation: "It names no principal, neither in its head nor in its condition, or all types of principals, so it is for each agent and each user there is and will be. Name \
                  the principal or a group.",
    example: include_str!("examples/rex009.cedar"),
    better: include_str!("examples/rex009-better.cedar"),
    find: any_principal,
};

fn is_any(scope: &Scope) -> bool {
    scope.kind.is_none() && scope.entity.is_none()
}

fn is_everything(rule: &Rule) -> bool {
    rule.permit
        && is_any(&rule.principal)
        && rule.actions.is_none()
        && is_any(&rule.resource)
        && rule.condition.is_none()
}

fn everything(look: &LintContext<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    if !is_everything(rule) {
        return Vec::new();
    }
    with_help(look.found(number, "this permits everything to everyone".to_owned()), "name who may do what to what")
}

fn any_principal(look: &LintContext<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    if !rule.permit || !is_any(&rule.principal) || is_everything(rule) {
        return Vec::new();
    }
    if look.policy.cedar(number).and_then(syntax).is_some_and(|condition| tells_apart(&condition)) {
        return Vec::new();
    }
    with_help(
        look.found(number, "this is for every agent and every user".to_owned()),
        "name a principal or a group: `principal in Group::\"..\"`",
    )
}

/// Returns whether a condition differs between principals. A condition that lists all their types does not.
fn tells_apart(condition: &Expr) -> bool {
    let mut of_types = PRINCIPALS.iter().map(|kind| settled(condition, kind));
    let first = of_types.next();
    let mut named = false;
    if let Some(condition) = &first {
        walk(condition, &mut |expr| named |= matches!(expr, Expr::Var(Var::Principal)));
    }
    named || of_types.any(|other| Some(other) != first)
}

/// Simplifies a condition for principals of one type.
fn settled(expr: &Expr, kind: &str) -> Expr {
    let truth = |value: bool| Expr::Literal(Literal::Bool(value));
    let principal = |expr: &Expr| *expr == Expr::Var(Var::Principal);
    let settle = |expr: &Arc<Expr>| settled(expr, kind);
    match expr {
        Expr::Is { expr, entity_type, in_expr: None } if principal(expr) => truth(entity_type.0.to_string() == kind),
        Expr::HasAttr { expr, .. } if principal(expr) => truth(false),
        Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::In, left, right } if principal(left) && principal(right) => {
            truth(true)
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => match settle(expr) {
            Expr::Literal(Literal::Bool(value)) => truth(!value),
            other => Expr::UnaryOp { op: UnaryOp::Not, expr: Arc::new(other) },
        },
        Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
            // On either side, this value changes nothing.
            let idle = truth(*op == BinaryOp::And);
            match (settle(left), settle(right)) {
                (one, other) | (other, one) if one == idle => other,
                (Expr::Literal(Literal::Bool(value)), _) | (_, Expr::Literal(Literal::Bool(value))) => truth(value),
                (left, right) if left == right => left,
                (left, right) => Expr::BinaryOp { op: *op, left: Arc::new(left), right: Arc::new(right) },
            }
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => match (settle(cond), settle(then_expr), settle(else_expr)) {
            (Expr::Literal(Literal::Bool(value)), then, otherwise) => {
                if value {
                    then
                } else {
                    otherwise
                }
            }
            (_, then, otherwise) if then == otherwise => then,
            (cond, then, otherwise) => {
                Expr::IfThenElse { cond: Arc::new(cond), then_expr: Arc::new(then), else_expr: Arc::new(otherwise) }
            }
        },
        other => other.clone(),
    }
}

fn writes_program(look: &LintContext<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    if !rule.permit || is_everything(rule) {
        return Vec::new();
    }
    let programs = look.programs.get_or_init(|| RunnablePrograms::new(look));
    let Some((run, place)) = programs.reached(look, rule) else { return Vec::new() };
    let message = format!("{place}, which `{}` permits to run, may be written", run.id.escape_debug());
    with_help(look.found(number, message), "keep what is run and what is written apart, or forbid one of the two there")
}

fn exact(scope: &Scope) -> Option<&Uid> {
    scope.entity.as_ref().filter(|_| scope.exact)
}

/// The programs that may be run, for each way to write a file, except where a `forbid` without a condition denies everyone to run or to
/// write.
#[derive(Debug)]
pub(super) struct RunnablePrograms(Vec<WriteRunnable>);

/// The programs that may be run, for one way to write a file.
#[derive(Debug)]
struct WriteRunnable {
    write: &'static ActionSpec,
    forbidden: Extent,
    all: RunPlaces,
    /// By the principal that a permit names; permits that name no single one are under `None`.
    by_principal: HashMap<Option<Uid>, RunPlaces>,
}

#[derive(Debug, Default)]
struct RunPlaces {
    places: BTreeSet<ReachPlace>,
    /// The first policy for each place.
    rules: HashMap<ReachPlace, usize>,
    /// The first policy that permits running anything.
    anything: Option<usize>,
}

impl RunPlaces {
    fn add(&mut self, extent: &Extent, number: usize) {
        match extent {
            Extent::Anything => self.anything = self.anything.or(Some(number)),
            Extent::Within(places) => {
                for place in places {
                    self.places.insert(place.clone());
                    self.rules.entry(place.clone()).or_insert(number);
                }
            }
        }
    }

    fn meeting(&self, extent: &Extent) -> Option<usize> {
        let any = || self.anything.or_else(|| self.places.first().and_then(|place| self.rules.get(place).copied()));
        match extent {
            Extent::Anything => any(),
            Extent::Within(places) if places.is_empty() => None,
            Extent::Within(places) => self.anything.or_else(|| {
                let met = places.iter().find_map(|place| Nesting::Paths.meeting(place, &self.places))?;
                self.rules.get(met).copied()
            }),
        }
    }
}

fn extent(look: &LintContext<'_>, rule: &Rule, spec: &ActionSpec) -> Option<Extent> {
    let act = look.survey.acts.iter().find(|act| act.spec == spec)?;
    Some(look.survey.extent(rule, act))
}

/// Removes the places that are forbidden.
fn left(extent: Extent, forbidden: &Extent) -> Extent {
    match (extent, forbidden) {
        (_, Extent::Anything) => Extent::default(),
        (Extent::Within(places), Extent::Within(taken)) => {
            Extent::Within(places.into_iter().filter(|place| !Nesting::Paths.covered(place, taken)).collect())
        }
        (Extent::Anything, _) => Extent::Anything,
    }
}

impl RunnablePrograms {
    fn new(look: &LintContext<'_>) -> Self {
        let rules = || look.policy.rules().iter().enumerate();
        let everyone = |rule: &Rule| !rule.permit && rule.condition.is_none() && is_any(&rule.principal);
        let ways = [fs::Write::SPEC, fs::Append::SPEC].into_iter().map(|write| {
            let mut forbidden = Extent::default();
            for (_, rule) in rules().filter(|(_, rule)| everyone(rule)) {
                let taken = [write, process::Run::SPEC].into_iter().filter_map(|spec| extent(look, rule, spec));
                taken.for_each(|taken| forbidden.add(&taken));
            }
            if let Extent::Within(places) = &mut forbidden {
                *places = Nesting::Paths.simplify(std::mem::take(places));
            }
            let (mut all, mut by_principal) = (RunPlaces::default(), HashMap::<_, RunPlaces>::new());
            for (number, rule) in rules().filter(|(_, rule)| rule.permit && !is_everything(rule)) {
                let runs = extent(look, rule, process::Run::SPEC).unwrap_or_default();
                let runs = left(runs, &forbidden);
                all.add(&runs, number);
                by_principal.entry(exact(&rule.principal).cloned()).or_default().add(&runs, number);
            }
            for runs in by_principal.values_mut().chain([&mut all]) {
                runs.places = Nesting::Paths.simplify(std::mem::take(&mut runs.places));
            }
            WriteRunnable { write, forbidden, all, by_principal }
        });
        Self(ways.collect())
    }

    /// Finds a place that the rule permits to write and another policy to run, and that policy.
    fn reached<'p>(&self, look: &LintContext<'p>, rule: &Rule) -> Option<(&'p Rule, String)> {
        self.0.iter().find_map(|way| {
            let writes = left(extent(look, rule, way.write)?, &way.forbidden);
            let candidates = match exact(&rule.principal) {
                None => vec![Some(&way.all)],
                Some(uid) => vec![way.by_principal.get(&Some(uid.clone())), way.by_principal.get(&None)],
            };
            let number = candidates.into_iter().flatten().find_map(|runs| {
                look.compare();
                runs.meeting(&writes)
            })?;
            let run = look.policy.rules().get(number)?;
            let runs = left(extent(look, run, process::Run::SPEC)?, &way.forbidden);
            Some((run, told(&Nesting::Paths.intersection(&writes, &runs))?))
        })
    }
}

/// Describes the first of some places.
fn told(both: &Extent) -> Option<String> {
    Some(match both {
        Extent::Anything => "any program".to_owned(),
        Extent::Within(places) => match places.first()? {
            ReachPlace::Exactly(path) => format!("`{}`", path.escape_debug()),
            ReachPlace::Below(path) => format!("`{}` or something below it", path.escape_debug()),
            ReachPlace::Prefix(path) => format!("what starts with `{}`", path.escape_debug()),
        },
    })
}
