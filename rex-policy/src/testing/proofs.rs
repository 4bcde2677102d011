//! Comparisons of proofs with decisions on random requests.

use std::fmt::Write;

use arbitrary::Unstructured;
use rex_core::{Authorize, Effect, Principal, Request, Subject, Timestamp};

use super::{RandomParts, TestRequest, TestWorld, compile, everything};
use crate::rule::Rule;
use crate::{
    DecisionChange, Policy, PolicyLimits, ProofVerdict, PropertyProof, ProveError, Prover, Solver, SourceText,
    Vocabulary,
};

/// Number of properties that were proved, refuted and left undecided.
pub type VerdictCounts = [usize; 3];

/// Reads a policy and properties of it from `data`, and asserts that no random request contradicts a proof. `None` if they do not validate.
///
/// # Errors
/// If the solver cannot continue.
///
/// # Panics
/// If a request does.
pub fn proofs_agree(data: &[u8], solver: &mut dyn Solver) -> Result<Option<VerdictCounts>, ProveError> {
    let mut random = RandomParts(Unstructured::new(data));
    // INVARIANT: exhausted input reads as zeros, so every choice is made.
    let Ok(Some((world, stated, properties))) = random.stated() else { return Ok(None) };
    let mut prover = Prover::new(solver)?;
    let mut proofs = prover.prove(&world.policy, &properties)?;
    let verdict = prover.same(&world.policy, &properties)?;
    proofs.push(PropertyProof { property: SAME.to_owned(), claim: "", verdict });
    let (mut proved, mut refuted, mut undecided) = (Vec::new(), 0, 0);
    for proof in &proofs {
        match proof.verdict {
            ProofVerdict::Proved => proved.push(&*proof.property),
            ProofVerdict::Refuted(_) => refuted += 1,
            ProofVerdict::Undecided(_) => undecided += 1,
            ProofVerdict::Vacuous(_) => {}
        }
    }
    for asked in random.requests().unwrap_or_default() {
        let request = asked.request();
        for property in &proved {
            let holds = holds(property, &world.policy, &properties, &request);
            assert!(holds, "{property}\n{world:?}\n{stated:?}\n{request:?}");
        }
    }
    Ok(Some([proved.len(), refuted, undecided]))
}

/// Number of differences found by deciding all requests, and of those that were reported.
pub type DifferenceCounts = [usize; 2];

/// Reads two policies from `data`, has both decide all requests, and asserts that [`Prover::diff`] reports each difference with a permit
/// that allows it, or does not call it proved for that action and type of principal. `None` if they do not validate.
///
/// # Errors
/// If the solver cannot continue.
///
/// # Panics
/// If a difference is hidden.
pub fn differences_are_told(data: &[u8], solver: &mut dyn Solver) -> Result<Option<DifferenceCounts>, ProveError> {
    let mut random = RandomParts(Unstructured::new(data));
    // INVARIANT: exhausted input reads as zeros, so every choice is made.
    let Ok(Some([older, newer])) = random.pair() else { return Ok(None) };
    let diff = Prover::new(solver)?.diff(&older.policy, &newer.policy)?;
    let (mut found, mut told) = (0, 0);
    for asked in random.all_requests().unwrap_or_default() {
        let request = asked.request();
        let [before, after] = [&older, &newer].map(|world| world.policy.decide(&request));
        let (change, permits) = match (before.effect, after.effect) {
            (Effect::Deny, Effect::Allow) => (DecisionChange::Allowed, &after.policies),
            (Effect::Allow, Effect::Deny) => (DecisionChange::Denied, &before.policies),
            _ => continue,
        };
        let (spec, kind) = (request.action.spec(), request.subject.principal.kind());
        let is_told = diff.differences.iter().any(|known| {
            let by = if change == DecisionChange::Allowed { &known.after } else { &known.before };
            (known.change, known.principal()) == (change, kind)
                && *known.action() == *spec
                && by.policies.iter().any(|id| permits.contains(id))
        });
        let is_proved = diff.examined.iter().any(|it| *it.action == *spec && it.principal == kind && it.is_proved());
        assert!(is_told || !is_proved, "{older:?}\n{newer:?}\n{request:?}\n{diff:?}");
        assert!(is_proved || !diff.proved, "{older:?}\n{newer:?}\n{diff:?}");
        found += 1;
        told += usize::from(is_told);
    }
    Ok(Some([found, told]))
}

/// The name of the property that both mean the same.
const SAME: &str = "same";

impl RandomParts<'_> {
    fn stated(&mut self) -> arbitrary::Result<Option<(TestWorld, [SourceText; 1], Policy)>> {
        let Some(world) = self.world()? else { return Ok(None) };
        let mut text = "@id(\"p0\") @prove(\"no-error\") permit (principal, action, resource);\n".to_owned();
        for number in 1..=self.0.int_in_range(2..=6)? {
            let policy = self.policy()?;
            let states = if policy.starts_with("permit") { "at-most" } else { "never" };
            let _ = writeln!(text, "@id(\"p{number}\") @prove(\"{states}\") {policy}");
        }
        let stated = [SourceText::new("properties", text)];
        let limits = PolicyLimits { impossible: true, ..PolicyLimits::default() };
        let properties = Policy::properties(&Vocabulary::rex(), &stated, Some(&world.entities), &limits);
        Ok(properties.ok().map(|properties| (world, stated, properties)))
    }

    /// Generates two policies that share some statements.
    fn pair(&mut self) -> arbitrary::Result<Option<[TestWorld; 2]>> {
        let entities = SourceText::new("entities", self.entities()?);
        let mut texts = [String::new(), String::new()];
        for number in 0..self.0.int_in_range(2..=6)? {
            let (policy, place) = (self.policy()?, self.0.int_in_range(0..=3)?);
            for (side, text) in texts.iter_mut().enumerate().filter(|(side, _)| place > 1 || place == *side) {
                // The same policy with an edited condition.
                let edited =
                    if side == 1 && self.0.ratio(1, 3)? { policy.replacen("\"/a", "\"/b", 1) } else { policy.clone() };
                let _ = writeln!(text, "@id(\"p{number}\") {edited}");
            }
        }
        let worlds = texts.map(|text| {
            let sources = [SourceText::new("policy", text)];
            let policy = compile(&sources, &entities)?;
            Some(TestWorld { policy, sources, entities: entities.clone() })
        });
        let [Some(older), Some(newer)] = worlds else { return Ok(None) };
        Ok(Some([older, newer]))
    }

    /// Generates all requests, by agents and by users.
    fn all_requests(&mut self) -> arbitrary::Result<Vec<TestRequest>> {
        let mut all = Vec::new();
        for (number, id) in ["x", "y", "z", "x", "y", "z"].into_iter().enumerate() {
            let principal = if number < 3 { Principal::agent(id) } else { Principal::user(id) };
            for told in [false, true] {
                let mut subject = Subject::new(principal.clone());
                (subject.script, subject.tags) =
                    if told { ("s".to_owned(), vec!["t=1".to_owned()]) } else { Default::default() };
                let now = Timestamp::from_micros(self.0.int_in_range(0..=4)? * 1_000_000);
                for (action, resource) in everything(self.bytes()?) {
                    all.push(TestRequest { subject: subject.clone(), action, resource, now });
                }
            }
        }
        Ok(all)
    }

    fn requests(&mut self) -> arbitrary::Result<Vec<TestRequest>> {
        let mut all = Vec::new();
        for _ in 0..4 {
            let (subject, now) = (self.subject()?, Timestamp::from_micros(self.0.int_in_range(0..=4)? * 1_000_000));
            for (action, resource) in everything(self.bytes()?) {
                all.push(TestRequest { subject: subject.clone(), action, resource, now });
            }
        }
        Ok(all)
    }
}

/// Returns whether a property holds for a request, by Cedar's evaluation of each policy.
fn holds(property: &str, policy: &Policy, properties: &Policy, request: &Request<'_>) -> bool {
    let decided = policy.by_cedar(policy.all(), request, policy.members());
    if property == SAME {
        return policy.decide_fully(request).effect == properties.decide_fully(request).effect;
    }
    if property == "p0" {
        return decided.is_ok_and(|outcome| outcome.errors.is_empty());
    }
    let ids: Vec<_> = property.split(", ").collect();
    let stated = properties.rules().iter().enumerate().filter(|(_, rule)| ids.contains(&&*rule.id));
    let (permits, forbids): (Vec<_>, Vec<_>) = stated.partition(|(_, rule)| rule.permit);
    let applies = |rules: &[(usize, &Rule)]| {
        rules.iter().any(|(number, _)| properties.applies(*number, request, properties.members()))
    };
    let denied = decided.map_or(Effect::Deny, |outcome| outcome.decision().effect) == Effect::Deny;
    denied || if permits.is_empty() { !applies(&forbids) } else { applies(&permits) }
}
