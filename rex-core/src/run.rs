//! Who runs, under which limits, recorded where.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::grant::Gate;
use crate::journal::{Call, Event};
use crate::limits::count;
use crate::{Authorize, Bond, Budget, Code, DeniedCall, Error, Journal, Limits, Need, Timestamp, uid};

/// On whose behalf a script runs: `Agent::"triage"` or `User::"alice"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    kind: String,
    id: String,
}

/// Why a text does not name a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalError(String);

impl fmt::Display for PrincipalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a principal; one looks like `Agent::\"triage\"`", self.0.escape_debug())
    }
}

impl std::error::Error for PrincipalError {}

impl PrincipalError {
    /// How what was probably meant is written in a shell, which takes away quotes that are not in quotes themselves.
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
    /// An agent.
    #[must_use]
    pub fn agent(id: &str) -> Self {
        Self { kind: "Agent".to_owned(), id: id.to_owned() }
    }

    /// A person.
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self { kind: "User".to_owned(), id: id.to_owned() }
    }

    /// A principal as policies write it, and as it is displayed: `Agent::"triage"`, with the escapes that [`uid::parse`] takes.
    ///
    /// # Errors
    /// If the text is not `Type::"id"`.
    pub fn parse(text: &str) -> Result<Self, PrincipalError> {
        let (kind, id) = uid::parse(text.trim()).map_err(|_| PrincipalError(text.to_owned()))?;
        Ok(Self { kind: kind.to_owned(), id })
    }

    /// A principal as it comes from a command line, where a shell may have taken the quotes away: `Agent::triage` too, as long as that
    /// can be read in one way.
    ///
    /// # Errors
    /// If it is none, or could be more than one.
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

    /// Its type, `Agent`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its id, `triage`.
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

/// A text as one word of a shell.
fn in_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What stays the same for all requests of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// On whose behalf.
    pub principal: Principal,
    /// The SHA-256 of the script in lower-case hexadecimal, so that a policy can pin reviewed ones; empty if there is none.
    pub script: String,
    /// The operator's `key=value` strings: ticket, environment.
    pub tags: Vec<String>,
}

impl Subject {
    /// A principal without script and tags.
    #[must_use]
    pub fn new(principal: Principal) -> Self {
        Self { principal, script: String::new(), tags: Vec::new() }
    }
}

/// The number of denied requests of one call that are kept, to say what would allow them.
const DENIALS: usize = 64;

/// How many remedies a run remembers.
const REMEDIES: usize = 256;

/// A clock; the system's unless a test or a simulation says otherwise.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One run: who, decided by what, recorded where, under which limits.
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
    /// A run whose time starts now. `id` names it in the journal.
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

    /// The number of the next record. Nobody else gets one while this is held, so that records are written in their order.
    pub(crate) fn next_number(&self) -> MutexGuard<'_, u64> {
        let mut number = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        number
    }

    /// Returns what the run is held to besides its policy.
    #[must_use]
    pub fn bond(&self) -> Option<&dyn Bond> {
        self.authorize.bond()
    }

    /// The same run by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same run, stopped by whoever sets the flag.
    #[must_use]
    pub fn with_cancel(mut self, cancelled: Arc<AtomicBool>) -> Self {
        self.budget.cancelled = cancelled;
        self
    }

    /// The same run, its memory bounded by `memory_bytes`: whoever counts its allocations keeps in `live` the bytes that it holds.
    #[must_use]
    pub fn with_memory(mut self, live: &'static AtomicI64) -> Self {
        self.budget.memory = Some(live);
        self
    }

    /// Records that it begins. A run of a script does this before anything else.
    ///
    /// # Errors
    /// If it cannot be recorded; from then on nothing is permitted.
    pub fn begin(&self) -> Result<(), Error> {
        let Subject { script, tags, .. } = self.subject.clone();
        self.note(Event::Start { script, tags, policy: self.authorize.digest() })
    }

    /// Records how it ended.
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

    /// Has the journal pass on what it holds back; see [`Journal::settle`].
    pub fn settle(&self) {
        self.journal.settle();
    }

    /// The gate for one call of an operation.
    #[must_use]
    pub fn gate(&self, call: Call) -> Gate<'_> {
        Gate::new(self, call)
    }

    /// Its name in the journal.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// On whose behalf it is.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What it has used.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.budget.limits()
    }

    /// The time by its clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// How many requests were decided.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.decisions.load(Relaxed)
    }

    /// Counts a decision that is about to be made.
    pub(crate) fn count_decision(&self) -> Result<(), Error> {
        self.budget.check()?;
        count(&self.decisions, 1, "decisions", self.limits().decisions, "decisions")
    }

    /// Keeps a denied request until the call ends, if there is room.
    pub(crate) fn note_denial(&self, need: impl FnOnce() -> Need) {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        if denials.len() < DENIALS {
            denials.push(need());
        }
    }

    /// Takes the first requests that were denied since this was last called.
    #[must_use]
    pub fn take_denials(&self) -> Vec<Need> {
        std::mem::take(&mut *self.denials.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what the policy would need to allow a call all that it needs; see [`Authorize::remedies`]. A run remembers the answer for
    /// each `key`, a hash of the call: a script that is denied once is often denied again and again.
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

    /// How many of them were denied.
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

/// The error of a run whose journal cannot be written.
pub(crate) fn unwritten(reason: &str) -> Error {
    Error::new(Code::JournalFailed, format!("the journal cannot be written, so nothing more is done: {reason}"))
}
