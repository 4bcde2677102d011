//! The observer of a run: it counts for metrics, and shows progress.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rex_audit::{Entry, Metrics, redact};
use rex_core::{Journal, JournalError, Record};

use super::journal::{JournalFile, JournalLock};
#[cfg(feature = "otel")]
use super::otel::OtlpExport;
use super::report::RunReport;
#[cfg(feature = "otel")]
use super::run::RunJob;
use crate::args::CountArgs;
#[cfg(feature = "otel")]
use crate::exit::Exit;
use crate::exit::Stop;
use crate::replace::{self, FileRights};
use crate::{complain, draw};

/// Time between two drawings of the progress.
const TICK: Duration = Duration::from_millis(100);

/// An observer of the records of a run.
#[derive(Debug)]
pub(crate) struct RunWatch {
    metrics: Option<PathBuf>,
    progress: bool,
    #[cfg(feature = "otel")]
    otlp: Option<OtlpExport>,
    seen: Mutex<WatchTotals>,
}

#[derive(Debug, Default)]
struct WatchTotals {
    metrics: Metrics,
    bar: Option<ProgressBar>,
    operations: u64,
    decisions: u64,
    denied: u64,
}

impl RunWatch {
    /// Returns an observer if anything is to be observed. Progress needs a terminal.
    pub(crate) fn new(progress: bool, counted: Option<&CountArgs>) -> Result<Option<Self>, Stop> {
        let watch = Self {
            metrics: counted.and_then(|args| args.metrics.clone()),
            progress: progress && io::stderr().is_terminal(),
            #[cfg(feature = "otel")]
            otlp: counted.map(|args| OtlpExport::new(args.otlp.as_deref())).transpose()?.flatten(),
            seen: Mutex::default(),
        };
        let wanted = watch.metrics.is_some() || watch.progress;
        #[cfg(feature = "otel")]
        let wanted = wanted || watch.otlp.is_some();
        Ok(wanted.then_some(watch))
    }

    fn seen(&self) -> MutexGuard<'_, WatchTotals> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the run. Drawing takes a thread, so not before the fork of the worker.
    pub(crate) fn begin(&self) {
        let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}") else { return };
        if self.progress {
            let bar = ProgressBar::new_spinner().with_style(style).with_message("starting");
            bar.enable_steady_tick(TICK);
            self.seen().bar = Some(bar);
        }
    }

    /// Observes records, each with its newline.
    pub(crate) fn lines(&self, bytes: &[u8]) {
        let mut seen = self.seen();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = redact::line(line);
            if let Ok(entry) = Entry::parse(&line) {
                #[cfg(feature = "otel")]
                self.otlp.iter().for_each(|otlp| otlp.add(&entry));
                seen.add(&entry);
            }
        }
    }

    /// Ends the run and writes the metrics. A write error is a warning, not a failure of the run.
    pub(crate) fn finish(&self, told: &RunReport) {
        let mut seen = self.seen();
        if let Some(bar) = seen.bar.take() {
            bar.finish_and_clear();
        }
        seen.metrics.ended(told.result(), told.stats.duration_us);
        let Some(path) = &self.metrics else { return };
        if let Err(error) = write(path, &seen.metrics) {
            let path = draw::line(&path.display().to_string());
            complain(&format!("warning: the metrics `{path}` cannot be written: {}", draw::line(&error.to_string())));
        }
    }

    /// Exports the run to a collector, after it was reported.
    #[cfg(feature = "otel")]
    pub(crate) fn export(&self, job: &RunJob, told: &RunReport, exit: Exit) {
        self.otlp.iter().for_each(|otlp| otlp.export(job, told, exit, &self.seen().metrics));
    }
}

impl WatchTotals {
    fn add(&mut self, entry: &Entry<'_>) {
        // The report says reliably how the run ended.
        if entry.event != "end" {
            self.metrics.add(entry);
        }
        self.operations += u64::from(entry.event == "outcome");
        self.decisions += u64::from(entry.event == "decision");
        self.denied += u64::from(entry.is_denial());
        let Some(bar) = &self.bar else { return };
        let operations = draw::count(self.operations, "operation");
        let decisions = draw::count(self.decisions, "decision");
        let mut text = format!("{operations}, {decisions}, {} denied", self.denied);
        if entry.event == "decision" {
            let line = entry.line.map_or(String::new(), |line| format!("line {line}: "));
            let (operation, resource) = (&entry.operation, entry.resource.as_deref().unwrap_or_default());
            let _ = write!(text, "; {}", draw::line(&format!("{line}{operation} {resource}")));
        }
        bar.set_message(text);
    }
}

/// Adds the metrics of earlier runs from the file, and replaces it. A lock beside it keeps other runs out.
fn write(path: &Path, metrics: &Metrics) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = File::options().create(true).append(true).open(&beside)?;
    let _lock = JournalLock::new(&lock)?;
    let mut all = match std::fs::read_to_string(path) {
        Ok(text) => text.parse().map_err(io::Error::other)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Metrics::default(),
        Err(error) => return Err(error),
    };
    all.merge(metrics);
    // Another user may collect them.
    replace::file(path, FileRights::New(0o644), |mut file| file.write_all(all.to_string().as_bytes()))
}

/// A journal, if there is one, and the observer of its records.
#[derive(Debug)]
pub(crate) struct WatchedJournal {
    pub(crate) journal: Option<Arc<JournalFile>>,
    pub(crate) watch: Arc<RunWatch>,
}

impl Journal for WatchedJournal {
    fn write(&self, record: Record) -> Result<(), JournalError> {
        let line = serde_json::to_vec(&record).map_err(|error| JournalError(error.to_string()))?;
        if let Some(journal) = &self.journal {
            journal.write(record)?;
        }
        self.watch.lines(&line);
        Ok(())
    }
}
