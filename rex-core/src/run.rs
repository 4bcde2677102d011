//! A run: its subject, its limits and its journal.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::grant::Gate;
use crate::journal::{Call, Event};
use crate::limits::count;
use crate::{
    Authorize, Bond, Budget, Code, Decision, DeniedCall, Error, Journal, Limits, Need, Request, Timestamp, uid,
};

/// The principal of a run: `Agent::"triage"` or `User::"alice"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    kind: String,
    id: String,
}

/// The error for a text that is not a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalError(String);

impl fmt::Display for PrincipalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a principal; one looks like `Agent::\"triage\"`", self.0.escape_debug())
    }
}

impl std::error::Error for PrincipalError {}

impl PrincipalError {
    /// Returns advice on how to write the likely principal in a shell, which removes quotes that are not quoted themselves.
    #[must_use]
    pub fn help(&self) -> String {
        let bare = |id: &str| id.trim_matches([' ', '"', '\'']).replace(['"', '\\'], "");
        let text = self.0.trim_matches([' ', '\'']);
        let meant = match text.split_once("::") {
            Some((kind, id)) if uid::is_type(kind) => Principal { kind: kind.to_owned(), id: bare(id) },
            _ => Principal::agent(&bare(text)),
        };
        let meant = if meant.id.is_empty() { Principal::agent("triage") } else { meant };
        format!("in a shell, put single quotes around it: {}", in_shell(&meant.to_string()))
    }
}

impl Principal {
    /// Creates an agent.
    #[must_use]
    pub fn agent(id: &str) -> Self {
        Self { kind: "Agent".to_owned(), id: id.to_owned() }
    }

    /// Creates a user.
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self { kind: "User".to_owned(), id: id.to_owned() }
    }

    /// Parses a principal as policies write it, and as it is displayed: `Agent::"triage"`, with the escapes that [`uid::parse`] accepts.
    ///
    /// # Errors
    /// If the text is not `Type::"id"`.
    pub fn parse(text: &str) -> Result<Self, PrincipalError> {
        let (kind, id) = uid::parse(text.trim()).map_err(|_| PrincipalError(text.to_owned()))?;
        Ok(Self { kind: kind.to_owned(), id })
    }

    /// Parses a principal from a command line, where a shell may have removed the quotes: also accepts `Agent::triage` if that is
    /// unambiguous.
    ///
    /// # Errors
    /// If it is not a principal, or is ambiguous.
    pub fn typed(text: &str) -> Result<Self, PrincipalError> {
        Self::parse(text).or_else(|error| {
            let (kind, id) = text.trim().split_once("::").ok_or_else(|| error.clone())?;
            let doubtful = |c: char| c == '"' || c == '\\' || c.is_control();
            let whole = !id.starts_with(['\'', ':', ' ']) && !id.ends_with('\'');
            if id.is_empty() || !whole || id.contains(doubtful) || id.contains("::") || !uid::is_type(kind) {
                return Err(error);
            }
            Ok(Self { kind: kind.to_owned(), id: id.to_owned() })
        })
    }

    /// Returns its type, `Agent`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns its id, `triage`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.kind, uid::quoted(&self.id))
    }
}

/// Quotes a text as one word of a shell.
fn in_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The part that is the same in all requests of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The principal.
    pub principal: Principal,
    /// The SHA-256 of the script in lower-case hexadecimal, so that a policy can pin reviewed ones; empty if there is none.
    pub script: String,
    /// The operator's `key=value` strings: ticket, environment.
    pub tags: Vec<String>,
}

impl Subject {
    /// Creates a subject without script and tags.
    #[must_use]
    pub fn new(principal: Principal) -> Self {
        Self { principal, script: String::new(), tags: Vec::new() }
    }
}

/// Maximum number of denied requests kept for the remedy of a call.
const DENIALS: usize = 64;

/// Maximum number of remembered remedies of a run.
const REMEDIES: usize = 256;

/// A clock: the system's, except in a test or a simulation.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A run: its subject, its authorizer, its journal and its limits.
pub struct Run {
    pub(crate) subject: Subject,
    pub(crate) principal: Arc<str>,
    pub(crate) authorize: Arc<dyn Authorize>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) closed: AtomicBool,
    /// The number of the last record.
    sequence: Mutex<u64>,
    pub(crate) decisions: AtomicU64,
    pub(crate) denied: AtomicU64,
    denials: Mutex<Vec<Need>>,
    remedies: Mutex<HashMap<[u8; 32], Option<String>>>,
    clock: Clock,
    id: Arc<str>,
    budget: Budget,
}

impl Run {
    /// Creates a run whose time starts now. `id` names it in the journal.
    pub fn new(
        id: &str,
        subject: Subject,
        authorize: Arc<dyn Authorize>,
        journal: Arc<dyn Journal>,
        limits: Limits,
    ) -> Self {
        Self {
            principal: Arc::from(subject.principal.to_string()),
            subject,
            authorize,
            journal,
            closed: AtomicBool::new(false),
            sequence: Mutex::new(0),
            decisions: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            denials: Mutex::default(),
            remedies: Mutex::default(),
            clock: Arc::new(Timestamp::now),
            id: Arc::from(id),
            budget: Budget::new(limits, Arc::default()),
        }
    }

    /// Returns the number of the next record. No other is issued while this is held, so records are written in order.
    pub(crate) fn next_number(&self) -> MutexGuard<'_, u64> {
        let mut number = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        number
    }

    /// Returns the promise that binds the run besides its policy, if there is one.
    #[must_use]
    pub fn bond(&self) -> Option<&dyn Bond> {
        self.authorize.bond()
    }

    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the flag that stops the run.
    #[must_use]
    pub fn with_cancel(mut self, cancelled: Arc<AtomicBool>) -> Self {
        self.budget.cancelled = cancelled;
        self
    }

    /// Bounds the memory of the run by `memory_bytes`. The code that counts its allocations keeps the bytes that it holds in `live`.
    #[must_use]
    pub fn with_memory(mut self, live: &'static AtomicI64) -> Self {
        self.budget.memory = Some(live);
        self
    }

    /// Records the start of the run. A run of a script does this before anything else.
    ///
    /// # Errors
    /// If it cannot be recorded; after that, nothing is permitted.
    pub fn begin(&self) -> Result<(), Error> {
        let Subject { script, tags, .. } = self.subject.clone();
        self.note(Event::Start { script, tags, policy: self.authorize.digest() })
    }

    /// Records the end of the run.
    ///
    /// # Errors
    /// If it cannot be recorded.
    pub fn end(&self, result: Option<Code>, duration: Duration) -> Result<(), Error> {
        self.note(Event::End { result, duration })
    }

    fn note(&self, event: Event) -> Result<(), Error> {
        let recorded = self.gate(Call::default()).record(self.now(), event);
        recorded.map(drop).map_err(|reason| unwritten(&reason))
    }

    /// Makes the journal pass on records that it holds back; see [`Journal::settle`].
    pub fn settle(&self) {
        self.journal.settle();
    }

    /// Returns the gate for a call of an operation.
    #[must_use]
    pub fn gate(&self, call: Call) -> Gate<'_> {
        Gate::new(self, call)
    }

    /// Returns its name in the journal.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Returns its subject.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Returns its budget.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns its limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.budget.limits()
    }

    /// Returns the time by its clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Returns the number of requests that were decided.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.decisions.load(Relaxed)
    }

    /// Counts a decision that is about to be made.
    pub(crate) fn count_decision(&self) -> Result<(), Error> {
        self.budget.check()?;
        count(&self.decisions, 1, "decisions", self.limits().decisions, "decisions")
    }

    /// Counts a denial that is on record; `advised` also returns the remedy, which takes longer than the decision.
    pub(crate) fn count_denial(&self, request: &Request<'_>, decision: &Decision, advised: bool) -> Option<String> {
        self.denied.fetch_add(1, Relaxed);
        self.authorize.denied(request, decision);
        advised.then(|| self.authorize.remedy(request, decision)).flatten()
    }

    /// Keeps a denied request until the call ends, if there is room.
    pub(crate) fn note_denial(&self, need: impl FnOnce() -> Need) {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        if denials.len() < DENIALS {
            denials.push(need());
        }
    }

    /// Takes the first requests that were denied since the last time.
    #[must_use]
    pub fn take_denials(&self) -> Vec<Need> {
        std::mem::take(&mut *self.denials.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the remedy for a call, which allows all its needs; see [`Authorize::remedies`]. The run remembers it by `key`, a hash of
    /// the call: a script that is denied once is often denied again in a loop.
    pub fn remedies(&self, key: [u8; 32], call: impl FnOnce() -> DeniedCall) -> Option<String> {
        let mut known = self.remedies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remedy) = known.get(&key) {
            return remedy.clone();
        }
        let remedy = self.authorize.remedies(&self.subject, self.now(), &[call()]);
        if known.len() == REMEDIES {
            known.clear();
        }
        known.insert(key, remedy.clone());
        remedy
    }

    /// Returns the number of requests that were denied.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.denied.load(Relaxed)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("id", &self.id).field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Creates the error for a run whose journal cannot be written.
pub(crate) fn unwritten(reason: &str) -> Error {
    Error::new(Code::JournalFailed, format!("the journal cannot be written, so the run stops: {reason}"))
}
