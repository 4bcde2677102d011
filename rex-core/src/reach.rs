//! The reach of a policy: a bound on what it could ever permit, which a kernel can enforce.

use std::collections::BTreeSet;

use crate::action::ActionSpec;
use crate::resource::AnyResource;

/// A set of resources. It never leaves one out; it may hold more than intended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// The resources in any of these places; none if there is no place.
    Within(BTreeSet<ReachPlace>),
    /// All resources: no bound is known.
    Anything,
}

/// A place of resources.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReachPlace {
    /// The resource with this id.
    Exactly(String),
    /// The resource with this id, and everything in it.
    Below(String),
    /// The resources whose ids start with this text.
    Prefix(String),
}

impl Default for Extent {
    fn default() -> Self {
        Self::Within(BTreeSet::new())
    }
}

impl Extent {
    /// Returns whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Within(places) if places.is_empty())
    }

    /// Adds a place.
    pub fn insert(&mut self, place: ReachPlace) {
        if let Self::Within(places) = self {
            places.insert(place);
        }
    }

    /// Adds everything that another extent holds.
    pub fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Within(places), Self::Within(more)) => places.extend(more.iter().cloned()),
            (_, Self::Anything) => *self = Self::Anything,
            (Self::Anything, _) => {}
        }
    }

    /// Returns whether it holds a resource.
    #[must_use]
    pub fn covers(&self, resource: &dyn AnyResource) -> bool {
        let Self::Within(places) = self else { return true };
        let mut ids = vec![resource.id().to_owned()];
        resource.ancestors(&mut |id| ids.push(id.to_owned()));
        places.iter().any(|place| match place {
            ReachPlace::Exactly(id) => id == resource.id(),
            ReachPlace::Below(id) => ids.contains(id),
            ReachPlace::Prefix(text) => resource.id().starts_with(text),
        })
    }
}

/// Everything that a policy could ever permit, over-approximated: for each action of a table, its resources. Every permitted request lies
/// inside; not every request inside is permitted, since conditions and `forbid` exclude more.
///
/// A mechanism without a policy engine, such as a kernel's sandbox, can enforce no more than that.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    extents: Vec<(&'static ActionSpec, Extent)>,
}

impl Reach {
    /// Creates a reach of these actions; an action that is not among them reaches nothing.
    #[must_use]
    pub fn new(extents: Vec<(&'static ActionSpec, Extent)>) -> Self {
        Self { extents }
    }

    /// Returns the extent of an action.
    #[must_use]
    pub fn extent(&self, action: &ActionSpec) -> Option<&Extent> {
        let same = |spec: &ActionSpec| spec.name == action.name && spec.namespace == action.namespace;
        self.extents.iter().find(|(spec, _)| same(spec)).map(|(_, extent)| extent)
    }

    /// Returns whether an action on a resource lies inside.
    #[must_use]
    pub fn covers(&self, action: &ActionSpec, resource: &dyn AnyResource) -> bool {
        self.extent(action).is_some_and(|extent| extent.covers(resource))
    }

    /// Returns the actions that reach something, in the order of [`new`](Self::new).
    pub fn iter(&self) -> impl Iterator<Item = (&'static ActionSpec, &Extent)> {
        self.extents.iter().filter(|(_, extent)| !extent.is_empty()).map(|(spec, extent)| (*spec, extent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AbsPath;
    use crate::action::{Action, fs};

    fn path(text: &str) -> AbsPath {
        AbsPath::parse(text).unwrap()
    }

    #[test]
    fn places_hold_what_lies_in_them() {
        let within = |place| Extent::Within(BTreeSet::from([place]));
        let below = within(ReachPlace::Below("/var/log".to_owned()));
        assert!(below.covers(&path("/var/log")) && below.covers(&path("/var/log/a/b")));
        assert!(!below.covers(&path("/var/logs")) && !below.covers(&path("/var")));
        let exactly = within(ReachPlace::Exactly("/var/log".to_owned()));
        assert!(exactly.covers(&path("/var/log")) && !exactly.covers(&path("/var/log/a")));
        let prefix = within(ReachPlace::Prefix("/var/lo".to_owned()));
        assert!(prefix.covers(&path("/var/log/a")) && !prefix.covers(&path("/var/l")));
        assert!(Extent::Anything.covers(&path("/")) && !Extent::default().covers(&path("/")));
    }

    #[test]
    fn what_is_added_is_held_and_nothing_is_lost() {
        let exactly = |text: &str| ReachPlace::Exactly(text.to_owned());
        let mut extent = Extent::default();
        assert!(extent.is_empty());
        extent.insert(exactly("/a"));
        extent.add(&Extent::Within(BTreeSet::from([exactly("/b")])));
        assert_eq!(extent, Extent::Within(BTreeSet::from([exactly("/a"), exactly("/b")])));
        extent.add(&Extent::Anything);
        for less in [Extent::default(), Extent::Within(BTreeSet::from([exactly("/b")]))] {
            extent.add(&less);
        }
        extent.insert(exactly("/c"));
        assert_eq!((extent.is_empty(), extent), (false, Extent::Anything));
    }

    #[test]
    fn what_is_not_listed_is_out_of_reach() {
        let reach = Reach::new(vec![(fs::Read::SPEC, Extent::Anything), (fs::List::SPEC, Extent::default())]);
        assert!(reach.covers(fs::Read::SPEC, &path("/a")));
        assert!(!reach.covers(fs::List::SPEC, &path("/a")) && !reach.covers(fs::Write::SPEC, &path("/a")));
        let reached: Vec<_> = reach.iter().map(|(spec, extent)| (spec, extent.clone())).collect();
        assert_eq!(reached, [(fs::Read::SPEC, Extent::Anything)]);
        // The name of an action is unique only within its namespace.
        let reach = Reach::new(vec![(crate::action::service::List::SPEC, Extent::Anything)]);
        assert_eq!((reach.extent(fs::List::SPEC), reach.covers(fs::List::SPEC, &path("/a"))), (None, false));
    }
}
