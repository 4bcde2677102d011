//! Policies without which every decision would be the same.

use rex_core::Principal;

use super::{Lint, Look, with_help};
use crate::finding::{Finding, Severity};
use crate::index::action_meets;
use crate::rule::{Rule, Scope, Uid};
use crate::vocabulary::PRINCIPALS;

pub(super) const NEVER: Lint = Lint {
    code: "REX001",
    name: "a policy never matches",
    severity: Severity::Error,
    explanation: "What the head says of action and resource, and what the condition says of the resource, is true of no request. A `permit` like \
                  this permits nothing; a `forbid` protects nothing, while whoever reads it thinks that it does.",
    example: include_str!("examples/rex001.cedar"),
    better: include_str!("examples/rex001-better.cedar"),
    find: never,
};

pub(super) const SHADOWED: Lint = Lint {
    code: "REX002",
    name: "a policy is shadowed by another",
    severity: Severity::Warning,
    explanation: "Another policy of the same effect matches whatever this one matches, or an unconditional `forbid` takes away all that this permit \
                  permits. Without it nothing would be decided otherwise. Mostly it is left over, or the other is broader than it was meant to be.",
    example: include_str!("examples/rex002.cedar"),
    better: include_str!("examples/rex002-better.cedar"),
    find: shadowed,
};

pub(super) const FORBID: Lint = Lint {
    code: "REX003",
    name: "a `forbid` takes nothing away",
    severity: Severity::Warning,
    explanation: "No permit reaches what this `forbid` is about, so it denies what would be denied anyway. That is right for a guard that is to hold \
                  whatever will be permitted later, and wrong where it names another place, action or principal than it was meant to.",
    example: include_str!("examples/rex003.cedar"),
    better: include_str!("examples/rex003-better.cedar"),
    find: dead_forbid,
};

fn never(look: &Look<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    if look.survey.acts.iter().any(|act| !look.survey.extent(rule, act).is_empty()) {
        return Vec::new();
    }
    with_help(
        look.found(number, "this never matches".to_owned()),
        "no request has such an action and such a resource, or the condition contradicts the head",
    )
}

fn dead_forbid(look: &Look<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    if rule.permit || !never(look, number, rule).is_empty() {
        return Vec::new();
    }
    let one = match &rule.principal {
        Scope { entity: Some(uid), exact: true, .. } if PRINCIPALS.contains(&&*uid.kind) => {
            Principal::parse(&format!("{}::\"{}\"", uid.kind, uid.id.escape_debug())).ok()
        }
        _ => None,
    };
    let cuts = |permit: &Rule| {
        permit.permit
            && one.as_ref().is_none_or(|one| {
                let groups = look.policy.groups(one.kind(), one.id());
                crate::index::principal_meets(&permit.principal, one.kind(), one.id(), &groups)
            })
            && look.survey.acts.iter().any(|act| {
                let (forbidden, permitted) = (look.survey.extent(rule, act), look.survey.extent(permit, act));
                !act.nesting.intersection(&forbidden, &permitted).is_empty()
            })
    };
    if look.policy.rules().iter().any(cuts) {
        return Vec::new();
    }
    with_help(
        look.found(number, "no permit reaches what this forbids".to_owned()),
        "if it is a guard for what will be permitted later, allow this lint; else look at the place, action and principal that it names",
    )
}

fn shadowed(look: &Look<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    let by = look.policy.rules().iter().enumerate().find(|(other, by)| {
        // Of two that say the same, the first stays.
        *other != number && covers(look, (*other, by), (number, rule)) && {
            let both = by.permit == rule.permit && covers(look, (number, rule), (*other, by));
            !both || *other < number
        }
    });
    let Some((_, by)) = by else { return Vec::new() };
    let (message, help) = if by.permit == rule.permit {
        (format!("`{}` matches whatever this matches", by.id.escape_debug()), "remove this one, or narrow the other")
    } else {
        (
            format!("`{}` forbids all that this permits", by.id.escape_debug()),
            "remove it, or give the `forbid` an exception",
        )
    };
    with_help(look.found(number, message), help)
}

/// Whether a policy is known to make another needless.
fn covers(look: &Look<'_>, (wide_number, wide): (usize, &Rule), (number, rule): (usize, &Rule)) -> bool {
    if wide.permit != rule.permit && wide.permit {
        return false;
    }
    let actions = || {
        look.policy
            .actions()
            .iter()
            .all(|spec| !action_meets(rule.actions.as_ref(), spec) || action_meets(wide.actions.as_ref(), spec))
    };
    let nested = |kind: &str| {
        look.survey.acts.iter().any(|act| act.kind == kind && act.nesting == crate::places::Nesting::Paths)
    };
    scope_covers(&wide.principal, &rule.principal, &|_| false)
        && scope_covers(&wide.resource, &rule.resource, &nested)
        // What a permit lets go besides is its own.
        && (rule.allows.is_none() || !wide.permit || rule.allows == wide.allows)
        && condition_covers(look, wide_number, number)
        && actions()
}

fn condition_covers(look: &Look<'_>, wide: usize, number: usize) -> bool {
    let condition = |number| look.policy.cedar(number).and_then(|policy| policy.as_ref().non_scope_constraints());
    match (condition(wide), condition(number)) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => wide.eq_shape(narrow),
        (Some(_), None) => false,
    }
}

/// Whether whatever the second says of a principal or resource implies the first. `paths` tells the types whose ids are paths.
fn scope_covers(wide: &Scope, narrow: &Scope, paths: &dyn Fn(&str) -> bool) -> bool {
    let kind = wide.kind.as_ref().is_none_or(|kind| {
        narrow.kind.as_ref() == Some(kind)
            || narrow.entity.as_ref().is_some_and(|uid| narrow.exact && uid.kind == *kind)
    });
    let below = |above: &Uid, uid: &Uid| {
        above == uid
            || (above.kind == uid.kind
                && paths(&uid.kind)
                && (&*above.id == "/" || uid.id.strip_prefix(&*above.id).is_some_and(|rest| rest.starts_with('/'))))
    };
    kind && match (&wide.entity, &narrow.entity) {
        (None, _) => true,
        (Some(wide_uid), Some(uid)) if wide.exact => narrow.exact && wide_uid == uid,
        (Some(above), Some(uid)) => below(above, uid),
        (Some(_), None) => false,
    }
}
