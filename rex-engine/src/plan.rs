//! Plans: what a script would do, found out by running it on an [`Overlay`](rex_sdk::Overlay), and held to when it runs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use blake3::Hasher;
use rex_core::journal::Event;
use rex_core::{Authorize, Code, Decision, DeniedCall, Effect, Error, Record, Request, Subject, Timestamp, Value};
use rex_sdk::overlay::{self, Seen};
use serde::{Deserialize, Serialize};

use crate::Report;

/// What a script would do, what it would be denied, and what that rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The BLAKE3 of its [`parts`](Self::parts). A plan with the same hash does the same, as far as that is known beforehand.
    pub hash: String,
    /// The BLAKE3 of each part of the plan, by its name in [`PARTS`].
    pub parts: BTreeMap<String, String>,
    /// Whatever would change something, or reach out, and is permitted; in its order.
    pub steps: Vec<Step>,
    /// What is denied, in its order.
    pub denials: Vec<Refused>,
    /// What was read below.
    pub reads: Vec<Seen>,
}

/// The parts of a plan: their names, and what people call them.
pub const PARTS: [(&str, &str); 6] = [
    ("script", "the script"),
    ("arguments", "its arguments, or its base directory"),
    ("subject", "on whose behalf it runs, or its tags"),
    ("policy", "the policy"),
    ("steps", "what it would do"),
    ("reads", "what it reads"),
];

/// Something that is permitted, and changes something or reaches out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its number in the journal.
    pub sequence: u64,
    /// The line of the script.
    pub line: Option<u32>,
    /// The operation that asks for it.
    pub operation: String,
    /// What it is: `fs::write`.
    pub action: String,
    /// The id of what it is done to.
    pub resource: String,
    /// The facts about it that were decided on.
    pub context: serde_json::Value,
    /// The policies that permit it.
    pub policies: Vec<String>,
    /// What came of it; nothing where the system refuses it, so that nothing would be done.
    pub done: Option<Done>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What else belongs to it: what was written, by its hash; the name that a file had before.
    pub about: String,
    /// Whether what the script saw of it is assumed, and so all that follows from that.
    pub assumed: bool,
}

/// Something that is denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The line of the script.
    pub line: Option<u32>,
    /// The operation that asks for it.
    pub operation: String,
    /// What it is: `fs::write`.
    pub action: String,
    /// The id of what it is done to.
    pub resource: String,
    /// The policies that deny it; none if no permit matches.
    pub policies: Vec<String>,
    /// Their reason, or what went wrong.
    pub reason: Option<String>,
}

impl Plan {
    /// What a run on an overlay found out: its report, the overlay's effects, and what it read.
    ///
    /// `given` is what else the plan rests on, by the names in [`PARTS`]: the arguments, for instance.
    ///
    /// # Errors
    /// If the journal of the report is not all of it.
    pub fn new(
        report: &Report,
        effects: &[overlay::Effect],
        reads: Vec<Seen>,
        given: &[(&str, String)],
    ) -> Result<Self, Error> {
        if report.journal_omitted > 0 {
            let message = format!("a plan has {} records at most", report.journal.len());
            return Err(Error::new(Code::LimitExceeded, message)
                .with_help("the limit `journal_records` can be raised, or the script cut in two"));
        }
        // Backwards, so that of several with one number the first stays.
        let effects: HashMap<_, _> = effects.iter().rev().map(|effect| (effect.sequence, effect)).collect();
        let (mut steps, mut denials) = (Vec::new(), Vec::new());
        // From the end, as what a call came to stands after what it asked for.
        let mut well = false;
        for record in report.journal.iter().rev() {
            match &record.event {
                Event::Outcome { result, .. } => well = result.is_none(),
                Event::Decision { effect: Effect::Deny, .. } => denials.extend(Refused::new(record)),
                Event::Decision { action, .. } if action.has_effect() => {
                    let effect = effects.get(&record.sequence).copied();
                    steps.extend(Step::new(record, effect, well));
                }
                _ => {}
            }
        }
        steps.reverse();
        denials.reverse();
        let mut parts: BTreeMap<_, _> = given.iter().map(|(name, text)| ((*name).to_owned(), hash([text]))).collect();
        let deeds = steps.iter().map(Step::deed).chain(denials.iter().map(Refused::deed));
        parts.insert("steps".to_owned(), hash(deeds));
        let seen = |Seen { what, resource, hash }: &Seen| format!("{what}\0{resource}\0{hash}");
        parts.insert("reads".to_owned(), hash(reads.iter().map(seen)));
        let hash = hash(parts.iter().map(|(name, hash)| format!("{name} {hash}")));
        Ok(Self { hash, parts, steps, denials, reads })
    }

    /// What is not as in another plan, in the words of people: its parts, and of what it reads, what reads otherwise.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Vec<String> {
        let differs = |(name, _): &&(&str, &str)| self.parts.get(*name) != other.parts.get(*name);
        PARTS.iter().filter(differs).map(|(name, words)| self.difference(other, name, words)).collect()
    }

    fn difference(&self, other: &Self, name: &str, words: &str) -> String {
        let resource = match name {
            "reads" => first(&self.reads, &other.reads, Seen::clone).map(|seen| &seen.resource),
            "steps" => first(&self.steps, &other.steps, Step::deed).map(|step| &step.resource),
            _ => None,
        };
        resource.map_or_else(|| words.to_owned(), |resource| format!("{words}: `{}`", resource.escape_debug()))
    }
}

/// The first of these that is not in its place there, by this of each, or the first there that is missing here.
fn first<'a, T, K: PartialEq>(ours: &'a [T], theirs: &'a [T], key: impl Fn(&T) -> K) -> Option<&'a T> {
    let key = |all: &[T], at: usize| all.get(at).map(&key);
    let at = (0..ours.len().max(theirs.len())).find(|&at| key(ours, at) != key(theirs, at))?;
    ours.get(at).or(theirs.get(at))
}

impl Step {
    /// A step of a call that came to its end, or did not.
    fn new(record: &Record, effect: Option<&overlay::Effect>, well: bool) -> Option<Self> {
        let Event::Decision { action, resource, context, policies, .. } = &record.event else { return None };
        let done = effect.map(|effect| Done { about: effect.about.clone(), assumed: effect.assumed });
        // Of several permissions for one act, the effect has the number of one.
        let other = || well.then(|| Done { about: String::new(), assumed: false });
        Some(Self {
            sequence: record.sequence,
            line: record.call.line,
            operation: record.call.operation.to_owned(),
            action: action.to_string(),
            resource: resource.clone(),
            context: json(context.iter().map(|(name, value)| (*name, value))),
            policies: policies.iter().map(|id| (**id).to_owned()).collect(),
            done: done.or_else(other),
        })
    }

    fn deed(&self) -> String {
        let done = self.done.as_ref().map_or_else(|| "refused".to_owned(), |done| format!("done {}", done.about));
        format!("{}\0{}\0{}\0{done}", self.action, self.resource, self.context)
    }

    /// Whether a request asks for this step. What is known of the network only when it is reached is no part of that.
    fn is(&self, request: &Request<'_>) -> bool {
        let mut facts = BTreeMap::new();
        request.action.facts(&mut |name, fact| drop(facts.insert(name, Value::from(fact))));
        let spec = request.action.spec();
        let known = spec.namespace == "net" || json(facts.iter().map(|(name, value)| (*name, value))) == self.context;
        known && self.action == spec.to_string() && self.resource == request.resource.id()
    }
}

impl Refused {
    fn new(record: &Record) -> Option<Self> {
        let Event::Decision { action, resource, policies, reason, .. } = &record.event else { return None };
        Some(Self {
            line: record.call.line,
            operation: record.call.operation.to_owned(),
            action: action.to_string(),
            resource: resource.clone(),
            policies: policies.iter().map(|id| (**id).to_owned()).collect(),
            reason: reason.as_deref().map(str::to_owned),
        })
    }

    fn deed(&self) -> String {
        format!("denied\0{}\0{}", self.action, self.resource)
    }
}

fn json<'a>(facts: impl Iterator<Item = (&'static str, &'a Value)>) -> serde_json::Value {
    let entry = |(name, value): (&str, &Value)| (name.to_owned(), serde_json::to_value(value).unwrap_or_default());
    serde_json::Value::Object(facts.map(entry).collect())
}

fn hash<T: AsRef<[u8]>>(all: impl IntoIterator<Item = T>) -> String {
    let mut hasher = Hasher::new();
    for one in all {
        let bytes = one.as_ref();
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }
    hasher.finalize().to_string()
}

/// A policy that also holds a run to a plan: whatever changes something, or reaches out, is denied unless the plan has it next.
pub struct Held {
    policy: Arc<dyn Authorize>,
    steps: Mutex<VecDeque<Step>>,
}

impl Held {
    /// This policy, and these steps.
    pub fn new(policy: Arc<dyn Authorize>, steps: Vec<Step>) -> Self {
        Self { policy, steps: Mutex::new(steps.into()) }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Authorize for Held {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let decision = self.policy.decide(request);
        if decision.effect == Effect::Deny || !request.action.spec().has_effect() {
            return decision;
        }
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        match steps.front() {
            Some(step) if step.is(request) => {
                steps.pop_front();
                decision
            }
            Some(step) => Decision::deny(Some(&format!(
                "the plan has `{}` on `{}` next",
                step.action,
                step.resource.escape_debug()
            ))),
            None => Decision::deny(Some("the plan has nothing more")),
        }
    }

    fn remedy(&self, request: &Request<'_>, decision: &Decision) -> Option<String> {
        self.policy.remedy(request, decision)
    }

    fn remedies(&self, subject: &Subject, now: Timestamp, calls: &[DeniedCall]) -> Option<String> {
        self.policy.remedies(subject, now, calls)
    }

    fn digest(&self) -> Option<Arc<str>> {
        self.policy.digest()
    }
}
