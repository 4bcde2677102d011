//! Where the permits reach, found by whom they are for.

use std::collections::HashMap;

use rex_core::{ActionSpec, Extent, Principal};

use super::Look;
use crate::rule::{Scope, Uid};
use crate::vocabulary::PRINCIPALS;

/// What the head of a policy says of its principal or its resource: the type, the entity, and whether it is that one itself.
pub(super) type ScopeKey = (Option<Box<str>>, Option<(Uid, bool)>);

pub(super) fn key(scope: &Scope) -> ScopeKey {
    (scope.kind.clone(), scope.entity.clone().map(|uid| (uid, scope.exact)))
}

/// For each action, in the order of the table, where the permits reach: all of them, and those of each head.
#[derive(Debug, Default)]
pub(super) struct Permits(Vec<Reached>);

#[derive(Debug, Default)]
struct Reached {
    all: Extent,
    by_principal: HashMap<ScopeKey, Extent>,
}

impl Permits {
    pub(super) fn new(look: &Look<'_>) -> Self {
        let reached = look.survey.acts.iter().map(|act| {
            let mut reached = Reached::default();
            for rule in look.policy.rules().iter().filter(|rule| rule.permit) {
                let extent = look.survey.extent(rule, act);
                if !extent.is_empty() {
                    reached.by_principal.entry(key(&rule.principal)).or_default().add(&extent);
                    reached.all.add(&extent);
                }
            }
            for extent in reached.by_principal.values_mut().chain([&mut reached.all]) {
                if let Extent::Within(places) = extent {
                    *places = act.nesting.simplify(std::mem::take(places));
                }
            }
            reached
        });
        Self(reached.collect())
    }

    /// Where permits reach that can be for a principal, by the place of the action in the table; one principal, or any.
    pub(super) fn of<'s>(&'s self, look: &Look<'_>, act: usize, scope: &Scope) -> Vec<&'s Extent> {
        let Some(reached) = self.0.get(act) else { return Vec::new() };
        let Some(one) = single(scope) else { return vec![&reached.all] };
        let own = Uid::new(one.kind(), one.id());
        let groups = look.policy.groups(one.kind(), one.id());
        let within = groups.iter().chain([&own]).map(|uid| Some((uid.clone(), false)));
        let entities: Vec<_> = within.chain([None, Some((own.clone(), true))]).collect();
        let kinds = [None, Some(Box::from(one.kind()))];
        let keys = kinds.iter().flat_map(|kind| entities.iter().map(move |entity| (kind.clone(), entity.clone())));
        keys.filter_map(|key| reached.by_principal.get(&key)).collect()
    }

    /// Whether an action is permitted at all to a principal that a head can be for.
    pub(super) fn any(&self, look: &Look<'_>, spec: &ActionSpec, scope: &Scope) -> Vec<&Extent> {
        let act = look.survey.acts.iter().position(|act| act.spec == spec);
        act.map_or_else(Vec::new, |act| self.of(look, act, scope))
    }
}

/// The one principal that a head is for.
fn single(scope: &Scope) -> Option<Principal> {
    match scope {
        Scope { entity: Some(uid), exact: true, .. } if PRINCIPALS.contains(&&*uid.kind) => {
            Principal::parse(&format!("{}::\"{}\"", uid.kind, uid.id.escape_debug())).ok()
        }
        _ => None,
    }
}
