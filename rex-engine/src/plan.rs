//! Plans: the effects of a script, recorded by running it on an [`Overlay`](rex_sdk::Overlay), and enforced when it runs.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blake3::Hasher;
use rex_core::action::fs;
use rex_core::journal::Event;
use rex_core::{
    Action, Authorize, Bond, Code, Decision, DeniedCall, Effect, Error, Record, Request, Subject, Timestamp, Value,
};
use rex_sdk::overlay::{self, OverlayRead};
use serde::{Deserialize, Serialize};

use crate::Report;

/// The effects that a script would have, its denials, and everything that these depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The BLAKE3 of its [`parts`](Self::parts). Plans with the same hash do the same, as far as that is known beforehand.
    pub hash: String,
    /// The BLAKE3 of each part of the plan, by its name in [`PARTS`].
    pub parts: BTreeMap<String, String>,
    /// The permitted requests that would change something or reach out, in order.
    pub steps: Vec<PlanStep>,
    /// The denied requests, in order.
    pub denials: Vec<PlanDenial>,
    /// The reads of the system below the overlay.
    pub reads: Vec<OverlayRead>,
    /// The distinct calls, with the hash of their arguments, in the order of the first of each.
    pub calls: Vec<PlannedCall>,
}

/// A call of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// The name of the operation.
    pub operation: String,
    /// The BLAKE3 of its arguments.
    pub arguments: String,
}

/// The parts of a plan: their names, and the words for them in messages.
pub const PARTS: [(&str, &str); 7] = [
    ("script", "the script"),
    ("arguments", "its arguments, or its base directory"),
    ("subject", "on whose behalf it runs, or its tags"),
    ("policy", "the policy"),
    ("steps", "what it would do"),
    ("reads", "what it reads"),
    ("calls", "what it calls, and with what"),
];

/// A permitted request that changes something or reaches out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// The number of its record in the journal.
    pub sequence: u64,
    /// The line of the script.
    pub line: Option<u32>,
    /// The operation that makes the request.
    pub operation: String,
    /// The action: `fs::write`.
    pub action: String,
    /// The id of the resource.
    pub resource: String,
    /// The BLAKE3 of the arguments of the call that makes the request: everything that the script passes is among them.
    pub arguments: String,
    /// The facts of the request.
    pub context: serde_json::Value,
    /// The policies that permit it.
    pub policies: Vec<String>,
    /// The result; `None` if the system refuses the act, so that nothing would be done.
    pub done: Option<StepResult>,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// Details: the hash of what was written, or the old name of a file.
    pub about: String,
    /// True if the result that the script saw is assumed, and so everything that follows from it.
    pub assumed: bool,
}

/// A denied request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDenial {
    /// The line of the script.
    pub line: Option<u32>,
    /// The operation that makes the request.
    pub operation: String,
    /// The action: `fs::write`.
    pub action: String,
    /// The id of the resource.
    pub resource: String,
    /// The policies that deny it; empty if no permit matches.
    pub policies: Vec<String>,
    /// The reason of these policies, or an error.
    pub reason: Option<String>,
}

impl Plan {
    /// Builds the plan of a run on an overlay, from its report, the overlay's effects, its reads, and its [`CallRecorder`].
    ///
    /// `given` has the other parts of the plan, by the names in [`PARTS`]: the arguments, for instance.
    ///
    /// # Errors
    /// If the journal of the report is incomplete.
    pub fn new(
        report: &Report,
        effects: &[overlay::Mutation],
        reads: Vec<OverlayRead>,
        calls: &[PlannedCall],
        given: &[(&str, String)],
    ) -> Result<Self, Error> {
        if report.journal_omitted > 0 {
            let message = format!("a plan has {} records at most", report.journal.len());
            return Err(Error::new(Code::LimitExceeded, message)
                .with_help("the limit `journal_records` can be raised, or the script cut in two"));
        }
        // Reversed, so that of several effects with one number the first stays.
        let effects: HashMap<_, _> = effects.iter().rev().map(|effect| (effect.sequence, effect)).collect();
        let (mut steps, mut denials) = (Vec::new(), Vec::new());
        // From the end, since the outcome of a call comes after its requests.
        let (mut well, mut ended) = (false, calls.iter().rev());
        let mut call = None;
        for record in report.journal.iter().rev() {
            match &record.event {
                Event::Outcome { result, .. } => (well, call) = (result.is_none(), ended.next()),
                Event::Decision { effect: Effect::Deny, .. } => denials.extend(PlanDenial::new(record)),
                Event::Decision { action, .. } if action.has_effect() => {
                    let effect = effects.get(&record.sequence).copied();
                    steps.extend(PlanStep::new(record, effect, call, well));
                }
                _ => {}
            }
        }
        steps.reverse();
        denials.reverse();
        let mut parts: BTreeMap<_, _> = given.iter().map(|(name, text)| ((*name).to_owned(), hash([text]))).collect();
        let deeds = steps.iter().map(PlanStep::deed).chain(denials.iter().map(PlanDenial::deed));
        parts.insert("steps".to_owned(), hash(deeds));
        let seen = |OverlayRead { what, resource, hash }: &OverlayRead| format!("{what}\0{resource}\0{hash}");
        parts.insert("reads".to_owned(), hash(reads.iter().map(seen)));
        let mut once = HashSet::new();
        let calls: Vec<_> =
            calls.iter().filter(|call| once.insert((&call.operation, &call.arguments))).cloned().collect();
        parts.insert("calls".to_owned(), hash(calls.iter().map(PlannedCall::told)));
        let hash = hash(parts.iter().map(|(name, hash)| format!("{name} {hash}")));
        Ok(Self { hash, parts, steps, denials, reads, calls })
    }

    /// Describes the differences from another plan: its parts, with the first resource that differs for reads and steps.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Vec<String> {
        let differs = |name: &str| self.parts.get(name) != other.parts.get(name);
        // If the steps differ, so do the calls that they come from.
        let told = |(name, _): &&(&str, &str)| differs(name) && (*name != "calls" || !differs("steps"));
        PARTS.iter().filter(told).map(|(name, words)| self.difference(other, name, words)).collect()
    }

    fn difference(&self, other: &Self, name: &str, words: &str) -> String {
        let resource = match name {
            "reads" => first(&self.reads, &other.reads, OverlayRead::clone).map(|seen| &seen.resource),
            "steps" => first(&self.steps, &other.steps, PlanStep::deed).map(|step| &step.resource),
            _ => None,
        };
        resource.map_or_else(|| words.to_owned(), |resource| format!("{words}: `{}`", resource.escape_debug()))
    }
}

/// Returns the first item whose key differs from the one at its place in `theirs`, or the first that is only in `theirs`.
fn first<'a, T, K: PartialEq>(ours: &'a [T], theirs: &'a [T], key: impl Fn(&T) -> K) -> Option<&'a T> {
    let key = |all: &[T], at: usize| all.get(at).map(&key);
    let at = (0..ours.len().max(theirs.len())).find(|&at| key(ours, at) != key(theirs, at))?;
    ours.get(at).or(theirs.get(at))
}

impl PlannedCall {
    fn told(&self) -> String {
        format!("{}\0{}", self.operation, self.arguments)
    }
}

impl PlanStep {
    /// Returns the step of a call that succeeded (`well`) or failed.
    fn new(
        record: &Record,
        effect: Option<&overlay::Mutation>,
        call: Option<&PlannedCall>,
        well: bool,
    ) -> Option<Self> {
        let Event::Decision { action, resource, context, policies, .. } = &record.event else { return None };
        let done = effect.map(|effect| StepResult { about: effect.about.clone(), assumed: effect.assumed });
        // If one act takes several grants, the effect has the number of one.
        let other = || well.then(|| StepResult { about: String::new(), assumed: false });
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

    /// Describes the step for a message.
    fn named(&self) -> String {
        format!("`{}` on `{}`", self.action, self.resource.escape_debug())
    }

    fn deed(&self) -> String {
        let done = self.done.as_ref().map_or_else(|| "refused".to_owned(), |done| format!("done {}", done.about));
        format!("{}\0{}\0{}\0{}\0{done}", self.action, self.resource, self.arguments, self.context)
    }

    /// Returns whether a request matches this step.
    fn is(&self, request: &Request<'_>) -> bool {
        let mut facts = BTreeMap::new();
        request.action.facts(&mut |name, fact| drop(facts.insert(name, Value::from(fact))));
        let context = json(facts.iter().map(|(name, value)| (*name, value)));
        self.is_recorded_as(&request.action.spec().to_string(), request.resource.id(), &context)
    }

    /// Returns whether a record matches this step: its action, its resource, and its facts as JSON. For `net::` actions, the facts are
    /// not compared, as some are known only when the network is reached.
    #[must_use]
    pub fn is_recorded_as(&self, action: &str, resource: &str, context: &serde_json::Value) -> bool {
        let known = action.starts_with("net::") || *context == self.context;
        known && self.action == action && self.resource == resource
    }
}

impl PlanDenial {
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
pub struct CallRecorder(Mutex<Vec<PlannedCall>>);

impl CallRecorder {
    /// Returns the calls so far, in order.
    #[must_use]
    pub fn all(&self) -> Vec<PlannedCall> {
        lock(&self.0).clone()
    }
}

impl Bond for CallRecorder {
    fn called(&self, operation: &'static str, digest: &str) {
        lock(&self.0).push(PlannedCall { operation: operation.to_owned(), arguments: digest.to_owned() });
    }
}

/// A policy that also limits a run to a plan. Each call must be in the plan, with the same arguments; each request that changes something
/// or reaches out must be the plan's next step; a file must get what the plan says. Anything else is denied before it is done. A run that
/// leaves out a step fails at its end.
pub struct PinnedPolicy {
    policy: Arc<dyn Authorize>,
    calls: HashSet<String>,
    state: Mutex<PlanProgress>,
}

/// The progress of a run in its plan.
#[derive(Debug, Default)]
struct PlanProgress {
    steps: VecDeque<PlanStep>,
    /// The steps that the current call has taken.
    taken: Vec<PlanStep>,
    current: CurrentCall,
}

/// The current call.
#[derive(Debug, Default)]
enum CurrentCall {
    /// No call yet.
    #[default]
    None,
    /// A call of the plan, with the hash of its arguments.
    Planned(String),
    /// A call that is not in the plan, of this operation.
    Foreign(&'static str),
}

impl PinnedPolicy {
    /// Limits a run to a plan, in addition to this policy.
    pub fn new(policy: Arc<dyn Authorize>, plan: &Plan) -> Self {
        let state = PlanProgress { steps: plan.steps.iter().cloned().collect(), ..PlanProgress::default() };
        Self { policy, calls: plan.calls.iter().map(PlannedCall::told).collect(), state: Mutex::new(state) }
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for PinnedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedPolicy").field("state", &self.state).finish_non_exhaustive()
    }
}

impl PlanProgress {
    /// Takes the next step if the request matches it; says why if not.
    fn take(&mut self, request: &Request<'_>) -> Result<(), String> {
        let arguments = match &self.current {
            CurrentCall::Foreign(operation) => {
                return Err(format!("the plan has no call of `{operation}` with these arguments"));
            }
            CurrentCall::Planned(arguments) => arguments.as_str(),
            CurrentCall::None => "",
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
                None => "the plan has no more calls".to_owned(),
            }),
        }
    }
}

impl Bond for PinnedPolicy {
    fn called(&self, operation: &'static str, digest: &str) {
        let call = PlannedCall { operation: operation.to_owned(), arguments: digest.to_owned() };
        let mut state = lock(&self.state);
        state.taken.clear();
        state.current = if self.calls.contains(&call.told()) {
            CurrentCall::Planned(call.arguments)
        } else {
            CurrentCall::Foreign(operation)
        };
    }

    fn writes(&self, path: &str, digest: &str) -> Result<(), String> {
        let writes = fs::Write::SPEC.to_string();
        let says = |step: &PlanStep| step.done.as_ref().is_some_and(|done| done.about.ends_with(digest));
        if lock(&self.state).taken.iter().any(|step| step.action == writes && step.resource == path && says(step)) {
            return Ok(());
        }
        Err(format!("the plan writes different contents to `{}`", path.escape_debug()))
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

impl Authorize for PinnedPolicy {
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

    fn denied(&self, request: &Request<'_>, decision: &Decision) {
        self.policy.denied(request, decision);
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
