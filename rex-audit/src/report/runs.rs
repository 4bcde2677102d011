//! The runs that are shown one by one.

use std::collections::{HashMap, VecDeque};

use rex_core::Timestamp;

use crate::{Entry, moment};

/// Maximum number of kept runs.
const RUNS: usize = 200;
/// Maximum number of kept entries of a run; denials may take as many more.
const ROWS: usize = 200;
/// Maximum length of a kept text, in characters.
const CHARS: usize = 300;

/// Cuts a text that is too long for a page.
pub(super) fn cut(text: &str) -> Box<str> {
    match text.char_indices().nth(CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()).into(),
        None => text.into(),
    }
}

/// The last runs; those with denials are kept longest.
#[derive(Debug, Default)]
pub(super) struct ReportRuns {
    seen: HashMap<Box<str>, RunSeen>,
    /// Their ids, in the order in which they were first seen.
    order: VecDeque<Box<str>>,
    /// Number of all runs.
    pub(super) count: u64,
}

/// The part of a run that is kept.
#[derive(Debug, Default)]
pub(super) struct RunSeen {
    /// The number of the run in the journal, which is part of the anchors in the page.
    pub(super) number: u64,
    pub(super) id: Box<str>,
    pub(super) principal: Box<str>,
    pub(super) began: Option<Timestamp>,
    pub(super) script: Option<Box<str>>,
    pub(super) policy: Option<Box<str>>,
    pub(super) tags: Vec<Box<str>>,
    pub(super) decisions: u64,
    pub(super) denied: u64,
    pub(super) result: Option<Box<str>>,
    pub(super) duration_us: u64,
    pub(super) rows: Vec<EntryRow>,
    /// Number of entries that are not kept.
    pub(super) more: u64,
}

/// An entry.
#[derive(Debug, Clone)]
pub(super) struct EntryRow {
    pub(super) sequence: u64,
    pub(super) time: Option<Timestamp>,
    pub(super) line: Option<u32>,
    pub(super) operation: Box<str>,
    pub(super) said: RowContent,
}

/// The content of an entry.
#[derive(Debug, Clone)]
pub(super) enum RowContent {
    Start,
    Decision { denied: bool, action: Box<str>, resource: Box<str>, policies: Vec<Box<str>>, reason: Option<Box<str>> },
    Outcome { result: Box<str>, bytes: u64, duration_us: u64 },
    End { result: Box<str>, duration_us: u64 },
}

/// A denial, in the list of all.
#[derive(Debug)]
pub(super) struct DenialRow {
    /// The number of its run.
    pub(super) run: u64,
    pub(super) principal: Box<str>,
    pub(super) row: EntryRow,
}

impl ReportRuns {
    /// Adds an entry; returns the number of its run, and its row.
    pub(super) fn add(&mut self, entry: &Entry<'_>) -> (u64, EntryRow) {
        if !self.seen.contains_key(&*entry.run) {
            self.begin(entry);
        }
        let row = EntryRow::new(entry);
        let run = self.seen.entry((*entry.run).into()).or_default();
        run.add(entry, &row);
        (run.number, row)
    }

    fn begin(&mut self, entry: &Entry<'_>) {
        if self.order.len() >= RUNS {
            let mut quiet = self.order.iter().map(|id| self.seen.get(id).is_none_or(|run| run.denied == 0));
            let at = quiet.position(|quiet| quiet).unwrap_or(0);
            self.order.remove(at).into_iter().for_each(|id| drop(self.seen.remove(&id)));
        }
        self.count += 1;
        let run = RunSeen {
            number: self.count,
            id: cut(&entry.run),
            principal: cut(&entry.principal),
            began: moment::rfc3339(&entry.time),
            ..RunSeen::default()
        };
        self.order.push_back((*entry.run).into());
        self.seen.insert((*entry.run).into(), run);
    }

    /// Returns the runs that are kept, the last first.
    pub(super) fn last_first(&self) -> impl Iterator<Item = &RunSeen> {
        self.order.iter().rev().filter_map(|id| self.seen.get(id))
    }
}

impl RunSeen {
    fn add(&mut self, entry: &Entry<'_>, row: &EntryRow) {
        self.decisions += u64::from(entry.event == "decision");
        self.denied += u64::from(entry.is_denial());
        match &row.said {
            RowContent::Start => {
                let some = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(cut);
                (self.script, self.policy) = (some(entry.script.as_deref()), some(entry.policy.as_deref()));
                self.tags = entry.tags.iter().take(ROWS).map(|tag| cut(tag)).collect();
            }
            RowContent::End { result, duration_us } => {
                (self.result, self.duration_us) = (Some(result.clone()), *duration_us);
            }
            _ => {}
        }
        let room = if entry.is_denial() { 2 * ROWS } else { ROWS };
        if self.rows.len() < room {
            self.rows.push(row.clone());
        } else {
            self.more += 1;
        }
    }

    /// Returns whether a row with this number is shown, so that it can be linked to.
    pub(super) fn has(&self, sequence: u64) -> bool {
        self.rows.iter().any(|row| row.sequence == sequence)
    }
}

impl EntryRow {
    fn new(entry: &Entry<'_>) -> Self {
        let text = |part: &Option<std::borrow::Cow<'_, str>>| cut(part.as_deref().unwrap_or("?"));
        let said = match &*entry.event {
            "start" => RowContent::Start,
            "decision" => RowContent::Decision {
                denied: entry.is_denial(),
                action: text(&entry.action),
                resource: text(&entry.resource),
                policies: entry.policies.iter().take(ROWS).map(|policy| cut(policy)).collect(),
                reason: entry.reason.as_deref().map(cut),
            },
            "outcome" => {
                RowContent::Outcome { result: text(&entry.result), bytes: entry.bytes, duration_us: entry.duration_us }
            }
            _ => RowContent::End { result: text(&entry.result), duration_us: entry.duration_us },
        };
        Self {
            sequence: entry.sequence,
            time: moment::rfc3339(&entry.time),
            line: entry.line,
            operation: cut(&entry.operation),
            said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(run: usize, decision: &str) -> String {
        format!(
            r#"{{"time":"2026-11-23T12:00:00Z","run":"{run}","sequence":1,"principal":"p","operation":"","line":null,"event":"decision","decision":"{decision}"}}"#
        )
    }

    #[test]
    fn runs_with_denials_stay_longest() {
        let mut runs = ReportRuns::default();
        for run in 0..3 * RUNS {
            let line = entry(run, if run % 10 == 0 { "DENY" } else { "ALLOW" });
            runs.add(&Entry::parse(line.as_bytes()).unwrap());
        }
        assert_eq!((runs.seen.len(), runs.order.len(), runs.count), (RUNS, RUNS, 3 * RUNS as u64));
        assert_eq!(runs.last_first().filter(|run| run.denied > 0).count(), 3 * RUNS / 10);
        let many = entry(0, "ALLOW");
        for _ in 0..3 * ROWS {
            runs.add(&Entry::parse(many.as_bytes()).unwrap());
        }
        let run = &runs.seen["0"];
        assert_eq!((run.rows.len(), run.more), (ROWS, 2 * ROWS as u64 + 1));
    }

    #[test]
    fn long_texts_are_cut() {
        let text = "ä".repeat(CHARS);
        assert_eq!(*cut(&text), *text);
        assert_eq!(*cut(&format!("{text}b")), *format!("{text}…"));
    }
}
