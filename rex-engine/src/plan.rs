//! Plans: what a script would do, found out by running it on an [`Overlay`](rex_sdk::Overlay), and held to when it runs.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blake3::Hasher;
use rex_core::action::fs;
use rex_core::journal::Event;
use rex_core::{
    Action, Authorize, Bond, Code, Decision, DeniedCall, Effect, Error, Record, Request, Subject, Timestamp, Value,
};
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
    /// Each call of an operation once, with its arguments by their hash, in the order of the first of each.
    pub calls: Vec<Called>,
}

/// A call of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// The name of the operation.
    pub operation: String,
    /// The BLAKE3 of its arguments.
    pub arguments: String,
}

/// The parts of a plan: their names, and what people call them.
pub const PARTS: [(&str, &str); 7] = [
    ("script", "the script"),
    ("arguments", "its arguments, or its base directory"),
    ("subject", "on whose behalf it runs, or its tags"),
    ("policy", "the policy"),
    ("steps", "what it would do"),
    ("reads", "what it reads"),
    ("calls", "what it calls, and with what"),
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
    /// The arguments of the call that asks for it, by their BLAKE3: whatever the script hands over is among them.
    pub arguments: String,
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
    /// What a run on an overlay found out: its report, the overlay's effects, what it read, and its [`Calls`].
    ///
    /// `given` is what else the plan rests on, by the names in [`PARTS`]: the arguments, for instance.
    ///
    /// # Errors
    /// If the journal of the report is not all of it.
    pub fn new(
        report: &Report,
        effects: &[overlay::Effect],
        reads: Vec<Seen>,
        calls: &[Called],
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
        let (mut well, mut ended) = (false, calls.iter().rev());
        let mut call = None;
        for record in report.journal.iter().rev() {
            match &record.event {
                Event::Outcome { result, .. } => (well, call) = (result.is_none(), ended.next()),
                Event::Decision { effect: Effect::Deny, .. } => denials.extend(Refused::new(record)),
                Event::Decision { action, .. } if action.has_effect() => {
                    let effect = effects.get(&record.sequence).copied();
                    steps.extend(Step::new(record, effect, call, well));
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
        let mut once = HashSet::new();
        let calls: Vec<_> =
            calls.iter().filter(|call| once.insert((&call.operation, &call.arguments))).cloned().collect();
        parts.insert("calls".to_owned(), hash(calls.iter().map(Called::told)));
        let hash = hash(parts.iter().map(|(name, hash)| format!("{name} {hash}")));
        Ok(Self { hash, parts, steps, denials, reads, calls })
    }

    /// What is not as in another plan, in the words of people: its parts, and of what it reads, what reads otherwise.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Vec<String> {
        let differs = |name: &str| self.parts.get(name) != other.parts.get(name);
        // Where the steps differ, the calls that they come from do, too.
        let told = |(name, _): &&(&str, &str)| differs(name) && (*name != "calls" || !differs("steps"));
        PARTS.iter().filter(told).map(|(name, words)| self.difference(other, name, words)).collect()
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

impl Called {
    fn told(&self) -> String {
        format!("{}\0{}", self.operation, self.arguments)
    }
}

impl Step {
    /// A step of a call that came to its end, or did not.
    fn new(record: &Record, effect: Option<&overlay::Effect>, call: Option<&Called>, well: bool) -> Option<Self> {
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
            arguments: call.map(|call| call.arguments.clone()).unwrap_or_default(),
            context: json(context.iter().map(|(name, value)| (*name, value))),
            policies: policies.iter().map(|id| (**id).to_owned()).collect(),
            done: done.or_else(other),
        })
    }

    /// The step in a message.
    fn named(&self) -> String {
        format!("`{}` on `{}`", self.action, self.resource.escape_debug())
    }

    fn deed(&self) -> String {
        let done = self.done.as_ref().map_or_else(|| "refused".to_owned(), |done| format!("done {}", done.about));
        format!("{}\0{}\0{}\0{}\0{done}", self.action, self.resource, self.arguments, self.context)
    }

    /// Whether a request asks for this step.
    fn is(&self, request: &Request<'_>) -> bool {
        let mut facts = BTreeMap::new();
        request.action.facts(&mut |name, fact| drop(facts.insert(name, Value::from(fact))));
        let context = json(facts.iter().map(|(name, value)| (*name, value)));
        self.is_recorded_as(&request.action.spec().to_string(), request.resource.id(), &context)
    }

    /// Whether a record is about this step: its action, its resource, and its facts as JSON. What is known of the network only when it is
    /// reached is no part of that.
    #[must_use]
    pub fn is_recorded_as(&self, action: &str, resource: &str, context: &serde_json::Value) -> bool {
        let known = action.starts_with("net::") || *context == self.context;
        known && self.action == action && self.resource == resource
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

/// The calls of a run, for its [`Plan`]: the [`Bond`] of a policy under which a script is planned.
#[derive(Debug, Default)]
pub struct Calls(Mutex<Vec<Called>>);

impl Calls {
    /// Returns the calls by now, in their order.
    #[must_use]
    pub fn all(&self) -> Vec<Called> {
        lock(&self.0).clone()
    }
}

impl Bond for Calls {
    fn called(&self, operation: &'static str, digest: &str) {
        lock(&self.0).push(Called { operation: operation.to_owned(), arguments: digest.to_owned() });
    }
}

/// A policy that also holds a run to a plan. Each call is one of the plan's, with the same arguments; whatever changes something, or
/// reaches out, is the plan's next step; a file gets what the plan says; and nothing is left out. Anything else is denied, before it is done.
pub struct Held {
    policy: Arc<dyn Authorize>,
    calls: HashSet<String>,
    state: Mutex<State>,
}

/// How far a run is in its plan.
#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    /// The steps that the current call has taken.
    taken: Vec<Step>,
    current: Current,
}

/// The call that asks.
#[derive(Debug, Default)]
enum Current {
    /// None yet.
    #[default]
    None,
    /// One of the plan's, with these arguments.
    Planned(String),
    /// Another one, of this operation.
    Foreign(&'static str),
}

impl Held {
    /// Holds a run to a plan, besides this policy.
    pub fn new(policy: Arc<dyn Authorize>, plan: &Plan) -> Self {
        let state = State { steps: plan.steps.iter().cloned().collect(), ..State::default() };
        Self { policy, calls: plan.calls.iter().map(Called::told).collect(), state: Mutex::new(state) }
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("state", &self.state).finish_non_exhaustive()
    }
}

impl State {
    /// Takes the next step, if this is it.
    fn take(&mut self, request: &Request<'_>) -> Result<(), String> {
        let arguments = match &self.current {
            Current::Foreign(operation) => {
                return Err(format!("the plan has no call of `{operation}` with these arguments"));
            }
            Current::Planned(arguments) => arguments.as_str(),
            Current::None => "",
        };
        if !request.action.spec().has_effect() {
            return Ok(());
        }
        match self.steps.pop_front_if(|step| step.is(request) && step.arguments == arguments) {
            Some(step) => {
                self.taken.push(step);
                Ok(())
            }
            None => Err(match self.steps.front() {
                Some(step) => format!("the plan has {} next", step.named()),
                None => "the plan has nothing more".to_owned(),
            }),
        }
    }
}

impl Bond for Held {
    fn called(&self, operation: &'static str, digest: &str) {
        let call = Called { operation: operation.to_owned(), arguments: digest.to_owned() };
        let mut state = lock(&self.state);
        state.taken.clear();
        state.current = if self.calls.contains(&call.told()) {
            Current::Planned(call.arguments)
        } else {
            Current::Foreign(operation)
        };
    }

    fn writes(&self, path: &str, digest: &str) -> Result<(), String> {
        let writes = fs::Write::SPEC.to_string();
        let says = |step: &Step| step.done.as_ref().is_some_and(|done| done.about.ends_with(digest));
        if lock(&self.state).taken.iter().any(|step| step.action == writes && step.resource == path && says(step)) {
            return Ok(());
        }
        Err(format!("the plan writes something else to `{}`", path.escape_debug()))
    }

    fn left(&self) -> Option<String> {
        let state = lock(&self.state);
        let mut left = state.steps.iter().filter(|step| step.done.is_some());
        let next = left.next()?.named();
        Some(match left.count() {
            0 => format!("a step of the plan was left out: {next}"),
            more => format!("{} steps of the plan were left out, the first of them {next}", more + 1),
        })
    }
}

impl Authorize for Held {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let decision = self.policy.decide(request);
        if decision.effect == Effect::Deny {
            return decision;
        }
        match lock(&self.state).take(request) {
            Ok(()) => decision,
            Err(why) => Decision::deny(Some(&why)),
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

    fn bond(&self) -> Option<&dyn Bond> {
        Some(self)
    }
}
