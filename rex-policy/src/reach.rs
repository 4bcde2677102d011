//! The reach of a policy, and the exceptions from it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::HashMap;
use rex_core::{ActionSpec, Extent, Principal, Reach, ReachPlace};

use crate::index::{action_meets, principal_meets};
use crate::places::Nesting;
use crate::policy::Policy;
use crate::rule::{Anchor, Rule, Scope, Uid};
use crate::vocabulary::PRINCIPALS;

/// A `forbid` that takes something out of the reach of a policy.
///
/// A [`Reach`] is a sum of places, so a sandbox that enforces one cannot enforce this: it takes a decision on each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachException {
    /// The id of the policy.
    pub policy: Arc<str>,
    /// The text of its `@reason`.
    pub reason: Option<Arc<str>>,
    /// `true` if it has a condition, so that it may take out less than `extents`.
    pub conditional: bool,
    /// The part of the reach of each action that it takes out.
    pub extents: Vec<(&'static ActionSpec, Extent)>,
}

impl Policy {
    /// Returns everything that the policy could ever permit to a principal, or to any: whatever
    /// [`decide`](rex_core::Authorize::decide) allows lies inside.
    ///
    /// It is the sum of the `permit` policies, each bounded by its head and by those conjuncts of its condition that bound the
    /// resource: `==`, `in` one entity or several, being one of a list, `==` or `like` with a literal start on the
    /// [`id_attribute`](rex_core::ResourceSpec::id_attribute), and several of these joined by `||`. For one principal, the
    /// conjuncts that say who it is bound it, too: `==`, `in`, and being one of a list. Other conditions and every `forbid`
    /// would make it smaller; they are left to the decision, see [`exceptions`](Self::exceptions).
    #[must_use]
    pub fn reach(&self, principal: Option<&Principal>) -> Reach {
        Reach::new(Survey::new(self, principal).reach())
    }

    /// Returns the `forbid` policies that take something out of the [`reach`](Self::reach).
    #[must_use]
    pub fn exceptions(&self, principal: Option<&Principal>) -> Vec<ReachException> {
        Survey::new(self, principal).exceptions()
    }
}

/// The places where the `forbid` policies about a principal can apply. A `forbid` about any resource is ignored.
pub(crate) struct ForbiddenReach<'p> {
    survey: Survey<'p>,
}

impl<'p> ForbiddenReach<'p> {
    pub(crate) fn new(policy: &'p Policy, principal: &Principal) -> Self {
        Self { survey: Survey::new(policy, Some(principal)) }
    }

    /// Returns the id of the first `forbid` that may take something out of a place.
    pub(crate) fn meets(&self, spec: &ActionSpec, place: ReachPlace) -> Option<&'p Arc<str>> {
        let act = self.survey.acts.iter().find(|act| act.spec == spec)?;
        let place = Extent::Within(BTreeSet::from([place]));
        let takes = |rule: &&&Rule| match self.survey.extent(rule, act) {
            Extent::Anything => false,
            bounded => !act.nesting.intersection(&bounded, &place).is_empty(),
        };
        self.survey.rules.iter().filter(|rule| !rule.permit).find(takes).map(|rule| &rule.id)
    }
}

/// The policies about a principal, with the data to place them.
pub(crate) struct Survey<'p> {
    rules: Vec<&'p Rule>,
    pub(crate) acts: Vec<SurveyedAction>,
    /// The places of the members of each class, by type of resource.
    classes: HashMap<String, HashMap<&'p Uid, Extent>>,
}

/// An action, with its type of resource.
pub(crate) struct SurveyedAction {
    pub(crate) spec: &'static ActionSpec,
    pub(crate) kind: String,
    pub(crate) nesting: Nesting,
}

impl<'p> Survey<'p> {
    pub(crate) fn new(policy: &'p Policy, principal: Option<&Principal>) -> Self {
        let groups = principal.map(|principal| policy.groups(principal.kind(), principal.id())).unwrap_or_default();
        let concerns = |rule: &&Rule| {
            principal.is_none_or(|principal| {
                let meets = |scope: &Scope| principal_meets(scope, principal.kind(), principal.id(), &groups);
                let said = rule.condition.iter().flat_map(|condition| &condition.principals);
                PRINCIPALS.contains(&principal.kind())
                    && meets(&rule.principal)
                    && said.into_iter().all(|scopes| scopes.iter().any(meets))
            })
        };
        let rules = policy.rules().iter().filter(concerns).collect();
        let act = |spec: &&'static ActionSpec| SurveyedAction {
            spec,
            kind: spec.resource.to_string(),
            nesting: Nesting::of(spec.resource),
        };
        let acts: Vec<SurveyedAction> = policy.actions().iter().map(act).collect();
        let mut classes = HashMap::<_, HashMap<_, _>>::default();
        for SurveyedAction { kind, nesting, .. } in &acts {
            if !classes.contains_key(kind) {
                let members = policy.members().below(kind).into_iter();
                let places = |ids: Vec<&str>| nesting.simplify(ids.into_iter().map(|id| nesting.below(id)));
                classes
                    .insert(kind.clone(), members.map(|(class, ids)| (class, Extent::Within(places(ids)))).collect());
            }
        }
        Self { rules, acts, classes }
    }

    fn reach(&self) -> Vec<(&'static ActionSpec, Extent)> {
        self.acts.iter().map(|act| (act.spec, self.permitted(act))).collect()
    }

    fn permitted(&self, act: &SurveyedAction) -> Extent {
        let mut places: Vec<ReachPlace> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.permit) {
            match self.extent(rule, act) {
                Extent::Within(more) => places.extend(more),
                Extent::Anything => return Extent::Anything,
            }
        }
        Extent::Within(act.nesting.simplify(places))
    }

    fn exceptions(&self) -> Vec<ReachException> {
        let reach: Vec<_> = self.acts.iter().map(|act| (act, self.permitted(act))).collect();
        let forbids = self.rules.iter().filter(|rule| !rule.permit);
        let exceptions = forbids.map(|rule| {
            let cut = |(act, reach): &(&SurveyedAction, Extent)| {
                (act.spec, act.nesting.intersection(&self.extent(rule, act), reach))
            };
            ReachException {
                policy: rule.id.clone(),
                reason: rule.reason.clone(),
                conditional: rule.condition.is_some(),
                extents: reach.iter().map(cut).filter(|(_, extent)| !extent.is_empty()).collect(),
            }
        });
        exceptions.filter(|exception| !exception.extents.is_empty()).collect()
    }

    /// Returns where the policy can apply to an action.
    pub(crate) fn extent(&self, rule: &Rule, act: &SurveyedAction) -> Extent {
        if !action_meets(rule.actions.as_ref(), act.spec)
            || rule.resource.kind.as_ref().is_some_and(|kind| **kind != *act.kind)
        {
            return Extent::default();
        }
        let head = Anchor::of_head(&rule.resource);
        let bounds = rule.condition.iter().flat_map(|condition| &condition.bounds);
        self.bounded(std::iter::once(&head).chain(bounds), act)
    }

    /// Returns the resources for which all of these anchors hold.
    fn bounded<'a>(&self, anchors: impl IntoIterator<Item = &'a Anchor>, act: &SurveyedAction) -> Extent {
        anchors
            .into_iter()
            .fold(Extent::Anything, |extent, anchor| act.nesting.intersection(&extent, &self.anchored(anchor, act)))
    }

    /// Returns the resources for which one of several lists of anchors holds.
    fn either(&self, all: &[Vec<Anchor>], act: &SurveyedAction) -> Extent {
        let mut places = Vec::new();
        for anchors in all {
            match self.bounded(anchors, act) {
                Extent::Within(more) => places.extend(more),
                Extent::Anything => return Extent::Anything,
            }
        }
        Extent::Within(act.nesting.simplify(places))
    }

    /// Returns the resources for which an anchor holds.
    fn anchored(&self, anchor: &Anchor, act: &SurveyedAction) -> Cow<'_, Extent> {
        let only = |place| Cow::Owned(Extent::Within(BTreeSet::from([place])));
        let is_id = |name: &str| act.spec.resource.id_attribute == Some(name);
        match anchor {
            Anchor::Exactly(uid) if *uid.kind == *act.kind => only(ReachPlace::Exactly(uid.id.to_string())),
            Anchor::Among(uids) => {
                let of_type = uids.iter().filter(|uid| *uid.kind == *act.kind);
                let places = of_type.map(|uid| ReachPlace::Exactly(uid.id.to_string()));
                Cow::Owned(Extent::Within(act.nesting.simplify(places)))
            }
            // The action has no resource of this type.
            Anchor::Exactly(_) => Cow::Owned(Extent::default()),
            Anchor::Within(uid) if *uid.kind == *act.kind => only(act.nesting.below(&uid.id)),
            Anchor::Within(uid) => {
                let members = self.classes.get(&act.kind).and_then(|classes| classes.get(uid));
                members.map_or_else(|| Cow::Owned(Extent::default()), Cow::Borrowed)
            }
            Anchor::Value(name, text) if is_id(name) => only(ReachPlace::Exactly(text.to_string())),
            Anchor::Prefix(name, text) if is_id(name) => Cow::Owned(act.nesting.prefix(text)),
            Anchor::Either(all) => Cow::Owned(self.either(all, act)),
            // Other attributes do not bound the place.
            Anchor::Value(..) | Anchor::Prefix(..) | Anchor::Anywhere => Cow::Owned(Extent::Anything),
        }
    }
}
