//! Proofs against decisions on random requests.

use std::fmt::Write;

use arbitrary::{Result, Unstructured};
use rex_core::{Effect, Request};

use super::{Random, World, compile, everything};
use crate::rule::Rule;
use crate::{Policy, Prover, Solver, Source, Verdict};

/// How many of the properties were proved, refuted and left undecided.
pub type Verdicts = [usize; 3];

/// Reads a policy and properties of it from `data`, and asserts that no random request is at odds with what a solver proves. `None` if
/// they do not validate.
///
/// # Panics
/// If one is, or the solver cannot go on.
#[must_use]
pub fn proofs_agree(data: &[u8], solver: &mut dyn Solver) -> Option<Verdicts> {
    Random(Unstructured::new(data)).proofs_agree(solver).unwrap_or(None)
}

impl Random<'_> {
    fn proofs_agree(&mut self, solver: &mut dyn Solver) -> Result<Option<Verdicts>> {
        let Some(World { policy, sources, entities }) = self.world()? else { return Ok(None) };
        let mut text = "@id(\"p0\") @prove(\"no-error\") permit (principal, action, resource);\n".to_owned();
        for number in 1..=self.0.int_in_range(2..=6)? {
            let _ = writeln!(text, "@id(\"p{number}\") {}", self.policy()?);
        }
        let stated = [Source::new("properties", text)];
        let Some(properties) = compile(&stated, &entities) else { return Ok(None) };
        let mut prover = Prover::new(solver).unwrap_or_else(|error| panic!("{error}"));
        let proofs =
            prover.prove(&policy, &properties).unwrap_or_else(|error| panic!("{error}\n{sources:?}\n{stated:?}"));
        let same = prover.same(&policy, &properties).unwrap_or_else(|error| panic!("{error}"));
        let mut verdicts = Verdicts::default();
        for verdict in proofs.iter().map(|proof| &proof.verdict).chain([&same]) {
            verdicts[match verdict {
                Verdict::Proved => 0,
                Verdict::Refuted(_) => 1,
                Verdict::Undecided(_) => 2,
            }] += 1;
        }
        let proved: Vec<_> = proofs
            .iter()
            .filter(|proof| matches!(proof.verdict, Verdict::Proved))
            .map(|proof| &*proof.property)
            .collect();
        let same = matches!(same, Verdict::Proved);
        for _ in 0..4 {
            let mut asked = self.asked()?;
            for (action, resource) in everything(self.bytes()?) {
                (asked.action, asked.resource) = (action, resource);
                let request = asked.request();
                for property in &proved {
                    let holds = holds(property, &policy, &properties, &request);
                    assert!(holds, "{property}\n{sources:?}\n{stated:?}\n{entities:?}\n{request:?}");
                }
                let alike = policy.decide_fully(&request).effect == properties.decide_fully(&request).effect;
                assert!(alike || !same, "{sources:?}\n{stated:?}\n{entities:?}\n{request:?}");
            }
        }
        Ok(Some(verdicts))
    }
}

/// Whether a property holds of a request, by what Cedar makes of each policy.
fn holds(property: &str, policy: &Policy, properties: &Policy, request: &Request<'_>) -> bool {
    let decided = policy.by_cedar(policy.all(), request, policy.members());
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
