//! Proofs against decisions on random requests.

use std::fmt::Write;

use arbitrary::Unstructured;
use rex_core::{Effect, Request, Timestamp};

use super::{Asked, Random, World, compile, everything};
use crate::rule::Rule;
use crate::{Policy, Proof, ProveError, Prover, Solver, Source, Verdict};

/// How many of the properties were proved, refuted and left undecided.
pub type Verdicts = [usize; 3];

/// Reads a policy and properties of it from `data`, and asserts that no random request is at odds with what a solver proves. `None` if
/// they do not validate.
///
/// # Errors
/// If the solver cannot go on.
///
/// # Panics
/// If a request is.
pub fn proofs_agree(data: &[u8], solver: &mut dyn Solver) -> Result<Option<Verdicts>, ProveError> {
    let mut random = Random(Unstructured::new(data));
    // INVARIANT: bytes that have run out read as zeros, so every choice is made.
    let Ok(Some((world, stated, properties))) = random.stated() else { return Ok(None) };
    let mut prover = Prover::new(solver)?;
    let mut proofs = prover.prove(&world.policy, &properties)?;
    let verdict = prover.same(&world.policy, &properties)?;
    proofs.push(Proof { property: SAME.to_owned(), claim: "", verdict });
    let (mut proved, mut refuted, mut undecided) = (Vec::new(), 0, 0);
    for proof in &proofs {
        match proof.verdict {
            Verdict::Proved => proved.push(&*proof.property),
            Verdict::Refuted(_) => refuted += 1,
            Verdict::Undecided(_) => undecided += 1,
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

/// What stands for "both mean the same".
const SAME: &str = "same";

impl Random<'_> {
    fn stated(&mut self) -> arbitrary::Result<Option<(World, [Source; 1], Policy)>> {
        let Some(world) = self.world()? else { return Ok(None) };
        let mut text = "@id(\"p0\") @prove(\"no-error\") permit (principal, action, resource);\n".to_owned();
        for number in 1..=self.0.int_in_range(2..=6)? {
            let _ = writeln!(text, "@id(\"p{number}\") {}", self.policy()?);
        }
        let stated = [Source::new("properties", text)];
        Ok(compile(&stated, &world.entities).map(|properties| (world, stated, properties)))
    }

    fn requests(&mut self) -> arbitrary::Result<Vec<Asked>> {
        let mut all = Vec::new();
        for _ in 0..4 {
            let (subject, now) = (self.subject()?, Timestamp::from_micros(self.0.int_in_range(0..=4)? * 1_000_000));
            for (action, resource) in everything(self.bytes()?) {
                all.push(Asked { subject: subject.clone(), action, resource, now });
            }
        }
        Ok(all)
    }
}

/// Whether a property holds of a request, by what Cedar makes of each policy.
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
