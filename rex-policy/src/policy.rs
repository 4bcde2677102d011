//! The compiled policy: what decides.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use cedar_policy::{AuthorizationError, Authorizer, PolicyId, PolicySet};
use foldhash::HashMap;
use rex_core::{ActionSpec, Authorize, Decision, DeniedCall, Effect, Request, Subject, Timestamp};
use sha2::{Digest, Sha256};

use crate::annotation::Sort;
use crate::cache::{Caches, KeyWriter};
use crate::clause::Clauses;
use crate::compile::{Compiled, compile};
use crate::evaluate::{Known, Outcome, Parties, Strangers, Trouble, failure};
use crate::finding::{Finding, Rejected, Severity, Source, Stand, Text};
use crate::index::{Index, Lineage, principal_meets};
use crate::limits::PolicyLimits;
use crate::members::{Above, Members};
use crate::rule::{Needs, Rule, Uid};
use crate::vocabulary::{PRINCIPALS, Vocabulary, same_type};

/// For how many principals of each type the index is kept. A run has one.
const PRINCIPALS_KEPT: usize = 256;

/// A policy that was compiled: parsed, validated strictly, and ready to decide.
///
/// Shared between threads. Decisions are the same as those of Cedar's own `is_authorized` over all policies, except that an
/// error in any policy is a denial; see [`decide_fully`](Self::decide_fully).
pub struct Policy {
    compiled: Compiled,
    actions: &'static [&'static ActionSpec],
    /// By type of principal, by id.
    slices: [RwLock<HashMap<String, Arc<Slice>>>; PRINCIPALS.len()],
    all: OnceLock<PolicySet>,
    strangers: Strangers,
    digest: Arc<str>,
}

/// What concerns one principal.
struct Slice {
    groups: Vec<Uid>,
    rules: Vec<u32>,
    /// By the action's place in the table.
    actions: Vec<OnceLock<Result<ActionSlice, Trouble>>>,
    caches: Caches,
}

/// What concerns one principal and one action.
struct ActionSlice {
    index: Index,
    parties: Parties,
    kind: String,
    above: Option<Arc<Above>>,
    /// What any of the policies looks at.
    needs: Needs,
}

impl Policy {
    /// Compiles policies from one or more texts, with an entities file that says who is in which group and what is in which
    /// class.
    ///
    /// The id of a policy, which decisions name, is what its annotation `@id("...")` says, else the name of the
    /// source and the line: `host.cedar:12`.
    ///
    /// # Errors
    /// With everything that is wrong: what does not parse, does not validate strictly, has an annotation that there is not, or is too
    /// much.
    pub fn compile(
        vocabulary: &Vocabulary,
        sources: &[Source],
        entities: Option<&Source>,
        limits: &PolicyLimits,
    ) -> Result<Self, Rejected> {
        Self::of_sort(vocabulary, sources, entities, limits, Sort::Policies)
    }

    /// Compiles properties, which policies are held to: each statement says by its annotation `@prove` which property it is. What is
    /// compiled so is to decide nothing.
    ///
    /// # Errors
    /// As [`compile`](Self::compile), and if a statement has no `@prove`, or one that its effect cannot state.
    pub fn properties(
        vocabulary: &Vocabulary,
        sources: &[Source],
        entities: Option<&Source>,
        limits: &PolicyLimits,
    ) -> Result<Self, Rejected> {
        Self::of_sort(vocabulary, sources, entities, limits, Sort::Properties)
    }

    /// Compiles properties if each statement has an annotation `@prove`, and else policies: for reviews, which look at a ceiling as at
    /// policies. What is compiled so is to decide nothing.
    ///
    /// # Errors
    /// As [`compile`](Self::compile) and [`properties`](Self::properties).
    pub fn compile_either(
        vocabulary: &Vocabulary,
        sources: &[Source],
        entities: Option<&Source>,
        limits: &PolicyLimits,
    ) -> Result<Self, Rejected> {
        Self::of_sort(vocabulary, sources, entities, limits, Sort::Either)
    }

    fn of_sort(
        vocabulary: &Vocabulary,
        sources: &[Source],
        entities: Option<&Source>,
        limits: &PolicyLimits,
        sort: Sort,
    ) -> Result<Self, Rejected> {
        let compiled =
            compile(vocabulary, sources, entities, limits, sort).map_err(|findings| Rejected { findings })?;
        let digest = digest(sources, entities);
        let actions = vocabulary.actions();
        let looks = compiled.rules.iter().zip(&compiled.policies).filter(|(rule, _)| rule.needs().strangers);
        let strangers = Strangers::new(actions, looks.map(|(_, policy)| policy.clone())).map_err(|trouble| {
            Rejected { findings: vec![Finding::new(Severity::Error, &Text::name_only("policies"), None, trouble)] }
        })?;
        Ok(Self { compiled, actions, slices: Default::default(), all: OnceLock::new(), strangers, digest })
    }

    /// What may not mean what its author thinks.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        &self.compiled.warnings
    }

    /// How many policies there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.compiled.rules.len()
    }

    /// Whether there is no policy, so that everything is denied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.compiled.rules.is_empty()
    }

    /// The ids of the policies, in the order of the sources.
    pub fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.compiled.rules.iter().map(|rule| &rule.id)
    }

    /// Decides by Cedar's own `is_authorized` over all policies, without index and cache. Slow; it is what
    /// [`decide`](Authorize::decide) is tested against.
    #[must_use]
    pub fn decide_fully(&self, request: &Request<'_>) -> Decision {
        self.by_cedar(self.all(), request, &self.compiled.members)
            .map_or_else(|trouble| Decision::deny(Some(&trouble)), |outcome| outcome.decision())
    }

    /// Whether one policy applies, whatever the others do, if these are the members of groups and classes. An error is no.
    #[cfg(feature = "prove")]
    pub(crate) fn applies(&self, number: usize, request: &Request<'_>, members: &Members) -> bool {
        let one = self.cedar(number).map(|policy| policy.new_id(PolicyId::new(number.to_string())));
        let Ok(set) = PolicySet::from_policies(one) else { return false };
        let outcome = self.by_cedar(&set, request, members);
        outcome.is_ok_and(|outcome| !outcome.permits.is_empty() || !outcome.forbids.is_empty())
    }

    /// What comes of policies by Cedar's own `is_authorized`, if these are the members of groups and classes. Where one forbids, it
    /// does not say which permit.
    pub(crate) fn by_cedar(
        &self,
        policies: &PolicySet,
        request: &Request<'_>,
        members: &Members,
    ) -> Result<Outcome<'_>, Trouble> {
        self.kind(request)?;
        self.action(request)?;
        let subject = &request.subject.principal;
        let groups = members.above(subject.kind()).and_then(|above| above.get(subject.id()));
        let groups = groups.map_or(&[][..], |groups| groups);
        let parties = Parties::new(subject.kind(), subject.id(), groups, request.action.spec())?;
        let entities = parties.all_entities(request, Known { members, strangers: &self.strangers })?;
        let response = Authorizer::new().is_authorized(&parties.full_request(request)?, policies, &entities);
        let numbered = |id: &PolicyId| AsRef::<str>::as_ref(id).parse::<usize>().ok();
        let mut holds: Vec<Result<bool, String>> = self.compiled.rules.iter().map(|_| Ok(false)).collect();
        for id in response.diagnostics().reason() {
            if let Some(holds) = numbered(id).and_then(|number| holds.get_mut(number)) {
                *holds = Ok(true);
            }
        }
        for AuthorizationError::PolicyEvaluationError(error) in response.diagnostics().errors() {
            if let Some(holds) = numbered(error.policy_id()).and_then(|number| holds.get_mut(number)) {
                *holds = Err(failure(request.resource, error.inner().to_string()));
            }
        }
        let mut outcome = Outcome::default();
        self.compiled.rules.iter().zip(holds).for_each(|(rule, holds)| outcome.add(rule, holds));
        Ok(outcome)
    }

    /// All policies, named by their numbers.
    pub(crate) fn all(&self) -> &PolicySet {
        self.all.get_or_init(|| {
            let mut set = PolicySet::new();
            for (number, policy) in self.compiled.policies.iter().enumerate() {
                // INVARIANT: numbers are unique and the policies static, which is all that `add` asks for.
                let _ = set.add(policy.new_id(PolicyId::new(number.to_string())));
            }
            set
        })
    }

    pub(crate) fn actions(&self) -> &'static [&'static ActionSpec] {
        self.actions
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.compiled.rules
    }

    /// Where a policy stands.
    pub(crate) fn stand(&self, number: usize) -> Option<&Stand> {
        self.compiled.stands.get(number)
    }

    /// Something that is found in a policy as a whole: its first line is underlined.
    pub(crate) fn finding(&self, number: usize, severity: Severity, message: String) -> Option<Finding> {
        let stand = self.stand(number)?;
        let length = stand.text().lines().next().map_or(0, str::len);
        let place = stand.place().map(|(start, _)| (start, length));
        Some(Finding::new(severity, &stand.text, place, message))
    }

    /// A policy as Cedar has it.
    pub(crate) fn cedar(&self, number: usize) -> Option<&cedar_policy::Policy> {
        self.compiled.policies.get(number)
    }

    /// The condition of a policy, taken apart.
    pub(crate) fn clauses(&self, number: usize) -> Option<Clauses> {
        self.compiled.policies.get(number)?.as_ref().non_scope_constraints().map(Clauses::new)
    }

    /// The type of what a request is about, if the request is one that policies can decide.
    pub(crate) fn checked(&self, request: &Request<'_>) -> Result<String, Trouble> {
        self.kind(request)?;
        self.action(request)?;
        Ok(request.resource.spec().to_string())
    }

    /// The policies that forbid, with their ids.
    pub(crate) fn forbids(&self) -> impl Iterator<Item = (&Arc<str>, &cedar_policy::Policy)> {
        let all = self.compiled.rules.iter().zip(&self.compiled.policies);
        all.filter(|(rule, _)| !rule.permit).map(|(rule, policy)| (&rule.id, policy))
    }

    /// What is in what.
    pub(crate) fn known(&self) -> Known<'_> {
        Known { members: &self.compiled.members, strangers: &self.strangers }
    }

    pub(crate) fn members(&self) -> &Members {
        &self.compiled.members
    }

    pub(crate) fn groups(&self, kind: &str, id: &str) -> Vec<Uid> {
        self.compiled.members.above(kind).and_then(|above| above.get(id)).cloned().unwrap_or_default()
    }

    /// The number of the principal's type.
    fn kind(&self, request: &Request<'_>) -> Result<usize, Trouble> {
        let kind = request.subject.principal.kind();
        PRINCIPALS
            .iter()
            .position(|known| *known == kind)
            .ok_or_else(|| format!("`{}` is no type of principal; there are `Agent` and `User`", kind.escape_debug()))
    }

    /// The number of the action.
    fn action(&self, request: &Request<'_>) -> Result<usize, Trouble> {
        let spec = request.action.spec();
        let same = |known: &ActionSpec| {
            std::ptr::eq(known, spec)
                || (known.name == spec.name
                    && known.namespace == spec.namespace
                    && same_type(known.resource, spec.resource))
        };
        let number = self.actions.iter().position(|known| same(known));
        let number = number.ok_or_else(|| format!("the policy knows no action `{spec}`"))?;
        if same_type(spec.resource, request.resource.spec()) {
            Ok(number)
        } else {
            Err(format!("`{spec}` is not an action on a `{}`", request.resource.spec()))
        }
    }

    fn slice(&self, kind: usize, request: &Request<'_>) -> Result<Arc<Slice>, Trouble> {
        let slices = self.slices.get(kind).ok_or("there is no such type of principal")?;
        let id = request.subject.principal.id();
        if let Some(slice) = slices.read().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Ok(slice.clone());
        }
        let kind = request.subject.principal.kind();
        let groups = self.groups(kind, id);
        let concerns = |number: &u32| {
            let rule = self.compiled.rules.get(*number as usize);
            rule.is_some_and(|rule| principal_meets(&rule.principal, kind, id, &groups))
        };
        let rules = (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).filter(concerns).collect();
        let actions = std::iter::repeat_with(OnceLock::new).take(self.actions.len()).collect();
        let slice = Arc::new(Slice { groups, rules, actions, caches: Caches::default() });
        let mut slices = slices.write().unwrap_or_else(PoisonError::into_inner);
        if slices.len() >= PRINCIPALS_KEPT {
            // Any one of them, so that those who ask in turn do not lose all that was kept.
            let any = slices.keys().next().cloned();
            any.map(|any| slices.remove(&any));
        }
        Ok(slices.entry(id.to_owned()).or_insert(slice).clone())
    }

    fn action_slice(&self, slice: &Slice, request: &Request<'_>) -> Result<ActionSlice, Trouble> {
        let subject = &request.subject.principal;
        let spec = request.action.spec();
        let kind = spec.resource.to_string();
        let index = Index::new(&self.compiled.rules, &slice.rules, spec, &kind);
        let rules = index.all().filter_map(|number| self.compiled.rules.get(number as usize));
        let needs = rules.fold(Needs::default(), |sum, rule| sum.union(rule.needs()));
        let above = self.compiled.members.above(&kind).cloned();
        let parties = Parties::new(subject.kind(), subject.id(), &slice.groups, spec)?;
        Ok(ActionSlice { index, parties, kind, above, needs })
    }

    fn prepared<'s>(&self, slice: &'s Slice, number: usize, request: &Request<'_>) -> Result<&'s ActionSlice, Trouble> {
        let action = slice.actions.get(number).ok_or("there is no such action")?;
        action.get_or_init(|| self.action_slice(slice, request)).as_ref().map_err(Clone::clone)
    }

    /// The policies whose heads meet a request, as the index finds them: without those whose condition starts with what the resource
    /// is not.
    pub(crate) fn candidates(&self, request: &Request<'_>) -> Result<Vec<usize>, Trouble> {
        let (kind, number) = (self.kind(request)?, self.action(request)?);
        let slice = self.slice(kind, request)?;
        let action = self.prepared(&slice, number, request)?;
        let lineage = Lineage::new(&action.kind, request.resource, action.above.as_deref());
        let found = action.index.candidates(&self.compiled.rules, &lineage, request.resource);
        Ok(found.into_iter().map(|number| number as usize).collect())
    }

    fn try_decide(&self, request: &Request<'_>) -> Result<Decision, Trouble> {
        let kind = self.kind(request)?;
        let number = self.action(request)?;
        let slice = self.slice(kind, request)?;
        let action = self.prepared(&slice, number, request)?;
        let cached = slice.caches.own().get(|key| action.key(number, request, key));
        let key = match cached {
            Ok(decision) => return Ok(decision),
            Err(key) => key,
        };
        let (decision, cacheable) = self.evaluate(action, request)?;
        if let Some(key) = key.filter(|_| cacheable) {
            slice.caches.own().put(key, decision.clone());
        }
        Ok(decision)
    }

    /// The decision, and whether it is the same at another time, for another script and under other tags.
    fn evaluate(&self, action: &ActionSlice, request: &Request<'_>) -> Result<(Decision, bool), Trouble> {
        let lineage = Lineage::new(&action.kind, request.resource, action.above.as_deref());
        let candidates = action.index.candidates(&self.compiled.rules, &lineage, request.resource);
        let candidates = candidates.iter().filter_map(|number| self.compiled.rules.get(*number as usize));
        let needs = candidates.clone().fold(Needs::default(), |sum, rule| sum.union(rule.needs()));
        let outcome = Outcome::of(candidates, needs, &action.parties, request, &lineage, self.known())?;
        Ok((outcome.decision(), !needs.now && !needs.subject))
    }
}

impl ActionSlice {
    /// Writes all that the decision depends on, except the principal, whose cache it is, and what is not cached.
    fn key(&self, number: usize, request: &Request<'_>, key: &mut KeyWriter<'_>) {
        let id = request.resource.id();
        key.number(number);
        key.text(id);
        let more = !request.resource.id_says_all();
        key.more(more);
        if more {
            self.resource_key(request, id, key);
        }
        if self.needs.facts {
            request.action.facts(&mut |name, fact| key.fact(id, name, fact));
        }
    }

    /// What its id does not say of the resource.
    fn resource_key(&self, request: &Request<'_>, id: &str, key: &mut KeyWriter<'_>) {
        request.resource.ancestors(&mut |ancestor| {
            key.more(true);
            key.part_of(id, ancestor);
        });
        key.more(false);
        if self.needs.attributes {
            request.resource.attributes(&mut |name, fact| key.fact(id, name, fact));
        }
        key.more(false);
    }
}

impl Authorize for Policy {
    fn decide(&self, request: &Request<'_>) -> Decision {
        self.try_decide(request).unwrap_or_else(|trouble| Decision::deny(Some(&trouble)))
    }

    fn remedy(&self, request: &Request<'_>, decision: &Decision) -> Option<String> {
        (decision.effect == Effect::Deny).then(|| self.advice(request, decision))
    }

    fn remedies(&self, subject: &Subject, now: Timestamp, calls: &[DeniedCall]) -> Option<String> {
        Some(self.advice_on(subject, now, calls))
    }

    fn digest(&self) -> Option<Arc<str>> {
        Some(self.digest.clone())
    }
}

/// The SHA-256 of all texts, each with its length, so that no other division into files gives the same; the entities last.
fn digest(sources: &[Source], entities: Option<&Source>) -> Arc<str> {
    let mut hash = Sha256::new();
    for text in sources.iter().chain(entities).map(|source| source.text.as_bytes()) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    // Entities are no policy, even where they would parse as one.
    hash.update([u8::from(entities.is_some())]);
    format!("{:x}", hash.finalize()).into()
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("policies", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rex_core::action::fs;
    use rex_core::{AbsPath, Authorize, Principal, Subject, Timestamp};

    use super::*;

    #[test]
    fn one_principal_too_many_does_not_take_what_was_kept_for_all_others() {
        let sources = [Source::new("p.cedar", "permit (principal, action, resource);")];
        let policy = Policy::compile(&Vocabulary::rex(), &sources, None, &PolicyLimits::default()).unwrap();
        let file = AbsPath::parse("/f").unwrap();
        for number in 0..=PRINCIPALS_KEPT {
            let subject = Subject::new(Principal::agent(&number.to_string()));
            let now = Timestamp::from_micros(0);
            policy.decide(&Request { subject: &subject, action: &fs::Read {}, resource: &file, now });
        }
        let kept = policy.slices.iter().map(|slices| slices.read().unwrap().len()).max();
        assert_eq!(kept, Some(PRINCIPALS_KEPT));
    }
}
