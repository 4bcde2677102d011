//! What a run comes back with.

use std::sync::Arc;

use rex_core::journal::Event;
use rex_core::{Code, Effect, Error, Record, Value};
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Why a run failed, and where in the script.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// What happened.
    pub error: Error,
    /// The line of the script, from 1, if it is known.
    pub line: Option<u32>,
    /// The column in that line, in characters from 1, if it is known.
    pub column: Option<u32>,
    /// Further mistakes of a script that was looked through and not run, in the order of their places.
    pub more: Vec<Failure>,
}

impl Failure {
    /// A failure without a place in the script.
    #[must_use]
    pub fn new(error: Error) -> Self {
        Self { error, line: None, column: None, more: Vec::new() }
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let denial = self.error.denial.as_deref();
        let policies: Vec<&str> = denial.iter().flat_map(|denial| denial.policies.iter()).map(|id| &**id).collect();
        let mut fields = serializer.serialize_struct("Failure", 11)?;
        fields.serialize_field("code", &self.error.code)?;
        fields.serialize_field("message", &self.error.message)?;
        fields.serialize_field("operation", &self.error.operation)?;
        fields.serialize_field("action", &denial.map(|denial| denial.action.to_string()))?;
        fields.serialize_field("resource", &denial.map(|denial| &denial.resource))?;
        fields.serialize_field("policies", &policies)?;
        fields.serialize_field("reason", &denial.and_then(|denial| denial.reason.as_deref()))?;
        fields.serialize_field("help", &self.error.help)?;
        fields.serialize_field("line", &self.line)?;
        fields.serialize_field("column", &self.column)?;
        if !self.more.is_empty() {
            fields.serialize_field("more", &self.more)?;
        }
        fields.end()
    }
}

/// What a run used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Stats {
    /// Wall time, in microseconds, compiling the script included.
    pub duration_us: u64,
    /// Operations that were called.
    pub operations: u64,
    /// Requests that were decided.
    pub decisions: u64,
    /// Requests that were denied.
    pub denied: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// The most memory that was allocated at one time beyond what was there before, in bytes; `None` if it was not counted.
    pub peak_memory_bytes: Option<u64>,
}

/// Requests that were denied, of one operation in one line of the script.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Denied {
    /// The action that was asked for: `fs::list`.
    pub action: String,
    /// The operation that asked.
    pub operation: String,
    /// The line of the script, from 1, if it is known.
    pub line: Option<u32>,
    /// The first resource that was denied.
    pub resource: String,
    /// The number of requests.
    pub count: u64,
    /// Whether the script caught the denial in a variable, and so knows of it.
    pub caught: bool,
}

/// What a run comes back with, however it ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its name in the journal.
    pub run_id: Arc<str>,
    /// What the script returned, or why it failed.
    pub outcome: Result<Value, Failure>,
    /// The lines that it printed.
    pub output: Vec<String>,
    /// Places of the script that are suspicious, though it was run.
    pub warnings: Vec<Failure>,
    /// The requests that were denied, by action, operation and line, in the order of the first of each; as far as the journal here goes.
    pub denials: Vec<Denied>,
    /// What it used.
    pub stats: Stats,
    /// Every decision and outcome, up to the limit `journal_records`.
    pub journal: Vec<Record>,
    /// How many records came after those.
    pub journal_omitted: u64,
}

impl Report {
    /// The code that it failed with.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.outcome.as_ref().err().map(|failure| failure.error.code)
    }
}

impl Denied {
    /// What was denied by these records; `caught` are the operations and lines whose denials the script caught.
    pub(crate) fn all(records: &[Record], caught: &[(&str, Option<u32>)]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for record in records {
            let Event::Decision { effect: Effect::Deny, action, resource, .. } = &record.event else { continue };
            let (action, operation, line) = (action.to_string(), record.call.operation, record.call.line);
            let is_caught = caught.contains(&(operation, line));
            let same =
                |denied: &&mut Denied| denied.action == action && denied.operation == operation && denied.line == line;
            match all.iter_mut().find(same) {
                Some(denied) => denied.count += 1,
                None => {
                    let (operation, resource) = (operation.to_owned(), resource.clone());
                    all.push(Self { action, operation, line, resource, count: 1, caught: is_caught });
                }
            }
        }
        all
    }
}

/// The fields that `rex run --format json` promises; the journal has a file of its own.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Report", 8)?;
        fields.serialize_field("run_id", &*self.run_id)?;
        fields.serialize_field("status", if self.outcome.is_ok() { "SUCCESS" } else { "ERROR" })?;
        fields.serialize_field("value", self.outcome.as_ref().unwrap_or(&Value::Null))?;
        fields.serialize_field("output", &self.output)?;
        fields.serialize_field("error", &self.outcome.as_ref().err())?;
        fields.serialize_field("warnings", &self.warnings)?;
        fields.serialize_field("denials", &self.denials)?;
        fields.serialize_field("stats", &self.stats)?;
        fields.end()
    }
}
