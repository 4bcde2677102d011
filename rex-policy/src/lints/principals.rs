//! The principals of permits.

use std::collections::HashSet;

use foldhash::HashMap;
use rex_core::nearest::did_you_mean;

use super::LintContext;
use crate::rule::{Rule, Scope, Uid};
use crate::vocabulary::PRINCIPALS;

/// The principals that permits name.
#[derive(Debug, Default)]
pub(super) struct NamedPrincipals<'p> {
    /// True if a permit names no principal, or if no permit exists.
    anyone: bool,
    /// Principals and groups.
    named: HashSet<&'p Uid>,
    kinds: HashSet<&'p str>,
    /// True if the entities file does not list the members of one of the groups.
    unknown: bool,
    /// The members of each group, by type of principal.
    below: Vec<(&'static str, HashMap<&'p Uid, Vec<&'p str>>)>,
}

/// Returns lists of scopes; the principal matches one of each.
fn said(rule: &Rule) -> Vec<Vec<&Scope>> {
    let head = Some(&rule.principal).filter(|scope| scope.kind.is_some() || scope.entity.is_some());
    let condition = rule.condition.iter().flat_map(|condition| &condition.principals);
    head.map(|scope| vec![scope]).into_iter().chain(condition.map(|scopes| scopes.iter().collect())).collect()
}

impl<'p> NamedPrincipals<'p> {
    pub(super) fn new(look: &LintContext<'p>) -> Self {
        let members = look.policy.members();
        let below = PRINCIPALS.into_iter().map(|kind| (kind, members.below(kind))).collect();
        let mut whom = Self { anyone: true, below, ..Self::default() };
        let permits = look.policy.rules().iter().filter(|rule| rule.permit);
        for (number, rule) in permits.enumerate() {
            let said = said(rule);
            whom.anyone = (whom.anyone && number > 0) || said.is_empty();
            for scope in said.into_iter().next().unwrap_or_default() {
                whom.named.extend(&scope.entity);
                whom.kinds.extend(scope.kind.as_deref().filter(|_| scope.entity.is_none()));
            }
        }
        let is_known =
            |uid: &Uid| whom.below.iter().any(|(kind, below)| uid.kind == (*kind).into() || below.contains_key(uid));
        whom.unknown = !whom.named.iter().copied().all(is_known);
        whom
    }

    /// Describes the principals of a `forbid` if no permit is for any of them, and suggests another.
    pub(super) fn missed(&self, look: &LintContext<'p>, rule: &Rule) -> Option<(String, String)> {
        if self.anyone {
            return None;
        }
        let missed = said(rule).into_iter().find(|scopes| !scopes.iter().any(|scope| self.meets(look, scope)))?;
        let scope = missed.first()?;
        let near = scope.entity.as_ref().and_then(|uid| self.near(uid)).map(|near| format!("{near} "));
        let whom = match (&scope.entity, &scope.kind) {
            (Some(uid), _) if PRINCIPALS.contains(&&*uid.kind) => format!("`{uid}`"),
            (Some(uid), _) => format!("anyone in `{uid}`"),
            (None, kind) => format!("a principal of the type `{}`", kind.as_deref().unwrap_or_default()),
        };
        Some((whom, near.unwrap_or_default()))
    }

    /// Returns whether a permit may be for a principal of a head. The members of an undeclared group are unknown.
    fn meets(&self, look: &LintContext<'p>, scope: &Scope) -> bool {
        let is_of_kind = |kind: &str| scope.kind.as_deref().is_none_or(|wanted| wanted == kind);
        match &scope.entity {
            Some(uid) if PRINCIPALS.contains(&&*uid.kind) => {
                is_of_kind(&uid.kind) && self.is_for(look, &uid.kind, &uid.id)
            }
            Some(group) => {
                let mut members = self
                    .below
                    .iter()
                    .flat_map(|(kind, below)| below.get(group).into_iter().flatten().map(|id| (*kind, *id)));
                let unknown = members.clone().next().is_none();
                unknown
                    || self.named.contains(group)
                    || members.any(|(kind, id)| is_of_kind(kind) && self.is_for(look, kind, id))
            }
            None => {
                self.kinds.iter().copied().any(is_of_kind) || self.named.iter().any(|uid| self.holds(uid, &is_of_kind))
            }
        }
    }

    /// Returns whether a permit may be for one principal.
    fn is_for(&self, look: &LintContext<'p>, kind: &str, id: &str) -> bool {
        self.unknown
            || self.kinds.contains(kind)
            || self.named.contains(&Uid::new(kind, id))
            || look.policy.groups(kind, id).iter().any(|group| self.named.contains(group))
    }

    /// Returns whether an entity is a principal of a type, or a group that may hold one.
    fn holds(&self, uid: &Uid, is_of_kind: &dyn Fn(&str) -> bool) -> bool {
        if PRINCIPALS.contains(&&*uid.kind) {
            return is_of_kind(&uid.kind);
        }
        self.unknown || self.below.iter().any(|(kind, below)| below.contains_key(uid) && is_of_kind(kind))
    }

    /// Suggests a similar principal from the permits.
    fn near(&self, uid: &Uid) -> Option<String> {
        let mut named: Vec<&Uid> = self.named.iter().copied().collect();
        named.sort_unstable();
        let other = named.iter().find(|other| other.id == uid.id).map(|other| format!("did you mean `{other}`?"));
        let ids = named.iter().map(|other| &*other.id);
        other.or_else(|| {
            let near = did_you_mean(&uid.id, ids)?;
            let other = named.iter().find(|other| near == format!("did you mean `{}`?", other.id))?;
            Some(format!("did you mean `{other}`?"))
        })
    }
}
