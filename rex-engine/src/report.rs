//! The report of a run.

use std::sync::Arc;

use rex_core::journal::Event;
use rex_core::{Code, Effect, Error, Record, Value};
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// A failure of a run, and its place in the script.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The error that occurred.
    pub error: Error,
    /// The line of the script, from 1, if it is known.
    pub line: Option<u32>,
    /// The column in that line, in characters from 1, if it is known.
    pub column: Option<u32>,
    /// Further mistakes of a script that was checked and not run, in the order of their places.
    pub more: Vec<Failure>,
}

impl Failure {
    /// Returns a failure without a place in the script.
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

/// Statistics of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct RunStats {
    /// Wall time, in microseconds, compiling the script included.
    pub duration_us: u64,
    /// Number of calls of operations.
    pub operations: u64,
    /// Number of requests that were decided.
    pub decisions: u64,
    /// Number of requests that were denied.
    pub denied: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Peak memory in bytes, beyond that allocated before the run; `None` if it was not counted.
    pub peak_memory_bytes: Option<u64>,
}

/// The denied requests for one action, by one operation in one line of the script.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeniedRequests {
    /// The requested action: `fs::list`.
    pub action: String,
    /// The operation that made the requests.
    pub operation: String,
    /// The line of the script, from 1, if it is known.
    pub line: Option<u32>,
    /// The first resource that was denied.
    pub resource: String,
    /// The number of requests.
    pub count: u64,
    /// True if the script caught the denial in a variable, and so knows of it.
    pub caught: bool,
}

/// The report of a run, however it ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// The id of the run in the journal.
    pub run_id: Arc<str>,
    /// The value that the script returned, or its failure.
    pub outcome: Result<Value, Failure>,
    /// The lines that the script printed.
    pub output: Vec<String>,
    /// Suspicious places of the script, though it was run.
    pub warnings: Vec<Failure>,
    /// The denied requests in `journal`, by action, operation and line, in the order of the first of each.
    pub denials: Vec<DeniedRequests>,
    /// Statistics of the run.
    pub stats: RunStats,
    /// The first records of the run, up to the limit `journal_records`.
    pub journal: Vec<Record>,
    /// Number of records after those in `journal`.
    pub journal_omitted: u64,
}

impl Report {
    /// Returns the code of the failure, if there is one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.outcome.as_ref().err().map(|failure| failure.error.code)
    }
}

impl DeniedRequests {
    /// Returns the denied requests in these records; `caught` has the operations and lines whose denials the script caught.
    pub(crate) fn all(records: &[Record], caught: &[(&str, Option<u32>)]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for record in records {
            let Event::Decision { effect: Effect::Deny, action, resource, .. } = &record.event else { continue };
            let (action, operation, line) = (action.to_string(), record.call.operation, record.call.line);
            let is_caught = caught.contains(&(operation, line));
            let same = |denied: &&mut DeniedRequests| {
                denied.action == action && denied.operation == operation && denied.line == line
            };
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

/// Serializes the fields that `rex run --format json` promises; the journal has its own file.
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
