//! Permits that are broader than they look.

use rex_core::action::{fs, process};
use rex_core::{Action, ActionSpec, Extent, Place};

use super::{Lint, Look, with_help};
use crate::finding::{Finding, Severity};
use crate::places::Nesting;
use crate::rule::{Rule, Scope, syntax, walk};
use cedar_policy::pst::{Expr, Var};

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
    explanation: "It names no principal, neither in its head nor in its condition, so it is for each agent and each user there is and will be. Name \
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

fn everything(look: &Look<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    if !is_everything(rule) {
        return Vec::new();
    }
    with_help(look.found(number, "this permits everything to everyone".to_owned()), "name who may do what to what")
}

fn any_principal(look: &Look<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    if !rule.permit || !is_any(&rule.principal) || is_everything(rule) {
        return Vec::new();
    }
    let mut named = false;
    if let Some(condition) = look.policy.cedar(number).and_then(syntax) {
        walk(&condition, &mut |expr| named |= matches!(expr, Expr::Var(Var::Principal)));
    }
    if named {
        return Vec::new();
    }
    with_help(
        look.found(number, "this is for every agent and every user".to_owned()),
        "name a principal or a group: `principal in Group::\"..\"`",
    )
}

fn writes_program(look: &Look<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    let both = |run: &Rule| {
        let same = exact(&rule.principal).zip(exact(&run.principal)).is_none_or(|(one, other)| one == other);
        same.then(|| [fs::Write::SPEC, fs::Append::SPEC].into_iter().find_map(|write| reached(look, rule, run, write)))?
    };
    let permits = look
        .policy
        .rules()
        .iter()
        .filter(|run| rule.permit && run.permit && ![rule, *run].into_iter().any(is_everything));
    let Some((run, place)) = permits.into_iter().find_map(|run| Some((run, both(run)?))) else { return Vec::new() };
    let message = format!("{place}, which `{}` permits to run, may be written", run.id.escape_debug());
    with_help(look.found(number, message), "keep what is run and what is written apart, or forbid one of the two there")
}

fn exact(scope: &Scope) -> Option<&crate::rule::Uid> {
    scope.entity.as_ref().filter(|_| scope.exact)
}

/// What may be both written and run, but for what is forbidden without a condition to everyone.
fn reached(look: &Look<'_>, writes: &Rule, runs: &Rule, write: &'static ActionSpec) -> Option<String> {
    let extent = |rule: &Rule, spec: &ActionSpec| {
        let act = look.survey.acts.iter().find(|act| act.spec == spec)?;
        Some(look.survey.extent(rule, act))
    };
    // A program is named by its path.
    let both = Nesting::Paths.intersection(&extent(writes, write)?, &extent(runs, process::Run::SPEC)?);
    let forbidden = |rule: &Rule| {
        !rule.permit
            && rule.condition.is_none()
            && is_any(&rule.principal)
            && [write, process::Run::SPEC]
                .into_iter()
                .any(|spec| extent(rule, spec).is_some_and(|taken| Nesting::Paths.intersection(&taken, &both) == both))
    };
    if both.is_empty() || look.policy.rules().iter().any(forbidden) {
        return None;
    }
    Some(match &both {
        Extent::Anything => "any program".to_owned(),
        Extent::Within(places) => match places.first()? {
            Place::Exactly(path) => format!("`{}`", path.escape_debug()),
            Place::Below(path) => format!("`{}` or something below it", path.escape_debug()),
            Place::Prefix(path) => format!("what starts with `{}`", path.escape_debug()),
        },
    })
}
