//! The summary of [`JournalStats`](crate::JournalStats).

use serde::Serialize;

/// The totals of a journal. Its JSON is the stable output of `rex audit stats --format json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The time of the first entry.
    pub first: Option<String>,
    /// The time of the last entry.
    pub last: Option<String>,
    /// Number of entries.
    pub entries: u64,
    /// Number of lines that are not entries.
    pub unreadable: u64,
    /// The runs.
    pub runs: RunCounts,
    /// Number of allowed requests.
    pub allowed: u64,
    /// Number of denied requests.
    pub denied: u64,
    /// The width of a bucket of the timelines, in seconds.
    pub bucket_seconds: i64,
    /// Decisions over time.
    pub timeline: Vec<TimelineBucket>,
    /// Denials over time by policy, action and principal, the most frequent first.
    pub denials: DenialSummary,
    /// Operations, those with the most total time first.
    pub operations: Vec<DurationSummary>,
    /// Scripts by their SHA-256, those with the most total time first.
    pub scripts: Vec<DurationSummary>,
    /// Resources, the most frequently requested first.
    pub resources: Vec<ResourceSummary>,
}

/// Counts of runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunCounts {
    /// Number of runs that began.
    pub started: u64,
    /// Number of runs that ended. Others still run, or were killed.
    pub ended: u64,
    /// Counts of runs by result.
    pub results: Vec<ResultCount>,
}

/// A count of the runs with one result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultCount {
    /// `SUCCESS`, or the code of the failure.
    pub result: String,
    /// Number of runs.
    pub runs: u64,
}

/// Decisions in one bucket of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimelineBucket {
    /// The time when the bucket starts.
    pub from: String,
    /// Number of allowed requests.
    pub allowed: u64,
    /// Number of denied requests.
    pub denied: u64,
}

/// Denials by policy, action and principal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DenialSummary {
    /// Denials by deciding policy, or by none if no permit matched.
    pub policies: Vec<DenialCount>,
    /// Denials by action.
    pub actions: Vec<DenialCount>,
    /// Denials by principal.
    pub principals: Vec<DenialCount>,
}

/// The denials of one name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DenialCount {
    /// A policy, an action or a principal. Among policies, `None` means that no permit matched.
    pub name: Option<String>,
    /// Number of denials.
    pub denied: u64,
    /// Maximum number of missed denials. Above 0 only if there are too many names to count them all.
    pub missed: u64,
    /// Number of denials in each bucket of the timeline.
    pub timeline: Vec<u64>,
}

/// The durations of an operation, or of a script.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DurationSummary {
    /// The operation, or the SHA-256 of the script.
    pub name: String,
    /// Number of calls, or of runs.
    pub count: u64,
    /// Maximum number of missed calls or runs.
    pub missed: u64,
    /// Number of failures.
    pub failed: u64,
    /// Number of bytes read and written.
    pub bytes: u64,
    /// The total time, in microseconds.
    pub total_us: u64,
    /// The median time, in microseconds.
    pub p50_us: u64,
    /// The 90th percentile, in microseconds.
    pub p90_us: u64,
    /// The 99th percentile, in microseconds.
    pub p99_us: u64,
    /// The longest time, in microseconds.
    pub most_us: u64,
}

/// Decisions about one resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResourceSummary {
    /// The id of the resource.
    pub resource: String,
    /// Number of decisions.
    pub decisions: u64,
    /// Number of denials.
    pub denied: u64,
    /// Maximum number of missed decisions.
    pub missed: u64,
}
