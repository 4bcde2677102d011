//! Counters and histograms of what runs do, in Prometheus' text format.

mod text;

use std::collections::BTreeMap;

use crate::Entry;

pub use text::NoMetrics;

/// The upper bounds of the buckets of durations, in microseconds: from a tenth of a millisecond to five minutes.
pub const BOUNDS: [u64; 18] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];

/// Maximum number of series of a metric. Further ones are counted under `other`.
const SERIES: usize = 2_000;

/// Maximum length of a label, in characters.
const LABEL: usize = 200;

/// Totals of entries, and of other totals.
///
/// ```
/// use rex_audit::{Entry, Metrics};
///
/// let line = br#"{"time":"2026-11-23T12:42:29Z","run":"r","sequence":2,"principal":"Agent::\"t\"","operation":"fs::read","line":1,"event":"decision","action":"fs::read","resource":"/a","decision":"DENY","policies":["no"]}"#;
/// let mut metrics = Metrics::default();
/// metrics.add(&Entry::parse(line)?);
/// let before: Metrics = metrics.to_string().parse()?;
/// metrics.merge(&before);
/// assert!(metrics.to_string().contains("rex_decisions_total{decision=\"DENY\",action=\"fs::read\"} 2\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    counters: BTreeMap<(CounterMetric, LabelValues), u64>,
    histograms: BTreeMap<(TimerMetric, LabelValues), DurationHistogram>,
}

/// The values of labels, in the order of their names.
type LabelValues = Vec<String>;

/// A metric that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CounterMetric {
    Runs,
    Decisions,
    PolicyDecisions,
    Operations,
    OperationBytes,
    Limits,
}

/// A metric that measures time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TimerMetric {
    Operation,
    Script,
}

/// The declaration of a metric.
struct MetricSpec {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
}

impl CounterMetric {
    const ALL: [Self; 6] =
        [Self::Runs, Self::Decisions, Self::PolicyDecisions, Self::Operations, Self::OperationBytes, Self::Limits];

    const fn declared(self) -> MetricSpec {
        let (name, help, labels): (_, _, &'static [_]) = match self {
            Self::Runs => ("rex_runs_total", "Runs that ended, by result.", &["result"]),
            Self::Decisions => ("rex_decisions_total", "Requests that were decided.", &["decision", "action"]),
            Self::PolicyDecisions => (
                "rex_policy_decisions_total",
                "Requests that a policy decided; by no policy where no permit matched.",
                &["decision", "action", "policy"],
            ),
            Self::Operations => {
                ("rex_operations_total", "Operations that were called, by result.", &["operation", "result"])
            }
            Self::OperationBytes => {
                ("rex_operation_bytes_total", "Bytes that operations read and wrote.", &["operation"])
            }
            Self::Limits => {
                ("rex_limits_exceeded_total", "Limits that were hit, by an operation or by a run.", &["of"])
            }
        };
        MetricSpec { name, help, labels }
    }
}

impl TimerMetric {
    const ALL: [Self; 2] = [Self::Operation, Self::Script];

    const fn declared(self) -> MetricSpec {
        let (name, help, labels): (_, _, &'static [_]) = match self {
            Self::Operation => ("rex_operation_duration_seconds", "How long operations took.", &["operation"]),
            Self::Script => ("rex_script_duration_seconds", "How long scripts took.", &[]),
        };
        MetricSpec { name, help, labels }
    }
}

/// A histogram of durations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DurationHistogram {
    /// Number of durations in each bucket: at most its bound in [`BOUNDS`], and more than the bound before.
    pub buckets: [u64; BOUNDS.len()],
    /// Number of durations, including those beyond all bounds.
    pub count: u64,
    /// Sum of the durations, in microseconds.
    pub sum_us: u64,
}

/// One series of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample<'m> {
    /// The name of the metric: `rex_runs_total`.
    pub name: &'static str,
    /// A help text of one sentence.
    pub help: &'static str,
    /// Labels, with their values in this series.
    pub labels: Vec<(&'static str, &'m str)>,
    /// The value.
    pub figure: SampleValue<'m>,
}

/// The value of a [`Sample`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleValue<'m> {
    /// A count.
    Count(u64),
    /// A histogram.
    Durations(&'m DurationHistogram),
}

impl<'m> Sample<'m> {
    fn new(declared: MetricSpec, values: &'m LabelValues, figure: SampleValue<'m>) -> Self {
        let labels = declared.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
        Self { name: declared.name, help: declared.help, labels, figure }
    }
}

impl DurationHistogram {
    fn took(&mut self, duration_us: u64) {
        if let Some((_, count)) = BOUNDS.iter().zip(&mut self.buckets).find(|(bound, _)| duration_us <= **bound) {
            *count += 1;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(duration_us);
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets) {
            *count = count.saturating_add(more);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

impl Metrics {
    /// Adds an entry.
    pub fn add(&mut self, entry: &Entry<'_>) {
        let text = |part: &Option<std::borrow::Cow<'_, str>>| part.as_deref().unwrap_or("?").to_owned();
        match &*entry.event {
            "decision" => self.decision(&text(&entry.decision), &text(&entry.action), entry),
            "outcome" => {
                let (operation, result) = (entry.operation.clone().into_owned(), text(&entry.result));
                if result == rex_core::Code::LimitExceeded.as_str() {
                    self.count(CounterMetric::Limits, &["operation"], 1);
                }
                self.count(CounterMetric::Operations, &[&operation, &result], 1);
                self.count(CounterMetric::OperationBytes, &[&operation], entry.bytes);
                self.timer(TimerMetric::Operation, &[&operation]).took(entry.duration_us);
            }
            "end" => self.ended(&text(&entry.result), entry.duration_us),
            _ => {}
        }
    }

    /// Adds the end of a run that has no entry for it.
    pub fn ended(&mut self, result: &str, duration_us: u64) {
        if result == rex_core::Code::LimitExceeded.as_str() {
            self.count(CounterMetric::Limits, &["run"], 1);
        }
        self.count(CounterMetric::Runs, &[result], 1);
        self.timer(TimerMetric::Script, &[]).took(duration_us);
    }

    /// Adds other totals.
    pub fn merge(&mut self, other: &Self) {
        for ((counter, labels), count) in &other.counters {
            self.count(*counter, &labels.iter().map(String::as_str).collect::<Vec<_>>(), *count);
        }
        for ((timer, labels), durations) in &other.histograms {
            self.timer(*timer, &labels.iter().map(String::as_str).collect::<Vec<_>>()).merge(durations);
        }
    }

    /// Returns all series, grouped by metric.
    pub fn samples(&self) -> impl Iterator<Item = Sample<'_>> {
        let counters = self
            .counters
            .iter()
            .map(|((counter, labels), count)| Sample::new(counter.declared(), labels, SampleValue::Count(*count)));
        let histograms = self.histograms.iter().map(|((timer, labels), durations)| {
            Sample::new(timer.declared(), labels, SampleValue::Durations(durations))
        });
        counters.chain(histograms)
    }

    fn decision(&mut self, decision: &str, action: &str, entry: &Entry<'_>) {
        self.count(CounterMetric::Decisions, &[decision, action], 1);
        if entry.policies.is_empty() {
            self.count(CounterMetric::PolicyDecisions, &[decision, action, ""], 1);
        }
        for policy in &entry.policies {
            self.count(CounterMetric::PolicyDecisions, &[decision, action, policy], 1);
        }
    }

    fn count(&mut self, counter: CounterMetric, labels: &[&str], by: u64) {
        let mut key = (counter, cut(labels));
        let full = || self.counters.keys().filter(|(one, _)| *one == counter).count() >= SERIES;
        if !self.counters.contains_key(&key) && full() {
            key.1 = other(labels);
        }
        let count = self.counters.entry(key).or_default();
        *count = count.saturating_add(by);
    }

    fn timer(&mut self, timer: TimerMetric, labels: &[&str]) -> &mut DurationHistogram {
        let mut key = (timer, cut(labels));
        let full = || self.histograms.keys().filter(|(one, _)| *one == timer).count() >= SERIES;
        if !self.histograms.contains_key(&key) && full() {
            key.1 = other(labels);
        }
        self.histograms.entry(key).or_default()
    }
}

fn cut(labels: &[&str]) -> LabelValues {
    labels.iter().map(|label| label.chars().take(LABEL).collect()).collect()
}

fn other(labels: &[&str]) -> LabelValues {
    labels.iter().map(|_| "other".to_owned()).collect()
}
