//! The smallest readable policy that permits a set of observed requests.
//!
//! # What is generalized
//!
//! Neither principals nor actions: a permit names one principal, and the actions that it was seen to do. [`Breadth`] says which
//! resources are generalized, and to what:
//!
//! | | `Exact` | `Siblings` | `Directory` |
//! |---|---|---|---|
//! | paths | as seen | two in a directory that share an extension, or a name but for digits: all such files in it | two in a directory: it and all below |
//! | URLs | as seen | two that differ in their query: any query | two in a directory: all below it |
//! | units | as seen | two of one template: all of its instances | as `Siblings` |
//! | processes | by name, program, user and unit | by program, user and unit | by user and unit |
//! | programs, hosts, and all else | as seen | as seen | as seen |
//!
//! In any breadth, a file with a name that `fs::temp_file` makes is generalized to those that it makes in other runs. In all
//! but `Exact`, more than 32 files directly in a directory that have nothing else in common are generalized to everything
//! directly in it. Files that hold keys or passwords, and files that give others rights, are never generalized, and no
//! generalization covers them.
//!
//! `/` and the root of a site are never generalized to what is in them, and a directory directly in `/` only as `Siblings`
//! says. Nothing is generalized over a place of which a `forbid` of the kept policy holds a part: its resources are listed.
//!
//! Principals of one type that did the same share one permit.
//!
//! # What a permit requires
//!
//! It requires facts in the combinations that were seen. A program is started with exactly these arguments, in the same
//! environment, as the same user. Its permit has the `@allow` words of the kept policy if that permits the start, else those
//! that the start needs. Numbers of bytes and today's addresses of names are not required.
//!
//! # What is reported
//!
//! Paths that name a process by its number are reported: the next run has other numbers. Requests that can only be described
//! with characters that change the direction of text are left out and reported, since a policy must not have these characters.

mod facts;
mod generalize;
mod protected;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rex_core::{ActionSpec, Authorize, Effect, Principal, ReachPlace, Request};

use crate::policy::Policy;
use crate::reach::ForbiddenReach;
use crate::remedy::needed_words;
use facts::FactDemands;
use generalize::{PermitPattern, ResourceShape};

/// Maximum number of different requests to learn from: nobody reads a policy that is made from more.
const REQUESTS: usize = 50_000;
/// Maximum number of places that are named as the source of a permit.
const PLACES: usize = 3;

/// The breadth to which resources are generalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breadth {
    /// The resources that were seen.
    Exact,
    /// Those, and similar ones beside them.
    Siblings,
    /// Everything in their directories.
    Directory,
}

/// The error for a new request when the learner is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMuch;

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {REQUESTS} different requests are not learned from at once")
    }
}

impl std::error::Error for TooMuch {}

/// A learner of policies: show it requests, then let it write the policy.
#[derive(Debug)]
pub struct Learner<'p> {
    breadth: Breadth,
    keep: Option<&'p Policy>,
    requests: u64,
    different: usize,
    left_out: u64,
    unnamed: BTreeSet<String>,
    acts: BTreeMap<(String, &'static str, &'static str), ActionRequests>,
}

/// The requests of one principal for one action.
#[derive(Debug)]
struct ActionRequests {
    principal: Principal,
    spec: &'static ActionSpec,
    /// The resources, by the words of `@allow` and by id.
    seen: BTreeMap<(Option<Arc<str>>, String), ResourceDemands>,
}

#[derive(Debug, Default)]
struct ResourceDemands {
    demands: FactDemands,
    source: PermitOrigin,
}

/// The source of a permit: a number of requests, and some of their places.
#[derive(Debug, Clone, Default)]
struct PermitOrigin {
    requests: u64,
    places: Vec<String>,
}

/// A learned policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedPolicy {
    /// The policy, in Cedar.
    pub text: String,
    /// The permits, in the order of the text.
    pub permits: Vec<LearnedPermit>,
    /// The ids of the forbids that were kept, in the order of the text.
    pub forbids: Vec<Arc<str>>,
    /// Places that were not generalized, each with the `forbid` that prevented it.
    pub held: Vec<(String, Arc<str>)>,
    /// Resources that were left out, because only characters that no policy may have can describe the requests.
    pub unnamed: Vec<String>,
    /// Paths below `/proc` that name a process by its number, which is another in the next run.
    pub fleeting: Vec<String>,
    /// Number of requests that the policy is made from.
    pub requests: u64,
    /// Number of requests that were left out for lack of room; the policy does not permit them.
    pub left_out: u64,
}

/// A learned permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedPermit {
    /// The id of the permit.
    pub id: String,
    /// The principal; several are joined by commas.
    pub principal: String,
    /// The actions.
    pub actions: Vec<String>,
    /// Number of requests that it is made from.
    pub requests: u64,
    /// Number of different resources.
    pub resources: u64,
    /// The places of the first requests.
    pub places: Vec<String>,
    /// A description of what it permits beyond the requests.
    pub beyond: Option<String>,
}

/// A permit before it has an id.
#[derive(Debug)]
struct PermitDraft {
    principals: Vec<Principal>,
    specs: Vec<&'static ActionSpec>,
    source: PermitOrigin,
    resources: BTreeSet<String>,
}

/// The key of a draft. Drafts of several actions with the same key become one permit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct DraftKey {
    principal: String,
    namespace: &'static str,
    kind: String,
    pattern: PermitPattern,
    allows: Option<Arc<str>>,
    demands: FactDemands,
}

impl<'p> Learner<'p> {
    /// Creates a learner. It keeps the forbids of the policy `keep`, and the `@allow` words of its permits.
    #[must_use]
    pub fn new(breadth: Breadth, keep: Option<&'p Policy>) -> Self {
        let (unnamed, acts) = (BTreeSet::new(), BTreeMap::new());
        Self { breadth, keep, requests: 0, different: 0, left_out: 0, unnamed, acts }
    }

    /// Adds a request, and the place where it was found.
    ///
    /// # Errors
    /// If the request is new and the learner is full. It is left out, which the policy says; others can follow.
    pub fn see(&mut self, request: &Request<'_>, place: &dyn fmt::Display) -> Result<(), TooMuch> {
        let spec = request.action.spec();
        let principal = &request.subject.principal;
        let allows = self.keep.map(|policy| policy.decide(request));
        let allows = match allows.filter(|decision| decision.effect == Effect::Allow) {
            Some(decision) => decision.allows,
            // The words of `@allow` at that time are unknown; without these, the start would be refused.
            None => Some(needed_words(request).join(" ")).filter(|words| !words.is_empty()).map(Arc::from),
        };
        let id = if ResourceShape::of(spec) == ResourceShape::Process { "" } else { request.resource.id() };
        let demand = facts::demand(request, self.breadth);
        if misleading(id) || misleading(principal.id()) || demand.iter().any(|(_, known)| known.is_misleading()) {
            if self.unnamed.len() < REQUESTS {
                self.unnamed.insert(request.resource.id().to_owned());
            }
            return Ok(());
        }
        let who = principal.to_string();
        let id = (allows, id.to_owned());
        let key = (who, spec.namespace, spec.name);
        if self.different >= REQUESTS {
            let known = self.acts.get(&key).and_then(|act| act.seen.get(&id));
            if known.is_none_or(|seen| !seen.demands.contains(&demand)) {
                self.left_out += 1;
                return Err(TooMuch);
            }
        }
        let act = self.acts.entry(key);
        let act = act.or_insert_with(|| ActionRequests { principal: principal.clone(), spec, seen: BTreeMap::new() });
        let seen = act.seen.entry(id).or_default();
        if seen.demands.insert(demand) {
            self.different += 1;
        }
        seen.source.add(place);
        self.requests += 1;
        Ok(())
    }

    /// Returns the number of different requests so far.
    #[must_use]
    pub fn different(&self) -> usize {
        self.different
    }

    /// Writes the policy.
    #[must_use]
    pub fn learn(self) -> LearnedPolicy {
        let mut held = BTreeSet::new();
        let paths = self
            .acts
            .values()
            .filter(|act| ResourceShape::of(act.spec) == ResourceShape::Path)
            .flat_map(|act| act.seen.keys());
        let fleeting: BTreeSet<_> = paths.filter(|(_, path)| is_fleeting(path)).map(|(_, path)| path.clone()).collect();
        let mut drafts: BTreeMap<DraftKey, PermitDraft> = BTreeMap::new();
        let mut forbidden: BTreeMap<&str, ForbiddenReach<'_>> = BTreeMap::new();
        for ((principal, ..), act) in &self.acts {
            if let Some(policy) = self.keep
                && !forbidden.contains_key(&**principal)
            {
                forbidden.insert(principal, ForbiddenReach::new(policy, &act.principal));
            }
            let forbidden = forbidden.get(&**principal);
            let mut is_held = |place: ReachPlace, what: &str| {
                let forbid = forbidden.and_then(|forbidden| forbidden.meets(act.spec, place));
                held.extend(forbid.map(|forbid| (what.to_owned(), forbid.clone())));
                forbid.is_some()
            };
            for (shape, draft) in act.drafts(principal, self.breadth, &mut is_held) {
                match drafts.entry(shape) {
                    std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(draft)),
                    std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().add(draft),
                }
            }
        }
        let kept: Vec<_> = self.keep.into_iter().flat_map(Policy::forbids).collect();
        let from = text::LearnInput { breadth: self.breadth, requests: self.requests, left_out: self.left_out };
        let (text, permits) = text::write(&together(drafts), &kept, from);
        LearnedPolicy {
            text,
            permits,
            forbids: kept.into_iter().map(|(id, _)| id.clone()).collect(),
            held: held.into_iter().collect(),
            unnamed: self.unnamed.into_iter().collect(),
            fleeting: fleeting.into_iter().collect(),
            requests: self.requests,
            left_out: self.left_out,
        }
    }
}

/// Merges the drafts for principals of one type that did the same.
fn together(drafts: BTreeMap<DraftKey, PermitDraft>) -> BTreeMap<DraftKey, PermitDraft> {
    let mut alike: BTreeMap<(DraftKey, Vec<String>), Vec<PermitDraft>> = BTreeMap::new();
    for (shape, draft) in drafts {
        let kind = draft.principals.first().map_or("", Principal::kind).to_owned();
        let actions = draft.specs.iter().map(ToString::to_string).collect();
        alike.entry((DraftKey { principal: kind, ..shape }, actions)).or_default().push(draft);
    }
    let mut together = BTreeMap::new();
    for ((shape, _), drafts) in alike {
        let mut drafts = drafts.into_iter();
        let Some(mut draft) = drafts.next() else { continue };
        for other in drafts {
            draft.principals.extend(other.principals);
            draft.resources.extend(other.resources);
            draft.source.merge(&other.source);
        }
        let principal = draft.principals.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        together.insert(DraftKey { principal, ..shape }, draft);
    }
    together
}

/// Returns whether a text has characters that change its direction. Cedar's validator warns of them, and the policy is rejected.
fn misleading(text: &str) -> bool {
    text.contains(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// Returns whether a path names a process by its number.
fn is_fleeting(path: &str) -> bool {
    let number = path.strip_prefix("/proc/").and_then(|rest| rest.split('/').next());
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

impl ActionRequests {
    /// Drafts a permit for each pattern of the resources that were seen with the same facts.
    fn drafts(
        &self,
        principal: &str,
        breadth: Breadth,
        is_held: &mut dyn FnMut(ReachPlace, &str) -> bool,
    ) -> Vec<(DraftKey, PermitDraft)> {
        let mut groups = BTreeMap::<_, BTreeMap<&str, &PermitOrigin>>::new();
        for ((allows, id), seen) in &self.seen {
            groups.entry((allows.as_ref(), &seen.demands)).or_default().insert(id, &seen.source);
        }
        let mut drafts = Vec::new();
        for ((allows, demands), origins) in groups {
            let ids = origins.keys().copied().collect();
            for (pattern, ids) in generalize::patterns(ResourceShape::of(self.spec), ids, breadth, is_held) {
                let shape = DraftKey {
                    principal: principal.to_owned(),
                    namespace: self.spec.namespace,
                    kind: self.spec.resource.to_string(),
                    pattern,
                    allows: allows.cloned(),
                    demands: demands.clone(),
                };
                let mut source = PermitOrigin::default();
                ids.iter().filter_map(|id| origins.get(id)).for_each(|origin| source.merge(origin));
                let resources = ids.into_iter().map(ToOwned::to_owned).collect();
                let principals = vec![self.principal.clone()];
                let draft = PermitDraft { principals, specs: vec![self.spec], source, resources };
                drafts.push((shape, draft));
            }
        }
        drafts
    }
}

impl PermitDraft {
    /// Returns the kind of its resources.
    fn kind(&self) -> ResourceShape {
        self.specs.first().map_or(ResourceShape::Other, |spec| ResourceShape::of(spec))
    }

    fn add(&mut self, other: Self) {
        self.specs.extend(other.specs);
        self.resources.extend(other.resources);
        self.source.merge(&other.source);
    }
}

impl PermitOrigin {
    fn add(&mut self, place: &dyn fmt::Display) {
        self.requests += 1;
        if self.places.len() < PLACES {
            self.places.push(place.to_string());
        }
    }

    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        let room = PLACES.saturating_sub(self.places.len());
        self.places.extend(other.places.iter().take(room).cloned());
    }
}
