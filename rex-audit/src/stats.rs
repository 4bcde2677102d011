//! The totals of a journal.

use std::collections::{HashMap, VecDeque};

use hdrhistogram::Histogram;
use rex_core::Timestamp;

use crate::series::{TimeScale, TimeSeries};
use crate::summary::{
    DenialCount, DenialSummary, DurationSummary, ResourceSummary, ResultCount, RunCounts, Summary, TimelineBucket,
};
use crate::top::{NameTally, TopCounts};
use crate::{Entry, moment};

/// Number of kept names, each of policies, actions, principals, operations and scripts.
const NAMES: usize = 256;
/// Number of kept names of resources.
const RESOURCES: usize = 4_096;
/// Number of runs without an end whose script is remembered.
const OPEN_RUNS: usize = 4_096;
/// Maximum duration in histograms, in microseconds: a day. Longer ones count as a day.
const LONGEST: u64 = 86_400_000_000;

/// Totals of entries, in one pass. The memory is bounded, whatever the journal holds.
#[derive(Debug)]
pub struct JournalStats {
    entries: u64,
    unreadable: u64,
    span: Option<(Timestamp, Timestamp)>,
    scale: TimeScale,
    allowed: TimeSeries,
    denied: TimeSeries,
    by_policy: TopCounts<TimeSeries>,
    by_action: TopCounts<TimeSeries>,
    by_principal: TopCounts<TimeSeries>,
    resources: TopCounts<u64>,
    operations: TopCounts<CallTimes>,
    scripts: TopCounts<CallTimes>,
    results: TopCounts<()>,
    started: u64,
    ended: u64,
    totals: (u64, u64),
    open: OpenRuns,
}

impl Default for JournalStats {
    fn default() -> Self {
        Self {
            entries: 0,
            unreadable: 0,
            span: None,
            scale: TimeScale::default(),
            allowed: TimeSeries::default(),
            denied: TimeSeries::default(),
            by_policy: TopCounts::new(NAMES),
            by_action: TopCounts::new(NAMES),
            by_principal: TopCounts::new(NAMES),
            resources: TopCounts::new(RESOURCES),
            operations: TopCounts::new(NAMES),
            scripts: TopCounts::new(NAMES),
            results: TopCounts::new(NAMES),
            started: 0,
            ended: 0,
            totals: (0, 0),
            open: OpenRuns::default(),
        }
    }
}

impl JournalStats {
    /// Counts a line that is not an entry.
    pub fn unreadable(&mut self) {
        self.unreadable += 1;
    }

    /// Adds an entry.
    pub fn add(&mut self, entry: &Entry<'_>) {
        self.entries += 1;
        let time = moment::rfc3339(&entry.time);
        if let Some(time) = time {
            self.span = Some(self.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        }
        match &*entry.event {
            "start" => {
                self.started += 1;
                self.open.begin(&entry.run, entry.script.as_deref().unwrap_or_default());
            }
            "end" => {
                self.ended += 1;
                self.results.count(entry.result.as_deref().unwrap_or_default());
                if let Some(script) = self.open.end(&entry.run) {
                    self.scripts.count(&script).took(entry);
                }
            }
            "outcome" => self.operations.count(&entry.operation).took(entry),
            "decision" => self.decision(entry, time),
            _ => {}
        }
    }

    fn decision(&mut self, entry: &Entry<'_>, time: Option<Timestamp>) {
        let denied = entry.is_denial();
        let resource = self.resources.count(entry.resource.as_deref().unwrap_or_default());
        *resource += u64::from(denied);
        self.totals.0 += u64::from(!denied);
        self.totals.1 += u64::from(denied);
        let bucket = time.map(|time| self.scale.bucket(time));
        if let Some((_, Some(by))) = bucket {
            self.widen(by);
        }
        let bucket = bucket.map(|(bucket, _)| bucket);
        let over_time = if denied { &mut self.denied } else { &mut self.allowed };
        bucket.into_iter().for_each(|bucket| over_time.count(bucket));
        if !denied {
            return;
        }
        let count = |top: &mut TopCounts<TimeSeries>, name: &str| {
            let series = top.count(name);
            bucket.into_iter().for_each(|bucket| series.count(bucket));
        };
        count(&mut self.by_action, entry.action.as_deref().unwrap_or_default());
        count(&mut self.by_principal, &entry.principal);
        if entry.policies.is_empty() {
            count(&mut self.by_policy, "");
        }
        for policy in &entry.policies {
            count(&mut self.by_policy, policy);
        }
    }

    fn widen(&mut self, by: i64) {
        let tops = [&mut self.by_policy, &mut self.by_action, &mut self.by_principal];
        let all = tops.into_iter().flat_map(TopCounts::values_mut).chain([&mut self.allowed, &mut self.denied]);
        all.for_each(|series| series.widen(by));
    }

    /// Returns the totals, with at most `most` names in each list.
    #[must_use]
    pub fn summary(&self, most: usize) -> Summary {
        let (allowed, denied) = (self.allowed.counts(&self.scale), self.denied.counts(&self.scale));
        let buckets = self.scale.starts().zip(allowed).zip(denied);
        let count = |(name, tally): (&str, &NameTally<()>)| ResultCount { result: name.to_owned(), runs: tally.count };
        Summary {
            first: self.span.map(|(first, _)| first.to_string()),
            last: self.span.map(|(_, last)| last.to_string()),
            entries: self.entries,
            unreadable: self.unreadable,
            runs: RunCounts {
                started: self.started,
                ended: self.ended,
                results: self.results.ranked(|tally| tally.count).into_iter().map(count).collect(),
            },
            allowed: self.totals.0,
            denied: self.totals.1,
            bucket_seconds: self.scale.seconds(),
            timeline: buckets
                .map(|((from, allowed), denied)| TimelineBucket { from: from.to_string(), allowed, denied })
                .collect(),
            denials: DenialSummary {
                policies: self.denied(&self.by_policy, most),
                actions: self.denied(&self.by_action, most),
                principals: self.denied(&self.by_principal, most),
            },
            operations: took(&self.operations, most),
            scripts: took(&self.scripts, most),
            resources: self.resources(most),
        }
    }

    fn denied(&self, top: &TopCounts<TimeSeries>, most: usize) -> Vec<DenialCount> {
        let shown = |(name, tally): (&str, &NameTally<TimeSeries>)| DenialCount {
            name: (!name.is_empty()).then(|| name.to_owned()),
            denied: tally.count,
            missed: tally.missed,
            timeline: tally.more.counts(&self.scale),
        };
        top.ranked(|tally| tally.count).into_iter().take(most).map(shown).collect()
    }

    fn resources(&self, most: usize) -> Vec<ResourceSummary> {
        let shown = |(name, tally): (&str, &NameTally<u64>)| ResourceSummary {
            resource: name.to_owned(),
            decisions: tally.count,
            denied: tally.more,
            missed: tally.missed,
        };
        self.resources.ranked(|tally| tally.count).into_iter().take(most).map(shown).collect()
    }
}

/// The scripts of the runs that have not ended. Runs that were killed never end, so the oldest are forgotten.
#[derive(Debug, Default)]
struct OpenRuns {
    scripts: HashMap<Box<str>, Box<str>>,
    order: VecDeque<Box<str>>,
}

impl OpenRuns {
    fn begin(&mut self, run: &str, script: &str) {
        if self.order.len() >= OPEN_RUNS
            && let Some(oldest) = self.order.pop_front()
        {
            self.scripts.remove(&oldest);
        }
        if self.scripts.insert(run.into(), script.into()).is_none() {
            self.order.push_back(run.into());
        }
    }

    fn end(&mut self, run: &str) -> Option<Box<str>> {
        let script = self.scripts.remove(run)?;
        // Most runs end soon after they begin.
        if let Some(at) = self.order.iter().rposition(|one| **one == *run) {
            self.order.remove(at);
        }
        Some(script)
    }
}

/// The durations of calls.
#[derive(Debug, Default)]
struct CallTimes {
    failed: u64,
    bytes: u64,
    total_us: u64,
    most_us: u64,
    /// A histogram, exact to one part in a hundred.
    spread: Option<Histogram<u32>>,
}

impl CallTimes {
    fn took(&mut self, entry: &Entry<'_>) {
        self.failed += u64::from(entry.result.as_deref() != Some("SUCCESS"));
        self.bytes = self.bytes.saturating_add(entry.bytes);
        self.total_us = self.total_us.saturating_add(entry.duration_us);
        self.most_us = self.most_us.max(entry.duration_us);
        if self.spread.is_none() {
            // It grows as needed. Two digits are a valid precision, so this does not fail.
            self.spread = Histogram::new(2).ok();
        }
        if let Some(spread) = &mut self.spread {
            let _ = spread.record(entry.duration_us.min(LONGEST));
        }
    }

    fn quantile(&self, quantile: f64) -> u64 {
        self.spread.as_ref().map_or(0, |spread| spread.value_at_quantile(quantile)).min(self.most_us)
    }
}

/// Lists names, those with the most total time first.
fn took(top: &TopCounts<CallTimes>, most: usize) -> Vec<DurationSummary> {
    let shown = |(name, tally): (&str, &NameTally<CallTimes>)| DurationSummary {
        name: name.to_owned(),
        count: tally.count,
        missed: tally.missed,
        failed: tally.more.failed,
        bytes: tally.more.bytes,
        total_us: tally.more.total_us,
        p50_us: tally.more.quantile(0.5),
        p90_us: tally.more.quantile(0.9),
        p99_us: tally.more.quantile(0.99),
        most_us: tally.more.most_us,
    };
    top.ranked(|tally| tally.more.total_us).into_iter().take(most).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    fn stats(lines: &[String]) -> JournalStats {
        let mut stats = JournalStats::default();
        crate::each(lines.join("\n").as_bytes(), |line| {
            match line.entry {
                Ok(entry) => stats.add(&entry),
                Err(_) => stats.unreadable(),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        stats
    }

    fn line(second: u32, run: &str, rest: &str) -> String {
        format!(
            r#"{{"time":"2026-11-23T12:00:{second:02}Z","run":"{run}","sequence":1,"principal":"Agent::\"t\"","operation":"fs::read","line":1,{rest}}}"#
        )
    }

    fn decision(second: u32, resource: &str, effect: &str, policies: &str) -> String {
        line(
            second,
            "r",
            &format!(
                r#""event":"decision","action":"fs::read","resource":"{resource}","context":{{}},"decision":"{effect}","policies":{policies},"reason":null"#
            ),
        )
    }

    #[test]
    fn a_journal_adds_up() {
        let mut lines = vec![
            line(0, "r", r#""event":"start","script":"ab","tags":[],"policy":null"#),
            line(0, "killed", r#""event":"start","script":"cd","tags":[],"policy":null"#),
            decision(1, "/a", "ALLOW", r#"["all"]"#),
            decision(2, "/a", "DENY", r#"["no","never"]"#),
            decision(2, "/b", "DENY", "[]"),
            "{".to_owned(),
        ];
        for duration in 1..=100 {
            let result = if duration > 98 { "IO_EXCEPTION" } else { "SUCCESS" };
            let rest = format!(r#""event":"outcome","result":"{result}","bytes":10,"duration_us":{duration}000"#);
            lines.push(line(3, "r", &rest));
        }
        lines.push(line(3, "r", r#""event":"end","result":"ACCESS_DENIED_EXCEPTION","duration_us":5050000"#));
        let summary = stats(&lines).summary(10);
        assert_eq!((summary.entries, summary.unreadable, summary.allowed, summary.denied), (106, 1, 1, 2));
        assert_eq!(
            (summary.first.as_deref(), summary.last.as_deref()),
            (Some("2026-11-23T12:00:00Z"), Some("2026-11-23T12:00:03Z"))
        );
        assert_eq!(
            (summary.runs.started, summary.runs.ended, &*summary.runs.results[0].result),
            (2, 1, "ACCESS_DENIED_EXCEPTION")
        );
        let timeline: Vec<_> = summary.timeline.iter().map(|bucket| (bucket.allowed, bucket.denied)).collect();
        assert_eq!((summary.bucket_seconds, timeline), (1, vec![(1, 0), (0, 2)]));
        let policies: Vec<_> = summary.denials.policies.iter().map(|one| (one.name.as_deref(), one.denied)).collect();
        assert_eq!(policies, [(None, 1), (Some("never"), 1), (Some("no"), 1)]);
        assert_eq!(summary.denials.actions[0].timeline, [0, 2]);
        let operation = &summary.operations[0];
        assert_eq!((operation.count, operation.failed, operation.bytes), (100, 2, 1_000));
        assert_eq!((operation.total_us, operation.most_us), (5_050_000, 100_000));
        for (quantile, exact) in [(operation.p50_us, 50_000), (operation.p90_us, 90_000), (operation.p99_us, 99_000)] {
            assert!(quantile.abs_diff(exact) <= exact / 100, "{quantile} {exact}");
        }
        assert_eq!((&*summary.scripts[0].name, summary.scripts[0].failed, summary.scripts.len()), ("ab", 1, 1));
        let resources: Vec<_> =
            summary.resources.iter().map(|one| (&*one.resource, one.decisions, one.denied)).collect();
        assert_eq!(resources, [("/a", 2, 1), ("/b", 1, 1)]);
    }

    #[test]
    fn buckets_grow_for_all_alike() {
        let lines: Vec<_> = (0..60).chain([0]).map(|second| decision(second, "/a", "DENY", "[]")).collect();
        let mut stats = stats(&lines);
        let late = decision(0, "/a", "DENY", "[]").replace("T12:00", "T13:30");
        stats.add(&Entry::parse(late.as_bytes()).unwrap());
        let summary = stats.summary(1);
        assert_eq!((summary.bucket_seconds, summary.timeline.len()), (300, 19));
        let whole: Vec<_> = summary.timeline.iter().map(|bucket| bucket.denied).collect();
        assert_eq!((whole[0], whole[18], whole.iter().sum::<u64>()), (61, 1, 62));
        assert_eq!(summary.denials.policies[0].timeline, whole);
        assert_eq!(summary.denials.principals[0].timeline, whole);
    }

    #[test]
    fn memory_is_bounded() {
        let mut stats = JournalStats::default();
        for number in 0..20_000 {
            let run = format!("run-{number}");
            let start = line(0, &run, &format!(r#""event":"start","script":"s{number}","tags":[],"policy":null"#));
            stats.add(&Entry::parse(start.as_bytes()).unwrap());
            let decision = decision(0, &format!("/{number}"), "DENY", &format!(r#"["p{number}"]"#));
            stats.add(&Entry::parse(decision.as_bytes()).unwrap());
        }
        assert_eq!((stats.open.scripts.len(), stats.open.order.len()), (OPEN_RUNS, OPEN_RUNS));
        let summary = stats.summary(usize::MAX);
        assert!(summary.resources.len() <= 2 * RESOURCES && summary.denials.policies.len() <= 2 * NAMES);
        assert_eq!((summary.denied, summary.denials.actions[0].denied), (20_000, 20_000));
    }
}
