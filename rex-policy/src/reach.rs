//! What a policy could ever permit, as a bound that needs no policy engine to hold.

use rex_core::resource::Unit;
use rex_core::{AbsPath, ActionSpec, Extent, Place, Principal, Reach, Resource, ResourceSpec};

use crate::index::{action_meets, principal_meets};
use crate::policy::Policy;
use crate::rule::{Anchor, Rule, Scope};
use crate::vocabulary::same_type;

impl Policy {
    /// What the policies could ever permit a principal, or any principal if none is given. Every request that is allowed lies
    /// inside; a `forbid`, and all of a condition but the place that it names, cut out more than this tells.
    #[must_use]
    pub fn reach(&self, principal: Option<&Principal>) -> Reach {
        Reach::new(self.actions().iter().map(|spec| (*spec, self.extent(spec, principal))).collect())
    }

    fn extent(&self, spec: &'static ActionSpec, principal: Option<&Principal>) -> Extent {
        let groups = principal.map(|principal| self.groups(principal.kind(), principal.id())).unwrap_or_default();
        let meant = |rule: &&Rule| {
            rule.permit
                && action_meets(rule.actions.as_ref(), spec)
                && principal.is_none_or(|who| principal_meets(&rule.principal, who.kind(), who.id(), &groups))
        };
        let mut extent = Extent::default();
        for rule in self.rules().iter().filter(meant) {
            let Some(places) = self.places(rule, spec.resource) else { return Extent::Anything };
            places.into_iter().for_each(|place| extent.insert(place));
        }
        if let Extent::Within(places) = &mut extent {
            let all = places.clone();
            places.retain(|place| !all.iter().any(|other| other != place && holds(other, place)));
        }
        extent
    }

    /// Where the resources are that a policy is about; `None` if no bound can be shown.
    fn places(&self, rule: &Rule, resource: &ResourceSpec) -> Option<Vec<Place>> {
        let kind = resource.to_string();
        if rule.resource.kind.as_ref().is_some_and(|wanted| **wanted != *kind) {
            return Some(Vec::new());
        }
        // Both hold, so either is a bound. What a condition says is mostly the closer one.
        let condition = rule.condition.as_ref().and_then(|condition| self.place(&condition.anchor, resource, &kind));
        let head = match &rule.resource {
            Scope { entity: Some(uid), exact: true, .. } => Anchor::Exactly(uid.clone()),
            Scope { entity: Some(uid), .. } => Anchor::Within(uid.clone()),
            Scope { entity: None, .. } => Anchor::Anywhere,
        };
        let exact = matches!(head, Anchor::Exactly(_));
        let head = self.place(&head, resource, &kind);
        if exact { head } else { condition.or(head) }
    }

    fn place(&self, anchor: &Anchor, resource: &ResourceSpec, kind: &str) -> Option<Vec<Place>> {
        let whole =
            |id: &str| if resource.nested { Place::Below(id.to_owned()) } else { Place::Exactly(id.to_owned()) };
        match anchor {
            Anchor::Anywhere => None,
            Anchor::Exactly(uid) if *uid.kind == *kind => Some(vec![Place::Exactly(uid.id.to_string())]),
            // Another type equals nothing that a request is about.
            Anchor::Exactly(_) => Some(Vec::new()),
            Anchor::Within(uid) if *uid.kind == *kind => Some(vec![whole(&uid.id)]),
            Anchor::Within(class) => {
                let above = self.members().above(kind);
                let members = above.iter().flat_map(|above| above.iter());
                let members = members.filter(|(_, classes)| classes.contains(class));
                Some(members.map(|(id, _)| whole(id)).collect())
            }
            Anchor::Prefix(attribute, text) if is_id(resource, attribute) && !text.is_empty() => {
                Some(vec![Place::Prefix(text.to_string())])
            }
            Anchor::Prefix(..) => None,
        }
    }
}

/// Whether an attribute is always the same as the id.
fn is_id(resource: &ResourceSpec, attribute: &str) -> bool {
    (same_type(resource, AbsPath::SPEC) && attribute == "path")
        || (same_type(resource, Unit::SPEC) && attribute == "name")
}

/// Whether one place holds all of another.
fn holds(outer: &Place, inner: &Place) -> bool {
    let below = |root: &str, id: &str| {
        id == root || id.strip_prefix(root).is_some_and(|rest| root.ends_with('/') || rest.starts_with('/'))
    };
    match (outer, inner) {
        (Place::Below(root), Place::Below(id) | Place::Exactly(id)) => below(root, id),
        (Place::Prefix(text), Place::Exactly(id) | Place::Below(id) | Place::Prefix(id)) => id.starts_with(text),
        _ => false,
    }
}
