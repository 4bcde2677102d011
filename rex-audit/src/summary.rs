//! What [`Stats`](crate::Stats) come to.

use serde::Serialize;

/// What a journal adds up to. As JSON it is what `rex audit stats --format json` promises.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// When the first entry was.
    pub first: Option<String>,
    /// When the last was.
    pub last: Option<String>,
    /// How many entries there are.
    pub entries: u64,
    /// How many lines are none.
    pub unreadable: u64,
    /// Runs.
    pub runs: Runs,
    /// Requests that were allowed.
    pub allowed: u64,
    /// Requests that were denied.
    pub denied: u64,
    /// How many seconds a bucket of the timelines is wide.
    pub bucket_seconds: i64,
    /// Decisions over time.
    pub timeline: Vec<Bucket>,
    /// Denials over time by what they are about, the most frequent first.
    pub denials: Denials,
    /// Operations, those that took the most time altogether first.
    pub operations: Vec<Took>,
    /// Scripts by their SHA-256, those that took the most time altogether first.
    pub scripts: Vec<Took>,
    /// What was asked for most often.
    pub resources: Vec<Asked>,
}

/// Runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Runs {
    /// How many began.
    pub started: u64,
    /// How many came to their end. Others are still going on, or were ended from outside.
    pub ended: u64,
    /// How they ended.
    pub results: Vec<ResultCount>,
}

/// How many runs ended in one way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultCount {
    /// `SUCCESS`, or the code of the failure.
    pub result: String,
    /// How many.
    pub runs: u64,
}

/// Decisions in one part of the time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucket {
    /// When it begins.
    pub from: String,
    /// Requests that were allowed.
    pub allowed: u64,
    /// Requests that were denied.
    pub denied: u64,
}

/// Denials by what they are about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Denials {
    /// By the policy that decided so; by none where no permit matched.
    pub policies: Vec<Denied>,
    /// By action.
    pub actions: Vec<Denied>,
    /// By principal.
    pub principals: Vec<Denied>,
}

/// The denials of one name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Denied {
    /// A policy, an action, a principal. Of policies, `None` is where no permit matched.
    pub name: Option<String>,
    /// How many.
    pub denied: u64,
    /// How many more there may be. Not 0 only where names are too many to count them all.
    pub missed: u64,
    /// How many in each bucket of the timeline.
    pub timeline: Vec<u64>,
}

/// How long an operation, or a script, took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Took {
    /// Which.
    pub name: String,
    /// How often.
    pub count: u64,
    /// How much more often it may have been.
    pub missed: u64,
    /// How often it failed.
    pub failed: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// How long altogether, in microseconds.
    pub total_us: u64,
    /// Half of the times it took no longer.
    pub p50_us: u64,
    /// Nine of ten times.
    pub p90_us: u64,
    /// 99 of 100 times.
    pub p99_us: u64,
    /// The longest time.
    pub most_us: u64,
}

/// How often one resource was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Asked {
    /// Its id.
    pub resource: String,
    /// How often.
    pub decisions: u64,
    /// How often that was denied.
    pub denied: u64,
    /// How much more often it may have been.
    pub missed: u64,
}
