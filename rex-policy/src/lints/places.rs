//! The reach of the permits, by principal.

use std::collections::HashMap;

use rex_core::{Extent, Principal};

use super::LintContext;
use crate::reach::SurveyedAction;
use crate::rule::{Scope, Uid};
use crate::vocabulary::PRINCIPALS;

/// The principal or resource of a head as a key: the type, the entity, and whether it is exactly that entity.
pub(super) type ScopeKey = (Option<Box<str>>, Option<(Uid, bool)>);

pub(super) fn key(scope: &Scope) -> ScopeKey {
    (scope.kind.clone(), scope.entity.clone().map(|uid| (uid, scope.exact)))
}

/// The reach of the permits for each action, in the order of the table.
#[derive(Debug, Default)]
pub(super) struct PermitReaches(Vec<PermitReach>);

/// The reach of the permits for one action.
#[derive(Debug, Default)]
pub(super) struct PermitReach {
    all: Extent,
    by_principal: HashMap<ScopeKey, Extent>,
}

impl PermitReaches {
    pub(super) fn new(look: &LintContext<'_>) -> Self {
        Self(look.survey.acts.iter().map(|act| PermitReach::new(look, act, &|_| true)).collect())
    }

    /// Returns the reach by [`PermitReach::of`] for an action of the table.
    pub(super) fn of<'s>(&'s self, look: &LintContext<'_>, act: usize, scope: &Scope) -> Vec<&'s Extent> {
        self.0.get(act).map_or_else(Vec::new, |reached| reached.of(look, scope))
    }
}

impl PermitReach {
    /// Collects the reach of the wanted permits.
    pub(super) fn new(look: &LintContext<'_>, act: &SurveyedAction, is_wanted: &dyn Fn(usize) -> bool) -> Self {
        let mut reached = Self::default();
        for (number, rule) in look.policy.rules().iter().enumerate().filter(|(_, rule)| rule.permit) {
            let extent = look.survey.extent(rule, act);
            if !extent.is_empty() && is_wanted(number) {
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
    }

    /// Returns the reach for the principal of a scope, or of all if it does not name one.
    pub(super) fn of(&self, look: &LintContext<'_>, scope: &Scope) -> Vec<&Extent> {
        let Some(one) = single(scope) else {
            return Some(&self.all).filter(|all| !all.is_empty()).into_iter().collect();
        };
        let own = Uid::new(one.kind(), one.id());
        let groups = look.policy.groups(one.kind(), one.id());
        let within = groups.iter().chain([&own]).map(|uid| Some((uid.clone(), false)));
        let entities: Vec<_> = within.chain([None, Some((own.clone(), true))]).collect();
        let kinds = [None, Some(Box::from(one.kind()))];
        let keys = kinds.iter().flat_map(|kind| entities.iter().map(move |entity| (kind.clone(), entity.clone())));
        keys.filter_map(|key| self.by_principal.get(&key)).collect()
    }
}

/// Returns the single principal that a head names.
fn single(scope: &Scope) -> Option<Principal> {
    match scope {
        Scope { entity: Some(uid), exact: true, .. } if PRINCIPALS.contains(&&*uid.kind) => {
            Principal::parse(&format!("{}::\"{}\"", uid.kind, uid.id.escape_debug())).ok()
        }
        _ => None,
    }
}
