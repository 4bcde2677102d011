//! Policies that change no decision.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};

use super::places::{PermitReaches, ScopeKey, key};
use super::principals::NamedPrincipals;
use super::{Lint, LintContext, with_help};
use crate::finding::{Finding, Severity};
use crate::index::action_meets;
use crate::places::Nesting;
use crate::rule::{Rule, Scope, Uid};

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
    explanation: "No permit reaches what this `forbid` is about, or none is for the principals that it names, so it denies what would be denied anyway. That is right for a guard that is to hold \
                  whatever will be permitted later, and wrong where it names another place, action or principal than it was meant to. Mark a guard with \
                  `@lint(\"REX003\")`.",
    example: include_str!("examples/rex003.cedar"),
    better: include_str!("examples/rex003-better.cedar"),
    find: dead_forbid,
};

fn never(look: &LintContext<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    if look.survey.acts.iter().any(|act| !look.survey.extent(rule, act).is_empty()) {
        return Vec::new();
    }
    let empty =
        rule.resource.entity.as_ref().filter(|uid| uid.kind.ends_with("::Class") && !look.policy.members().names(uid));
    let help = match empty {
        Some(class) => {
            format!(
                "nothing is in `{class}`: give the entities file that names its members by `--entities`, or name them there"
            )
        }
        None => "no request has such an action and such a resource, or the condition contradicts the head".to_owned(),
    };
    with_help(look.found(number, "this never matches".to_owned()), &help)
}

fn dead_forbid(look: &LintContext<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    if rule.permit || !never(look, number, rule).is_empty() {
        return Vec::new();
    }
    let whom = look.whom.get_or_init(|| NamedPrincipals::new(look));
    if let Some((whom, near)) = whom.missed(look, rule) {
        let message = format!("no permit is for {whom}, so this forbids nothing");
        let help = "if it is a guard for what will be permitted later, say so: `@lint(\"REX003\")`; else name a principal that a permit is for";
        return with_help(look.found(number, message), &format!("{near}{help}"));
    }
    let permits = look.permits.get_or_init(|| PermitReaches::new(look));
    let cut = look.survey.acts.iter().enumerate().any(|(place, act)| {
        let forbidden = look.survey.extent(rule, act);
        !forbidden.is_empty()
            && permits.of(look, place, &rule.principal).into_iter().any(|permitted| {
                look.compare();
                act.nesting.meets(&forbidden, permitted)
            })
    });
    if cut {
        return Vec::new();
    }
    with_help(
        look.found(number, "no permit applies to what this forbids".to_owned()),
        "if it is a guard for what will be permitted later, say so: `@lint(\"REX003\")`; else look at the place, action and principal that it names",
    )
}

fn shadowed(look: &LintContext<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    let shapes = look.shapes.get_or_init(|| PolicyShapes::new(look));
    let by = shapes.wider(look, number, rule).into_iter().find_map(|other| {
        let by = look.policy.rules().get(other)?;
        look.compare();
        // Of two equivalent policies, the first stays.
        let covers = other != number && covers(look, (other, by), (number, rule)) && {
            let both = by.permit == rule.permit && self::covers(look, (number, rule), (other, by));
            !both || other < number
        };
        covers.then_some(by)
    });
    let Some(by) = by else { return Vec::new() };
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

/// A policy without its actions: effect, principal, resource, and the hash of its condition.
type PolicyShape = (bool, ScopeKey, ScopeKey, Option<u64>);

/// The policies by shape, so that those that may cover another one are found without a search through all.
#[derive(Debug)]
pub(super) struct PolicyShapes {
    /// The first policy of each shape, actions and `@allow`.
    rules: HashMap<PolicyShape, Vec<usize>>,
    /// The types whose ids are paths.
    paths: HashSet<String>,
}

impl PolicyShapes {
    fn new(look: &LintContext<'_>) -> Self {
        let nested = look.survey.acts.iter().filter(|act| act.nesting == Nesting::Paths);
        let mut shapes = Self { rules: HashMap::new(), paths: nested.map(|act| act.kind.clone()).collect() };
        let mut seen = HashSet::new();
        for (number, rule) in look.policy.rules().iter().enumerate() {
            let shape = (rule.permit, key(&rule.principal), key(&rule.resource), condition(look, number));
            if seen.insert((shape.clone(), rule.actions.clone(), rule.allows.clone())) {
                shapes.rules.entry(shape).or_default().push(number);
            }
        }
        shapes
    }

    /// Returns the policies that may cover another one, in order.
    fn wider(&self, look: &LintContext<'_>, number: usize, rule: &Rule) -> Vec<usize> {
        let principals = self.wider_scopes(&rule.principal, false);
        let resources = self.wider_scopes(&rule.resource, true);
        let own = condition(look, number);
        let conditions: &[Option<u64>] = if own.is_some() { &[None, own] } else { &[None] };
        let effects: &[bool] = if rule.permit { &[true, false] } else { &[false] };
        let mut found = Vec::new();
        for effect in effects {
            for principal in &principals {
                for resource in &resources {
                    for condition in conditions {
                        let shape = (*effect, principal.clone(), resource.clone(), *condition);
                        found.extend(self.rules.get(&shape).into_iter().flatten());
                    }
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// Returns all scopes that may cover another one by [`scope_covers`].
    fn wider_scopes(&self, scope: &Scope, nested: bool) -> Vec<ScopeKey> {
        let mut kinds = vec![None];
        kinds.extend(scope.kind.clone().map(Some));
        kinds.extend(scope.entity.as_ref().filter(|_| scope.exact).map(|uid| Some(uid.kind.clone())));
        let mut entities = vec![None];
        if let Some(uid) = &scope.entity {
            entities.push(Some((uid.clone(), false)));
            if scope.exact {
                entities.push(Some((uid.clone(), true)));
            }
            if nested && self.paths.contains(&*uid.kind) {
                let above =
                    uid.id.match_indices('/').filter_map(|(at, _)| if at == 0 { Some("/") } else { uid.id.get(..at) });
                entities.extend(
                    above.filter(|above| **above != *uid.id).map(|above| Some((Uid::new(&uid.kind, above), false))),
                );
            }
        }
        kinds.iter().flat_map(|kind| entities.iter().map(move |entity| (kind.clone(), entity.clone()))).collect()
    }
}

/// Returns the hash of a condition, regardless of its layout.
fn condition(look: &LintContext<'_>, number: usize) -> Option<u64> {
    let condition = look.policy.cedar(number)?.as_ref().non_scope_constraints()?;
    let mut hasher = DefaultHasher::new();
    condition.hash_shape(&mut hasher);
    Some(hasher.finish())
}

/// Returns whether a policy is known to make another one redundant.
fn covers(look: &LintContext<'_>, (wide_number, wide): (usize, &Rule), (number, rule): (usize, &Rule)) -> bool {
    if wide.permit != rule.permit && wide.permit {
        return false;
    }
    let actions = || {
        look.policy
            .actions()
            .iter()
            .all(|spec| !action_meets(rule.actions.as_ref(), spec) || action_meets(wide.actions.as_ref(), spec))
    };
    let nested = |kind: &str| look.survey.acts.iter().any(|act| act.kind == kind && act.nesting == Nesting::Paths);
    scope_covers(&wide.principal, &rule.principal, &|_| false)
        && scope_covers(&wide.resource, &rule.resource, &nested)
        // The `@allow` of a permit must not be lost.
        && (rule.allows.is_none() || !wide.permit || rule.allows == wide.allows)
        && condition_covers(look, wide_number, number)
        && actions()
}

fn condition_covers(look: &LintContext<'_>, wide: usize, number: usize) -> bool {
    let condition = |number| look.policy.cedar(number).and_then(|policy| policy.as_ref().non_scope_constraints());
    match (condition(wide), condition(number)) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => wide.eq_shape(narrow),
        (Some(_), None) => false,
    }
}

/// Returns whether the wide scope matches everything that the narrow one matches. `paths` reports the types whose ids are paths.
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
