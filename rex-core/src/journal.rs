//! The journal, a record of every decision and every outcome.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_core::ser::{Serialize, SerializeMap, Serializer};

use crate::action::ActionSpec;
use crate::resource::Fact;
use crate::{Code, Decision, Effect, Request, Timestamp, Value, bounds};

/// A call of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Call {
    /// The operation, such as `fs::read`.
    pub operation: &'static str,
    /// The line of the script, from 1.
    pub line: Option<u32>,
}

/// The event of a record.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The start of a run, before anything is done or decided.
    Start {
        /// The SHA-256 of the script; empty if there is none.
        script: String,
        /// The operator's `key=value` strings.
        tags: Vec<String>,
        /// The identity of the policy, see [`Authorize::digest`](crate::Authorize::digest).
        policy: Option<Arc<str>>,
    },
    /// The end of a run. A run without one was killed.
    End {
        /// The code that it failed with; `None` if it succeeded.
        result: Option<Code>,
        /// The duration of the run.
        duration: Duration,
    },
    /// A decision on a request. It is written before the act.
    Decision {
        /// The action.
        action: &'static ActionSpec,
        /// The id of the resource.
        resource: String,
        /// The attributes of the resource that do not follow from its id.
        attributes: Vec<(&'static str, Value)>,
        /// The facts.
        context: Vec<(&'static str, Value)>,
        /// The effect.
        effect: Effect,
        /// The ids of the deciding policies.
        policies: Arc<[Arc<str>]>,
        /// The reason of these policies, or the error.
        reason: Option<Arc<str>>,
    },
    /// The end of a call of an operation.
    Outcome {
        /// The code that it failed with; `None` if it succeeded.
        result: Option<Code>,
        /// Number of bytes read and written.
        bytes: u64,
        /// The duration of the call.
        duration: Duration,
    },
}

impl Event {
    /// Creates the event of a decision on a request.
    #[must_use]
    pub fn decision(request: &Request<'_>, decision: &Decision) -> Self {
        Self::decided(request, decision, request.bytes() > bounds::REQUEST_BYTES)
    }

    /// Creates the event of a decision; a `long` request is too long for a record.
    pub(crate) fn decided(request: &Request<'_>, decision: &Decision, long: bool) -> Self {
        let (mut context, mut attributes) = (Vec::new(), Vec::new());
        let short = |text: &str| beginning(text, long);
        let value = |fact: Fact<'_>| match fact {
            Fact::String(text) => Value::Text(short(text)),
            fact => fact.into(),
        };
        request.action.facts(&mut |name, fact| context.push((name, value(fact))));
        if !request.resource.id_is_complete() {
            request.resource.attributes(&mut |name, fact| attributes.push((name, value(fact))));
        }
        Self::Decision {
            action: request.action.spec(),
            resource: short(request.resource.id()),
            attributes,
            context,
            effect: decision.effect,
            policies: decision.policies.clone(),
            reason: decision.reason.clone(),
        }
    }
}

/// Returns a text, or only its beginning if its request is too long for a record.
pub(crate) fn beginning(text: &str, is_long: bool) -> String {
    const KEPT: usize = 1 << 10;
    if !is_long || text.len() <= KEPT {
        return text.to_owned();
    }
    format!("{}... ({} bytes)", text.get(..text.floor_char_boundary(KEPT)).unwrap_or_default(), text.len())
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The time.
    pub time: Timestamp,
    /// The id of the run.
    pub run: Arc<str>,
    /// The number within the run, from 1, without gaps.
    pub sequence: u64,
    /// The principal.
    pub principal: Arc<str>,
    /// The call.
    pub call: Call,
    /// The event.
    pub event: Event,
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &DisplayText(&self.time))?;
        map.serialize_entry("run", &*self.run)?;
        map.serialize_entry("sequence", &self.sequence)?;
        map.serialize_entry("principal", &*self.principal)?;
        map.serialize_entry("operation", self.call.operation)?;
        map.serialize_entry("line", &self.call.line)?;
        match &self.event {
            Event::Start { script, tags, policy } => {
                map.serialize_entry("event", "start")?;
                map.serialize_entry("script", script)?;
                map.serialize_entry("tags", tags)?;
                map.serialize_entry("policy", &policy.as_deref())?;
            }
            Event::End { result, duration } => {
                map.serialize_entry("event", "end")?;
                map.serialize_entry("result", result.map_or("SUCCESS", Code::as_str))?;
                map.serialize_entry("duration_us", &micros(*duration))?;
            }
            Event::Decision { action, resource, attributes, context, effect, policies, reason } => {
                map.serialize_entry("event", "decision")?;
                map.serialize_entry("action", &DisplayText(action))?;
                map.serialize_entry("resource", resource)?;
                if !attributes.is_empty() {
                    map.serialize_entry("attributes", &ContextMap(attributes))?;
                }
                map.serialize_entry("context", &ContextMap(context))?;
                map.serialize_entry("decision", effect.as_str())?;
                map.serialize_entry("policies", &PolicyList(policies))?;
                map.serialize_entry("reason", &reason.as_deref())?;
            }
            Event::Outcome { result, bytes, duration } => {
                map.serialize_entry("event", "outcome")?;
                map.serialize_entry("result", result.map_or("SUCCESS", Code::as_str))?;
                map.serialize_entry("bytes", bytes)?;
                map.serialize_entry("duration_us", &micros(*duration))?;
            }
        }
        map.end()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

struct DisplayText<'a, T>(&'a T);

impl<T: fmt::Display> Serialize for DisplayText<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

struct ContextMap<'a>(&'a [(&'static str, Value)]);

impl Serialize for ContextMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

struct PolicyList<'a>(&'a [Arc<str>]);

impl Serialize for PolicyList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|id| &**id))
    }
}

/// The error for a record that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalError(pub String);

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JournalError {}

/// A place for records.
pub trait Journal: Send + Sync {
    /// Keeps one record. When this returns, the record is stored.
    ///
    /// # Errors
    /// If the record may be lost. The run that it belongs to then stops.
    fn write(&self, record: Record) -> Result<(), JournalError>;

    /// Passes on records that are held back, if there are any and no other thread writes. A thread that waits for a run calls it
    /// repeatedly, so that records do not wait for the next one.
    fn settle(&self) {}
}

/// A journal of JSON lines. Each is written in one call of `write`, so that several runs can append to one file.
#[derive(Debug)]
pub struct JsonLines<W> {
    writer: Mutex<W>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Creates a journal that writes to `writer`, which should not buffer.
    pub fn new(writer: W) -> Self {
        Self { writer: Mutex::new(writer) }
    }
}

impl<W: Write + Send> Journal for JsonLines<W> {
    fn write(&self, record: Record) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(&record).map_err(|error| JournalError(error.to_string()))?;
        line.push(b'\n');
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(&line).and_then(|()| writer.flush()).map_err(|error| JournalError(error.to_string()))
    }
}

/// A journal in memory, for tests and for the report of a run: it keeps the first records, and passes all on.
#[derive(Default)]
pub struct MemoryJournal {
    kept: Mutex<(Vec<Record>, u64)>,
    keep: u64,
    next: Option<Arc<dyn Journal>>,
}

impl MemoryJournal {
    /// Creates a journal that keeps the first `keep` records, and counts the others.
    #[must_use]
    pub fn new(keep: u64) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Writes each record to `next` first.
    #[must_use]
    pub fn before(mut self, next: Arc<dyn Journal>) -> Self {
        self.next = Some(next);
        self
    }

    /// Takes the records that were kept, and the number of the others.
    pub fn take(&self) -> (Vec<Record>, u64) {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Journal for MemoryJournal {
    fn write(&self, record: Record) -> Result<(), JournalError> {
        // Not under the lock: a journal that hangs must not block a reader of the kept records.
        if let Some(next) = &self.next {
            next.write(record.clone())?;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if (kept.0.len() as u64) < self.keep {
            kept.0.push(record);
        } else {
            kept.1 += 1;
        }
        Ok(())
    }

    fn settle(&self) {
        self.next.iter().for_each(|next| next.settle());
    }
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryJournal").field("keep", &self.keep).finish_non_exhaustive()
    }
}
