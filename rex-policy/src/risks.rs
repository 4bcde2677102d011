//! Risks: bad outcomes that a policy lets through, found by deciding the requests that would cause them.

mod corpus;
mod patterns;
mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rex_core::action::{fs, net, process};
use rex_core::net::RemoteHost;
use rex_core::request::RequestSpec;
use rex_core::{
    Action, ActionSpec, Authorize, Effect, Extent, Fact, Principal, Reach, ReachPlace, RequestBuf, Subject,
};

use crate::index::{Ancestry, action_meets, principal_meets};
use crate::operation::ANYONE;
use crate::policy::Policy;
use crate::rule::{Rule, Scope, Uid};
use crate::vocabulary::PRINCIPALS;
use corpus::RiskPattern;
pub use corpus::{RISKS, Risk};
use patterns::ImpliedPatterns;
use variants::{RequestVariant, VariantWords};

/// Maximum number of resources of each source that are tried for one act.
const RESOURCES: usize = 200;
/// Maximum number of ways that are reported for one outcome.
const TOLD: usize = 10;

/// The severity of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RiskSeverity {
    /// A loss or a disclosure that others can make good.
    Medium,
    /// A host that is open to further attacks.
    High,
    /// A host under the control of somebody else.
    Critical,
}

impl RiskSeverity {
    /// Returns the word for the severity.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A bad outcome that a policy lets through.
#[derive(Debug)]
#[non_exhaustive]
pub struct ExposedRisk {
    /// The outcome.
    pub risk: &'static Risk,
    /// The first ways to it, each with a request.
    pub ways: Vec<RiskRequest>,
    /// Number of further ways.
    pub more: usize,
}

/// A request that is allowed and causes an outcome, with the principals that can make it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RiskRequest {
    /// The principals: `anyone`, `any agent`, `any user`, or those that the policy and its entities file name.
    pub who: Vec<String>,
    /// The actions, any of which causes it.
    pub actions: Vec<&'static ActionSpec>,
    /// The id of the resource.
    pub resource: String,
    /// The facts that the outcome or the policy requires: `context.signal`, `tags`.
    pub facts: BTreeMap<String, String>,
    /// The policies that allow it.
    pub policies: Vec<Arc<str>>,
    /// The word of `@allow` that an operation needs and no permit has: the start would still be refused.
    pub lacks: Option<&'static str>,
}

impl Policy {
    /// Returns the bad outcomes of [`RISKS`] that this policy lets through, the worst first.
    ///
    /// Each is found by a request that [`decide`](Authorize::decide) allows: on well-known resources, and on those of that kind
    /// that the policy reaches; with the facts that the outcome requires, and else those that the policy requires. An outcome
    /// that is found is let through. One that is not may still be, under a condition that none of the requests meets; a proof
    /// covers all requests.
    #[must_use]
    pub fn risks(&self, principal: Option<&Principal>) -> Vec<ExposedRisk> {
        let search = RiskSearch::new(self, principal);
        let mut found: Vec<_> = RISKS.iter().filter_map(|risk| search.exposed(risk)).collect();
        found.sort_by_key(|exposed| std::cmp::Reverse(exposed.risk.severity));
        found
    }
}

impl RiskRequest {
    fn is_like(&self, other: &Self) -> bool {
        (&self.resource, &self.facts, &self.policies) == (&other.resource, &other.facts, &other.policies)
    }
}

/// Principals that no policy tells apart.
#[derive(Debug)]
struct PrincipalCrowd {
    /// One of them.
    one: Principal,
    names: Vec<String>,
    /// `true` if no policy names them.
    strangers: bool,
}

struct RiskSearch<'p> {
    policy: &'p Policy,
    reach: Reach,
    crowds: Vec<PrincipalCrowd>,
    words: Vec<VariantWords>,
    patterns: ImpliedPatterns,
}

impl<'p> RiskSearch<'p> {
    fn new(policy: &'p Policy, principal: Option<&Principal>) -> Self {
        let crowds = match principal {
            Some(one) => vec![PrincipalCrowd { one: one.clone(), names: vec![one.to_string()], strangers: false }],
            None => crowds(policy),
        };
        let words = (0..policy.len()).map(|number| VariantWords::of(policy, number)).collect();
        Self { policy, reach: policy.reach(principal), crowds, words, patterns: ImpliedPatterns::default() }
    }

    fn exposed(&self, risk: &'static Risk) -> Option<ExposedRisk> {
        let mut ways: Vec<RiskRequest> = Vec::new();
        for act in risk.acts {
            for action in act.actions {
                let Some(spec) = self.policy.actions().iter().find(|spec| *spec == action) else { continue };
                // An action without reach is allowed to nobody.
                if self.reach.extent(spec).is_none() {
                    continue;
                }
                for way in self.ways(act, spec) {
                    let same = |known: &&mut RiskRequest| {
                        known.who == way.who && (known.actions.contains(spec) || known.is_like(&way))
                    };
                    match ways.iter_mut().find(same) {
                        Some(known) if known.actions.contains(spec) => {}
                        Some(known) => known.actions.push(spec),
                        None => ways.push(way),
                    }
                }
            }
        }
        let more = ways.len().saturating_sub(TOLD);
        ways.truncate(TOLD);
        (!ways.is_empty()).then_some(ExposedRisk { risk, ways, more })
    }

    /// Returns the first request that is allowed to each crowd.
    fn ways(&self, act: &RiskPattern, spec: &'static ActionSpec) -> Vec<RiskRequest> {
        let ids = self.ids(act, spec);
        let mut found: Vec<(&PrincipalCrowd, RiskRequest)> = Vec::new();
        for crowd in &self.crowds {
            // A principal needs no way of its own if strangers of its type have one.
            let covered =
                |(known, _): &(&PrincipalCrowd, RiskRequest)| known.strangers && known.one.kind() == crowd.one.kind();
            if !found.iter().any(covered) {
                let about = self.about(spec, crowd);
                let way = ids.iter().find_map(|id| self.way(act, spec, id, (crowd, &about)));
                let way = if *spec == *fs::Rename::SPEC { way.and_then(|way| self.moved(way, crowd)) } else { way };
                found.extend(way.map(|way| (crowd, way)));
            }
        }
        told(found)
    }

    /// Adds to a rename the policies that let the file be written and read under a new name; `None` if no name allows both.
    fn moved(&self, mut way: RiskRequest, crowd: &PrincipalCrowd) -> Option<RiskRequest> {
        let places = match self.reach.extent(fs::Write::SPEC)? {
            Extent::Anything => vec!["/tmp/x".to_owned()],
            Extent::Within(places) => {
                let name = |place: &ReachPlace| match place {
                    ReachPlace::Exactly(id) => id.clone(),
                    ReachPlace::Below(id) => format!("{}/x", id.trim_end_matches('/')),
                    ReachPlace::Prefix(start) => format!("{start}x"),
                };
                places.iter().take(RESOURCES).map(name).collect()
            }
        };
        let may = |spec: &'static ActionSpec, id: &str| {
            let about = self.about(spec, crowd);
            self.way(&corpus::ANY, spec, id, (crowd, &about))
        };
        let both = |id: &String| Some([may(fs::Write::SPEC, id)?, may(fs::Read::SPEC, id)?]);
        for other in places.iter().find_map(both)? {
            let new = other.policies.into_iter().filter(|id| !way.policies.contains(id)).collect::<BTreeSet<_>>();
            way.policies.extend(new);
        }
        Some(way)
    }

    /// Returns the policies whose heads match an action by a crowd.
    fn about(&self, spec: &'static ActionSpec, crowd: &PrincipalCrowd) -> Vec<(usize, &'p Rule)> {
        let groups = self.policy.groups(crowd.one.kind(), crowd.one.id());
        let concerns = |rule: &Rule| {
            action_meets(rule.actions.as_ref(), spec)
                && principal_meets(&rule.principal, crowd.one.kind(), crowd.one.id(), &groups)
        };
        self.policy.rules().iter().enumerate().filter(|(_, rule)| concerns(rule)).collect()
    }

    fn way(
        &self,
        act: &RiskPattern,
        spec: &'static ActionSpec,
        id: &str,
        (crowd, about): (&PrincipalCrowd, &[(usize, &Rule)]),
    ) -> Option<RiskRequest> {
        let base = self.asked(spec, id, crowd, &VariantWords::default().variants(act, spec).into_iter().next()?)?;
        let kind = spec.resource.to_string();
        let above = self.policy.members().above(&kind).map(|above| &**above);
        let request = base.request();
        let lineage = Ancestry::new(&kind, request.resource, above);
        let (permits, forbids): (Vec<_>, Vec<_>) =
            about.iter().filter(|(_, rule)| lineage.meets(&rule.resource)).partition(|(_, rule)| rule.permit);
        // The values in a `forbid` can be those that it does not match.
        let forbids: Vec<&VariantWords> = forbids.iter().filter_map(|(number, _)| self.words.get(*number)).collect();
        for (number, _) in permits {
            let words = self.words.get(number)?.with(&forbids);
            for variant in words.variants(act, spec) {
                let Some(asked) = self.asked(spec, id, crowd, &variant) else { continue };
                let decision = self.policy.decide(&asked.request());
                if decision.effect == Effect::Allow {
                    let allows = decision.allows.as_deref().unwrap_or_default();
                    let lacks = act.actions == [process::Run::SPEC]
                        && is_interpreter(id)
                        && !allows.split(' ').any(|word| word == "interpreter");
                    return Some(RiskRequest {
                        who: crowd.names.clone(),
                        actions: vec![spec],
                        resource: asked.request().resource.id().to_owned(),
                        facts: words.told(act, &variant, asked.request().resource),
                        policies: decision.policies.to_vec(),
                        lacks: lacks.then_some("interpreter"),
                    });
                }
            }
        }
        None
    }

    fn asked(
        &self,
        spec: &'static ActionSpec,
        id: &str,
        crowd: &PrincipalCrowd,
        variant: &RequestVariant,
    ) -> Option<RequestBuf> {
        let subject =
            Subject { principal: crowd.one.clone(), script: variant.script.clone(), tags: variant.tags.clone() };
        let action = spec.to_string();
        let (attributes, context) = (variant.attributes.clone(), variant.context.clone());
        let written = RequestSpec { action: &action, resource: id, attributes, context };
        RequestBuf::new(self.policy.actions(), &written, subject, variant.now).ok().filter(leads_there)
    }

    /// Returns the ids to try: well-known ones, those within reach that are like them, and those that also match a pattern of
    /// the policy.
    fn ids(&self, act: &RiskPattern, spec: &'static ActionSpec) -> Vec<String> {
        let mut named = BTreeSet::new();
        if let Some(Extent::Within(places)) = self.reach.extent(spec) {
            for place in places {
                match place {
                    ReachPlace::Exactly(id) => drop(named.insert(id.clone())),
                    ReachPlace::Prefix(start) => named.extend(["", "x"].map(|more| format!("{start}{more}"))),
                    ReachPlace::Below(id) => {
                        let slash = if id.ends_with('/') { "" } else { "/" };
                        let home =
                            id == "/root" || id == "/home" || id.starts_with("/home/") || id.starts_with("/root/");
                        let below = act.below.iter().copied().filter(|_| home).chain(["x"]);
                        named.extend(below.map(|below| format!("{id}{slash}{below}")));
                        named.extend([id.clone(), format!("x.{id}")]);
                    }
                }
            }
        }
        let named = named.into_iter().filter(|id| act.like.iter().any(|glob| is_like(glob, id)));
        let known = act.ids.iter().map(|id| (*id).to_owned());
        let meeting = self.patterns.ids(self.policy, (spec, self.reach.extent(spec)), act.like);
        known.chain(named.take(RESOURCES)).chain(meeting.into_iter().take(RESOURCES)).collect()
    }
}

/// Returns whether a connection goes to an address that the host can have: a host that is an address has no other.
fn leads_there(asked: &RequestBuf) -> bool {
    let request = asked.request();
    let host = RemoteHost::parse(request.resource.id()).ok().filter(|_| *request.action.spec() == *net::Connect::SPEC);
    let Some(address) = host.and_then(|host| host.address()) else { return true };
    let mut same = true;
    request.action.facts(&mut |name, fact| same &= name != "address" || fact == Fact::Ip(address));
    same
}

/// Merges ways with the same resource and policies, and their principals; what strangers may do, anyone may do.
fn told(found: Vec<(&PrincipalCrowd, RiskRequest)>) -> Vec<RiskRequest> {
    let mut ways: Vec<RiskRequest> = Vec::new();
    let strangers = found.iter().filter(|(crowd, _)| crowd.strangers).count();
    for (crowd, mut way) in found {
        if crowd.strangers {
            let who = if strangers == PRINCIPALS.len() {
                "anyone".to_owned()
            } else {
                format!("any {}", crowd.one.kind().to_lowercase())
            };
            way.who = vec![who];
        }
        let same = |known: &&mut RiskRequest| known.resource == way.resource && known.policies == way.policies;
        match ways.iter_mut().find(same) {
            Some(known) => {
                way.who.retain(|who| !known.who.contains(who));
                known.who.extend(way.who);
            }
            None => ways.push(way),
        }
    }
    ways
}

/// Groups the principals that the policy and its entities file name, and strangers of each type, by how the policies see them.
fn crowds(policy: &Policy) -> Vec<PrincipalCrowd> {
    let mut named: BTreeSet<Uid> = BTreeSet::new();
    for (number, rule) in policy.rules().iter().enumerate() {
        named.extend(rule.principal.entity.clone());
        if rule.condition.is_some() {
            let literals = policy.cedar(number).into_iter().flat_map(cedar_policy::Policy::entity_literals);
            named.extend(literals.map(|uid| Uid::from(&uid)));
        }
    }
    named.extend(policy.members().declared.keys().map(|(kind, id)| Uid::new(kind, id)));
    let strangers = PRINCIPALS.map(|kind| (principal(kind, ANYONE), true));
    let named = named.iter().filter(|uid| PRINCIPALS.contains(&&*uid.kind)).filter(|uid| &*uid.id != ANYONE);
    let all = strangers.into_iter().chain(named.map(|uid| (principal(&uid.kind, &uid.id), false)));
    let mut crowds: Vec<PrincipalCrowd> = Vec::new();
    let mut alike: BTreeMap<(String, Vec<Uid>, Vec<usize>), usize> = BTreeMap::new();
    for (one, strangers) in all {
        let groups = policy.groups(one.kind(), one.id());
        let seen = seen(policy, &one, &groups);
        let name = one.to_string();
        let place = *alike.entry((one.kind().to_owned(), groups, seen)).or_insert(crowds.len());
        match crowds.get_mut(place) {
            Some(crowd) => crowd.names.push(name),
            None => crowds.push(PrincipalCrowd { one, names: vec![name], strangers }),
        }
    }
    crowds
}

fn principal(kind: &str, id: &str) -> Principal {
    if kind == "User" { Principal::user(id) } else { Principal::agent(id) }
}

/// Returns the policies whose heads match a principal, and, after them, those that name it in their conditions.
fn seen(policy: &Policy, one: &Principal, groups: &[Uid]) -> Vec<usize> {
    let meets = |scope: &Scope| principal_meets(scope, one.kind(), one.id(), groups);
    let rules = || policy.rules().iter().enumerate();
    let concerns = rules().filter(|(_, rule)| meets(&rule.principal)).map(|(number, _)| number);
    let names = rules().filter(|(number, rule)| {
        rule.condition.is_some()
            && policy
                .cedar(*number)
                .into_iter()
                .flat_map(cedar_policy::Policy::entity_literals)
                .any(|uid| Uid::from(&uid).is(one.kind(), one.id()))
    });
    concerns.chain(names.map(|(number, _)| policy.len() + number)).collect()
}

/// Returns whether a program is one of the corpus that operations start only with `@allow("interpreter")`.
fn is_interpreter(id: &str) -> bool {
    RISKS
        .iter()
        .filter(|risk| ["runs-shell", "runs-interpreter", "runs-as-root-tool"].contains(&risk.name))
        .flat_map(|risk| risk.acts)
        .any(|act| act.ids.contains(&id) || act.like.iter().any(|glob| is_like(glob, id)))
}

/// Returns whether a text matches a glob: `*` matches text without a slash, `**` any text; `\` makes the next character literal.
fn is_like(glob: &str, text: &str) -> bool {
    let mut rest = glob.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let (glob, deep) = glob.strip_prefix("**").map_or((rest.as_str(), false), |glob| (glob, true));
            // `**/x` matches `x`, too.
            let none = deep && glob.strip_prefix('/').is_some_and(|glob| is_like(glob, text));
            let end = if deep { text.len() } else { text.find('/').unwrap_or(text.len()) };
            none || text
                .char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .take_while(|at| *at <= end)
                .any(|at| text.get(at..).is_some_and(|text| is_like(glob, text)))
        }
        Some(c) => {
            let c = if c == '\\' { rest.next().unwrap_or(c) } else { c };
            text.strip_prefix(c).is_some_and(|text| is_like(rest.as_str(), text))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn patterns_are_those_of_paths() {
        for (glob, text, like) in [
            ("/etc/cron*/*", "/etc/cron.d/x", true),
            ("/etc/cron*/*", "/etc/cron.d/x/y", false),
            ("**/.ssh/id_*", "/home/a/.ssh/id_rsa", true),
            ("**/*.key", "/a.key", true),
            ("/**/sh", "/bin/sh", true),
            ("/**/sh", "/bin/shh", false),
            ("/**", "/", true),
            ("ssh*", "ssh@1.service", true),
            ("http://\\[fd00:ec2::254]/**", "http://[fd00:ec2::254]/a/b", true),
            ("*SECRET*", "AWS_SECRET_KEY", true),
            ("", "a", false),
        ] {
            assert_eq!(is_like(glob, text), like, "{glob} {text}");
        }
    }

    /// Checks the corpus: an invalid id or an unknown action would be skipped silently.
    #[test]
    fn the_corpus_is_sound() {
        let names: BTreeSet<_> = RISKS.iter().map(|risk| risk.name).collect();
        assert_eq!(names.len(), RISKS.len());
        let sources = [crate::SourceText::new("all", "permit (principal, action, resource);")];
        let limits = crate::PolicyLimits::default();
        let everything = Policy::compile(&crate::Vocabulary::rex(), &sources, None, &limits).unwrap();
        let search = RiskSearch::new(&everything, None);
        for risk in RISKS {
            assert!(risk.why.ends_with('.') && !risk.title.ends_with('.') && !risk.acts.is_empty(), "{}", risk.name);
            for act in risk.acts {
                for spec in act.actions {
                    let crowd = &search.crowds[0];
                    let about = search.about(spec, crowd);
                    for id in act.ids {
                        assert!(search.way(act, spec, id, (crowd, &about)).is_some(), "{} {spec} {id}", risk.name);
                    }
                    let known =
                        |name: &str| spec.context.iter().chain(spec.resource.attributes).any(|fact| fact.name == name);
                    let shared = |name: &str| name == "mode";
                    assert!(act.facts.iter().all(|(name, _)| known(name) || shared(name)), "{} {spec}", risk.name);
                }
            }
        }
        assert!(RISKS.is_sorted_by_key(|risk| std::cmp::Reverse(risk.severity)));
    }
}
