//! The compiled policy, which decides.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use cedar_policy::{AuthorizationError, Authorizer, PolicyId, PolicySet};
use foldhash::HashMap;
use rex_core::{ActionSpec, Authorize, Decision, DeniedCall, Effect, Request, Subject, Timestamp};
use sha2::{Digest, Sha256};

use crate::annotation::StatementKind;
use crate::cache::{KeyWriter, ThreadCaches};
use crate::clause::ClauseTree;
use crate::compile::{Compiled, compile};
use crate::evaluate::{CedarParts, EvalError, EvalOutcome, KnownMembers, NamedAncestors, failure};
use crate::finding::{Finding, PolicySpan, RejectedPolicy, Severity, SharedText, SourceText};
use crate::index::{Ancestry, Index, principal_meets};
use crate::limits::PolicyLimits;
use crate::members::{MemberAncestors, Members};
use crate::rule::{ConditionNeeds, Rule, Uid};
use crate::rule_set::RuleId;
use crate::vocabulary::{PRINCIPALS, Vocabulary, same_type};

/// Number of principals of each type whose index is kept. A run has one.
const PRINCIPALS_KEPT: usize = 256;

/// A compiled policy: parsed, validated strictly, and ready to decide.
///
/// Threads can share it. Its decisions are those of Cedar's own `is_authorized` over all policies, except that an error in any
/// policy is a denial; see [`decide_fully`](Self::decide_fully).
pub struct Policy {
    compiled: Compiled,
    actions: &'static [&'static ActionSpec],
    /// The slices by type of principal, then by id.
    slices: [RwLock<HashMap<String, Arc<PrincipalSlice>>>; PRINCIPALS.len()],
    all: OnceLock<PolicySet>,
    strangers: NamedAncestors,
    digest: Arc<str>,
}

/// The policies that concern one principal.
struct PrincipalSlice {
    groups: Vec<Uid>,
    rules: Vec<RuleId>,
    /// The slices by the action's place in the table.
    actions: Vec<OnceLock<Result<ActionSlice, EvalError>>>,
    caches: ThreadCaches,
}

/// The policies that concern one principal and one action.
struct ActionSlice {
    index: Index,
    parties: CedarParts,
    kind: String,
    above: Option<Arc<MemberAncestors>>,
    /// The data that any of the policies looks at.
    needs: ConditionNeeds,
}

impl Policy {
    /// Compiles policies from one or more texts, with an entities file that declares the members of groups and classes.
    ///
    /// The id of a policy, which decisions name, is its annotation `@id("...")`, else the name of the source and the line:
    /// `host.cedar:12`.
    ///
    /// # Errors
    /// With all findings: text that does not parse or does not validate strictly, unknown annotations, exceeded limits.
    pub fn compile(
        vocabulary: &Vocabulary,
        sources: &[SourceText],
        entities: Option<&SourceText>,
        limits: &PolicyLimits,
    ) -> Result<Self, RejectedPolicy> {
        Self::of_sort(vocabulary, sources, entities, limits, StatementKind::Policies)
    }

    /// Compiles properties, which policies are checked against. The annotation `@prove` of each statement says which property
    /// it is. The result is not meant to decide requests.
    ///
    /// # Errors
    /// As [`compile`](Self::compile), and if a statement has no `@prove`, or one that its effect cannot state.
    pub fn properties(
        vocabulary: &Vocabulary,
        sources: &[SourceText],
        entities: Option<&SourceText>,
        limits: &PolicyLimits,
    ) -> Result<Self, RejectedPolicy> {
        Self::of_sort(vocabulary, sources, entities, limits, StatementKind::Properties)
    }

    /// Compiles properties if the statements have annotations `@prove`, else policies: for reviews, which look at a ceiling as
    /// at policies. The result is not meant to decide requests.
    ///
    /// # Errors
    /// As [`compile`](Self::compile) and [`properties`](Self::properties).
    pub fn compile_either(
        vocabulary: &Vocabulary,
        sources: &[SourceText],
        entities: Option<&SourceText>,
        limits: &PolicyLimits,
    ) -> Result<Self, RejectedPolicy> {
        Self::of_sort(vocabulary, sources, entities, limits, StatementKind::Either)
    }

    fn of_sort(
        vocabulary: &Vocabulary,
        sources: &[SourceText],
        entities: Option<&SourceText>,
        limits: &PolicyLimits,
        sort: StatementKind,
    ) -> Result<Self, RejectedPolicy> {
        let compiled =
            compile(vocabulary, sources, entities, limits, sort).map_err(|findings| RejectedPolicy { findings })?;
        let digest = digest(sources, entities);
        let actions = vocabulary.actions();
        let looks = compiled.rules.iter().zip(&compiled.policies).filter(|(rule, _)| rule.needs().strangers);
        let strangers =
            NamedAncestors::new(actions, looks.map(|(_, policy)| policy.clone())).map_err(|error| RejectedPolicy {
                findings: vec![Finding::new(
                    Severity::Error,
                    &SharedText::name_only("policies"),
                    None,
                    error.to_string(),
                )],
            })?;
        Ok(Self { compiled, actions, slices: Default::default(), all: OnceLock::new(), strangers, digest })
    }

    /// Returns the warnings that were found while the policy was loaded.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        &self.compiled.warnings
    }

    /// Returns the number of policies.
    #[must_use]
    pub fn len(&self) -> usize {
        self.compiled.rules.len()
    }

    /// Returns `true` if no policy was loaded, so that everything is denied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.compiled.rules.is_empty()
    }

    /// Returns the ids of the policies, in the order of the sources.
    pub fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.compiled.rules.iter().map(|rule| &rule.id)
    }

    /// Decides by Cedar's own `is_authorized` over all policies, without index and cache. It is slow; tests compare
    /// [`decide`](Authorize::decide) with it.
    #[must_use]
    pub fn decide_fully(&self, request: &Request<'_>) -> Decision {
        self.by_cedar(self.all(), request, &self.compiled.members)
            .map_or_else(|error| Decision::deny(Some(&error.to_string())), |outcome| outcome.decision())
    }

    /// Returns whether one policy applies, whatever the others do, with these members of groups and classes; `false` if it is
    /// an error.
    #[cfg(feature = "prove")]
    pub(crate) fn applies(&self, number: usize, request: &Request<'_>, members: &Members) -> bool {
        let one = self.cedar(number).map(|policy| policy.new_id(PolicyId::new(number.to_string())));
        let Ok(set) = PolicySet::from_policies(one) else { return false };
        let outcome = self.by_cedar(&set, request, members);
        outcome.is_ok_and(|outcome| !outcome.permits.is_empty() || !outcome.forbids.is_empty())
    }

    /// Evaluates policies by Cedar's own `is_authorized`, with these members of groups and classes. If one forbids, the outcome
    /// does not say which permits apply.
    pub(crate) fn by_cedar(
        &self,
        policies: &PolicySet,
        request: &Request<'_>,
        members: &Members,
    ) -> Result<EvalOutcome<'_>, EvalError> {
        self.kind(request)?;
        self.action(request)?;
        let subject = &request.subject.principal;
        let groups = members.above(subject.kind()).and_then(|above| above.get(subject.id()));
        let groups = groups.map_or(&[][..], |groups| groups);
        let parties = CedarParts::new(subject.kind(), subject.id(), groups, request.action.spec())?;
        let entities = parties.all_entities(request, KnownMembers { members, strangers: &self.strangers })?;
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
        let mut outcome = EvalOutcome::default();
        self.compiled.rules.iter().zip(holds).for_each(|(rule, holds)| outcome.add(rule, holds));
        Ok(outcome)
    }

    /// Returns all policies, named by their numbers.
    pub(crate) fn all(&self) -> &PolicySet {
        self.all.get_or_init(|| {
            let mut set = PolicySet::new();
            for (number, policy) in self.compiled.policies.iter().enumerate() {
                // INVARIANT: numbers are unique and the policies static, which is all that `add` requires.
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

    /// Returns the place of a policy.
    pub(crate) fn stand(&self, number: usize) -> Option<&PolicySpan> {
        self.compiled.stands.get(number)
    }

    /// Returns a finding about a policy as a whole; its first line is underlined.
    pub(crate) fn finding(&self, number: usize, severity: Severity, message: String) -> Option<Finding> {
        let stand = self.stand(number)?;
        let length = stand.text().lines().next().map_or(0, str::len);
        let place = stand.place().map(|(start, _)| (start, length));
        Some(Finding::new(severity, &stand.text, place, message))
    }

    /// Returns a policy as Cedar represents it.
    pub(crate) fn cedar(&self, number: usize) -> Option<&cedar_policy::Policy> {
        self.compiled.policies.get(number)
    }

    /// Returns the clauses of the condition of a policy.
    pub(crate) fn clauses(&self, number: usize) -> Option<ClauseTree> {
        self.compiled.policies.get(number)?.as_ref().non_scope_constraints().map(ClauseTree::new)
    }

    /// Checks that policies can decide a request, and returns the type of its resource.
    pub(crate) fn checked(&self, request: &Request<'_>) -> Result<String, EvalError> {
        self.kind(request)?;
        self.action(request)?;
        Ok(request.resource.spec().to_string())
    }

    /// Returns the policies that forbid, with their ids.
    pub(crate) fn forbids(&self) -> impl Iterator<Item = (&Arc<str>, &cedar_policy::Policy)> {
        let all = self.compiled.rules.iter().zip(&self.compiled.policies);
        all.filter(|(rule, _)| !rule.permit).map(|(rule, policy)| (&rule.id, policy))
    }

    /// Returns the memberships that are known without a request.
    pub(crate) fn known(&self) -> KnownMembers<'_> {
        KnownMembers { members: &self.compiled.members, strangers: &self.strangers }
    }

    pub(crate) fn members(&self) -> &Members {
        &self.compiled.members
    }

    pub(crate) fn groups(&self, kind: &str, id: &str) -> Vec<Uid> {
        self.compiled.members.above(kind).and_then(|above| above.get(id)).cloned().unwrap_or_default()
    }

    /// Returns the number of the principal's type.
    fn kind(&self, request: &Request<'_>) -> Result<usize, EvalError> {
        let kind = request.subject.principal.kind();
        PRINCIPALS.iter().position(|known| *known == kind).ok_or_else(|| EvalError::PrincipalType(kind.to_owned()))
    }

    /// Returns the number of the action.
    fn action(&self, request: &Request<'_>) -> Result<usize, EvalError> {
        let spec = request.action.spec();
        let same = |known: &ActionSpec| {
            std::ptr::eq(known, spec)
                || (known.name == spec.name
                    && known.namespace == spec.namespace
                    && same_type(known.resource, spec.resource))
        };
        let number = self.actions.iter().position(|known| same(known));
        let number = number.ok_or(EvalError::UnknownAction(spec))?;
        if same_type(spec.resource, request.resource.spec()) {
            Ok(number)
        } else {
            Err(EvalError::WrongResource(spec, request.resource.spec()))
        }
    }

    fn slice(&self, kind: usize, request: &Request<'_>) -> Result<Arc<PrincipalSlice>, EvalError> {
        let slices = self.slices.get(kind).ok_or(EvalError::Missing("type of principal"))?;
        let id = request.subject.principal.id();
        if let Some(slice) = slices.read().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Ok(slice.clone());
        }
        let kind = request.subject.principal.kind();
        let groups = self.groups(kind, id);
        let rules = self.compiled.rules.with_ids();
        let rules = rules.filter(|(_, rule)| principal_meets(&rule.principal, kind, id, &groups)).map(|(id, _)| id);
        let rules = rules.collect();
        let actions = std::iter::repeat_with(OnceLock::new).take(self.actions.len()).collect();
        let slice = Arc::new(PrincipalSlice { groups, rules, actions, caches: ThreadCaches::default() });
        let mut slices = slices.write().unwrap_or_else(PoisonError::into_inner);
        if slices.len() >= PRINCIPALS_KEPT {
            // Remove just one, so that principals that ask in turn do not lose everything.
            let any = slices.keys().next().cloned();
            any.map(|any| slices.remove(&any));
        }
        Ok(slices.entry(id.to_owned()).or_insert(slice).clone())
    }

    fn action_slice(&self, slice: &PrincipalSlice, request: &Request<'_>) -> Result<ActionSlice, EvalError> {
        let subject = &request.subject.principal;
        let spec = request.action.spec();
        let kind = spec.resource.to_string();
        let index = Index::new(&self.compiled.rules, &slice.rules, spec, &kind)?;
        let mut needs = ConditionNeeds::default();
        for id in index.all() {
            needs = needs.union(self.compiled.rules.rule(id)?.needs());
        }
        let above = self.compiled.members.above(&kind).cloned();
        let parties = CedarParts::new(subject.kind(), subject.id(), &slice.groups, spec)?;
        Ok(ActionSlice { index, parties, kind, above, needs })
    }

    fn prepared<'s>(
        &self,
        slice: &'s PrincipalSlice,
        number: usize,
        request: &Request<'_>,
    ) -> Result<&'s ActionSlice, EvalError> {
        let action = slice.actions.get(number).ok_or(EvalError::Missing("action"))?;
        action.get_or_init(|| self.action_slice(slice, request)).as_ref().map_err(Clone::clone)
    }

    /// Returns the policies whose heads match a request, as the index finds them: without those whose condition starts with
    /// something that excludes the resource.
    pub(crate) fn candidates(&self, request: &Request<'_>) -> Result<Vec<usize>, EvalError> {
        let (kind, number) = (self.kind(request)?, self.action(request)?);
        let slice = self.slice(kind, request)?;
        let action = self.prepared(&slice, number, request)?;
        let lineage = Ancestry::new(&action.kind, request.resource, action.above.as_deref());
        let found = action.index.candidates(&self.compiled.rules, &lineage, request.resource)?;
        Ok(found.into_iter().map(|(id, _)| id.index()).collect())
    }

    fn try_decide(&self, request: &Request<'_>) -> Result<Decision, EvalError> {
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

    /// Returns the decision, and whether it can be cached: it does not depend on the time, the script or the tags.
    fn evaluate(&self, action: &ActionSlice, request: &Request<'_>) -> Result<(Decision, bool), EvalError> {
        let lineage = Ancestry::new(&action.kind, request.resource, action.above.as_deref());
        let candidates = action.index.candidates(&self.compiled.rules, &lineage, request.resource)?;
        let candidates = candidates.iter().map(|(_, rule)| *rule);
        let needs = candidates.clone().fold(ConditionNeeds::default(), |sum, rule| sum.union(rule.needs()));
        let outcome = EvalOutcome::of(candidates, needs, &action.parties, request, &lineage, self.known())?;
        Ok((outcome.decision(), !needs.now && !needs.subject))
    }
}

impl ActionSlice {
    /// Writes everything that the decision depends on, except the principal, which has its own cache, and what is not cached.
    fn key(&self, number: usize, request: &Request<'_>, key: &mut KeyWriter<'_>) {
        let id = request.resource.id();
        key.number(number);
        key.text(id);
        let more = !request.resource.id_is_complete();
        key.more(more);
        if more {
            self.resource_key(request, id, key);
        }
        if self.needs.facts {
            request.action.facts(&mut |name, fact| key.fact(id, name, fact));
        }
    }

    /// Writes what the id does not say of the resource.
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
        self.try_decide(request).unwrap_or_else(|error| Decision::deny(Some(&error.to_string())))
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

/// Returns the SHA-256 of all texts, each with its length, so that another division into files differs; the entities come last.
fn digest(sources: &[SourceText], entities: Option<&SourceText>) -> Arc<str> {
    let mut hash = Sha256::new();
    for text in sources.iter().chain(entities).map(|source| source.text.as_bytes()) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    // Entities are not policies, even if they would parse as policies.
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
        let sources = [SourceText::new("p.cedar", "permit (principal, action, resource);")];
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
