//! The smallest readable policy that permits what was seen.
//!
//! # What is generalised
//!
//! Never who, and never what is done: a permit names one principal, and the actions that it was seen to do. Of what it is done to, as
//! [`Breadth`] says:
//!
//! | | `Exact` | `Siblings` | `Directory` |
//! |---|---|---|---|
//! | paths | those that were seen | two of a directory that have an extension, or a name but for its digits, in common stand for all that are directly in it and have | two of a directory stand for it and all below |
//! | URLs | those that were seen | two that differ in their query stand for any query | two of a directory stand for all below it |
//! | units | those that were seen | two of one template stand for all of its instances | as `Siblings` |
//! | processes | of the same name, program, user and unit | of the same program, user and unit | of the same user and unit |
//! | programs, hosts, and all else | those that were seen | those that were seen | those that were seen |
//!
//! In any breadth, a file with a name that `fs::temp_file` makes stands for those that it makes in other runs. In all but `Exact`, more than 32
//! files directly in a directory that have nothing else in common stand for all that is directly in it. Files that hold keys or passwords, and
//! files by which others get rights, stand for themselves alone, and nothing stands for them.
//!
//! `/` and the root of a site never stand for what is in them, and a directory directly in `/` only for what `Siblings` says. What a
//! `forbid` of the policy that is kept holds a part of is not generalised over: it is listed.
//!
//! Principals of one type that did the same are listed by one permit.
//!
//! Facts about the act are asked for as they were seen, together; programs are started with the very arguments, in the same environment, as the same
//! user; what such a start needs of `@allow` is let go, unless the policy that is kept permits the start and lets go less. A path that names a
//! process by its number is told, as it is another in the next run. How many bytes are moved, and which address a name has today, is not asked for.
//!
//! A policy may not hold characters that change the direction of text, so a request that only they can tell is left out, and told.

mod facts;
mod protected;
mod text;
mod wide;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rex_core::{ActionSpec, Authorize, Effect, Place, Principal, Request};

use crate::policy::Policy;
use crate::reach::Forbidden;
use crate::remedy::needed_words;
use facts::Demands;
use wide::{Kind, Pattern};

/// How many different requests are learned from: more make no policy that anybody reads.
const REQUESTS: usize = 50_000;
/// How many of the places that a permit comes from are named.
const PLACES: usize = 3;

/// How far what was seen stands for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breadth {
    /// For itself.
    Exact,
    /// For what is beside it and alike.
    Siblings,
    /// For all that is where it is.
    Directory,
}

/// There is too much to learn from: a request is not one of those that are known, and there is no room for one more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMuch;

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {REQUESTS} different requests are not learned from at once")
    }
}

impl std::error::Error for TooMuch {}

/// What a policy is learned by: show it what was asked for, then let it write.
#[derive(Debug)]
pub struct Learner<'p> {
    breadth: Breadth,
    keep: Option<&'p Policy>,
    requests: u64,
    different: usize,
    left_out: u64,
    unnamed: BTreeSet<String>,
    acts: BTreeMap<(String, &'static str, &'static str), Act>,
}

/// What a principal did of one action.
#[derive(Debug)]
struct Act {
    principal: Principal,
    spec: &'static ActionSpec,
    /// To which resources, by what is let go for it.
    seen: BTreeMap<(Option<Arc<str>>, String), Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    demands: Demands,
    source: Origin,
}

/// Where something comes from.
#[derive(Debug, Clone, Default)]
struct Origin {
    requests: u64,
    places: Vec<String>,
}

/// A policy that was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The policy, in Cedar.
    pub text: String,
    /// What it permits, in the order of the text.
    pub permits: Vec<LearnedPermit>,
    /// The ids of the forbids that were kept, in the order of the text.
    pub forbids: Vec<Arc<str>>,
    /// What was not generalised, and the `forbid` that is why.
    pub held: Vec<(String, Arc<str>)>,
    /// Resources that were left out, because what was done to them is told by characters that no policy may hold.
    pub unnamed: Vec<String>,
    /// Paths below `/proc` that name a process by its number: in another run, they are others.
    pub fleeting: Vec<String>,
    /// From how many requests.
    pub requests: u64,
    /// How many requests were left out, as there was no room for them: what they did is not permitted.
    pub left_out: u64,
}

/// A permit that was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedPermit {
    /// Its id.
    pub id: String,
    /// To whom; of several, with commas between.
    pub principal: String,
    /// Which actions.
    pub actions: Vec<String>,
    /// From how many requests.
    pub requests: u64,
    /// For how many different resources.
    pub resources: u64,
    /// Where the first of them stand.
    pub places: Vec<String>,
    /// What it permits besides what was seen.
    pub beyond: Option<String>,
}

/// A permit before it has an id.
#[derive(Debug)]
struct Draft {
    principals: Vec<Principal>,
    specs: Vec<&'static ActionSpec>,
    source: Origin,
    resources: BTreeSet<String>,
}

/// What tells drafts apart that are not one permit for several actions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    principal: String,
    namespace: &'static str,
    kind: String,
    pattern: Pattern,
    allows: Option<Arc<str>>,
    demands: Demands,
}

impl<'p> Learner<'p> {
    /// One that has seen nothing yet. Of a policy that is kept, the forbids stay, and so does what its permits let go by `@allow`.
    #[must_use]
    pub fn new(breadth: Breadth, keep: Option<&'p Policy>) -> Self {
        let (unnamed, acts) = (BTreeSet::new(), BTreeMap::new());
        Self { breadth, keep, requests: 0, different: 0, left_out: 0, unnamed, acts }
    }

    /// Takes note of a request, and of where it was found.
    ///
    /// # Errors
    /// If there is too much to learn from. The request is left out then, which the policy says; others can follow.
    pub fn see(&mut self, request: &Request<'_>, place: &dyn fmt::Display) -> Result<(), TooMuch> {
        let spec = request.action.spec();
        let principal = &request.subject.principal;
        let allows = self.keep.map(|policy| policy.decide(request));
        let allows = match allows.filter(|decision| decision.effect == Effect::Allow) {
            Some(decision) => decision.allows,
            // Nobody knows any more what let it go: without that, it would be refused.
            None => Some(needed_words(request).join(" ")).filter(|words| !words.is_empty()).map(Arc::from),
        };
        let id = if Kind::of(spec) == Kind::Process { "" } else { request.resource.id() };
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
        let act = act.or_insert_with(|| Act { principal: principal.clone(), spec, seen: BTreeMap::new() });
        let seen = act.seen.entry(id).or_default();
        if seen.demands.insert(demand) {
            self.different += 1;
        }
        seen.source.add(place);
        self.requests += 1;
        Ok(())
    }

    /// How many different requests it knows.
    #[must_use]
    pub fn different(&self) -> usize {
        self.different
    }

    /// Writes the policy.
    #[must_use]
    pub fn learn(self) -> Learned {
        let mut held = BTreeSet::new();
        let paths = self.acts.values().filter(|act| Kind::of(act.spec) == Kind::Path).flat_map(|act| act.seen.keys());
        let fleeting: BTreeSet<_> = paths.filter(|(_, path)| is_fleeting(path)).map(|(_, path)| path.clone()).collect();
        let mut drafts: BTreeMap<Shape, Draft> = BTreeMap::new();
        let mut forbidden: BTreeMap<&str, Forbidden<'_>> = BTreeMap::new();
        for ((principal, ..), act) in &self.acts {
            if let Some(policy) = self.keep
                && !forbidden.contains_key(&**principal)
            {
                forbidden.insert(principal, Forbidden::new(policy, &act.principal));
            }
            let forbidden = forbidden.get(&**principal);
            let mut is_held = |place: Place, what: &str| {
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
        let from = text::From { breadth: self.breadth, requests: self.requests, left_out: self.left_out };
        let (text, permits) = text::write(&together(drafts), &kept, from);
        Learned {
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

/// One draft for principals of one type that did the same.
fn together(drafts: BTreeMap<Shape, Draft>) -> BTreeMap<Shape, Draft> {
    let mut alike: BTreeMap<(Shape, Vec<String>), Vec<Draft>> = BTreeMap::new();
    for (shape, draft) in drafts {
        let kind = draft.principals.first().map_or("", Principal::kind).to_owned();
        let actions = draft.specs.iter().map(ToString::to_string).collect();
        alike.entry((Shape { principal: kind, ..shape }, actions)).or_default().push(draft);
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
        together.insert(Shape { principal, ..shape }, draft);
    }
    together
}

/// Whether a text holds characters that Cedar's validator takes for an attempt to mislead its reader, which refuses the policy.
fn misleading(text: &str) -> bool {
    text.contains(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// Whether a path names a process by its number.
fn is_fleeting(path: &str) -> bool {
    let number = path.strip_prefix("/proc/").and_then(|rest| rest.split('/').next());
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Act {
    /// A permit for each pattern of the resources that were seen under the same demands.
    fn drafts(
        &self,
        principal: &str,
        breadth: Breadth,
        is_held: &mut dyn FnMut(Place, &str) -> bool,
    ) -> Vec<(Shape, Draft)> {
        let mut groups = BTreeMap::<_, BTreeMap<&str, &Origin>>::new();
        for ((allows, id), seen) in &self.seen {
            groups.entry((allows.as_ref(), &seen.demands)).or_default().insert(id, &seen.source);
        }
        let mut drafts = Vec::new();
        for ((allows, demands), origins) in groups {
            let ids = origins.keys().copied().collect();
            for (pattern, ids) in wide::patterns(Kind::of(self.spec), ids, breadth, is_held) {
                let shape = Shape {
                    principal: principal.to_owned(),
                    namespace: self.spec.namespace,
                    kind: self.spec.resource.to_string(),
                    pattern,
                    allows: allows.cloned(),
                    demands: demands.clone(),
                };
                let mut source = Origin::default();
                ids.iter().filter_map(|id| origins.get(id)).for_each(|origin| source.merge(origin));
                let resources = ids.into_iter().map(ToOwned::to_owned).collect();
                let principals = vec![self.principal.clone()];
                let draft = Draft { principals, specs: vec![self.spec], source, resources };
                drafts.push((shape, draft));
            }
        }
        drafts
    }
}

impl Draft {
    /// What is known of the type of its resources.
    fn kind(&self) -> Kind {
        self.specs.first().map_or(Kind::Other, |spec| Kind::of(spec))
    }

    fn add(&mut self, other: Self) {
        self.specs.extend(other.specs);
        self.resources.extend(other.resources);
        self.source.merge(&other.source);
    }
}

impl Origin {
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
