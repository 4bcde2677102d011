//! What a run does, as it is seen from outside: for metrics, and for who waits for it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rex_audit::{Entry, Metrics};
use rex_core::{Journal, JournalError, Record};

use crate::journal::{JournalFile, Lock};
use crate::told::Told;
use crate::{complain, draw, replace};

/// How often what is shown is drawn anew.
const TICK: Duration = Duration::from_millis(100);

/// Sees the lines of a run.
#[derive(Debug)]
pub(crate) struct Watch {
    metrics: Option<PathBuf>,
    progress: bool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    metrics: Metrics,
    bar: Option<ProgressBar>,
    operations: u64,
    decisions: u64,
    denied: u64,
}

impl Watch {
    /// Whoever wants to know something. Progress is for those who look at a terminal.
    pub(crate) fn new(metrics: Option<&Path>, progress: bool) -> Option<Self> {
        let progress = progress && io::stderr().is_terminal();
        let metrics = metrics.map(Path::to_owned);
        (metrics.is_some() || progress).then(|| Self { metrics, progress, seen: Mutex::default() })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run begins. Draws in a thread, so not before a worker was forked.
    pub(crate) fn begin(&self) {
        let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}") else { return };
        if self.progress {
            let bar = ProgressBar::new_spinner().with_style(style).with_message("begins");
            bar.enable_steady_tick(TICK);
            self.seen().bar = Some(bar);
        }
    }

    /// Sees lines, each with its newline.
    pub(crate) fn lines(&self, bytes: &[u8]) {
        let mut seen = self.seen();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if let Ok(entry) = Entry::parse(line) {
                seen.add(&entry);
            }
        }
    }

    /// The run has ended. What cannot be written is told, and is no failure of the run.
    pub(crate) fn finish(&self, told: &Told) {
        let mut seen = self.seen();
        if let Some(bar) = seen.bar.take() {
            bar.finish_and_clear();
        }
        let Some(path) = &self.metrics else { return };
        let result = told.error.as_ref().map_or("SUCCESS", |error| &error.code);
        seen.metrics.ended(result, told.stats.duration_us);
        if let Err(error) = write(path, &mut seen.metrics) {
            let path = draw::line(&path.display().to_string());
            complain(&format!("warning: the metrics `{path}` cannot be written: {}", draw::line(&error.to_string())));
        }
    }
}

impl Seen {
    fn add(&mut self, entry: &Entry<'_>) {
        // How a run ended is known for certain from its report.
        if entry.event != "end" {
            self.metrics.add(entry);
        }
        self.operations += u64::from(entry.event == "outcome");
        self.decisions += u64::from(entry.event == "decision");
        self.denied += u64::from(entry.is_denial());
        let Some(bar) = &self.bar else { return };
        let mut text = format!("{} operations, {} decisions, {} denied", self.operations, self.decisions, self.denied);
        if entry.event == "decision" {
            let line = entry.line.map_or(String::new(), |line| format!("line {line}: "));
            let (operation, resource) = (&entry.operation, entry.resource.as_deref().unwrap_or_default());
            let _ = write!(text, "; {}", draw::line(&format!("{line}{operation} {resource}")));
        }
        bar.set_message(text);
    }
}

/// Adds what is in the file from earlier runs, and replaces it. A lock beside it keeps other runs from doing so meanwhile.
fn write(path: &Path, metrics: &mut Metrics) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = File::options().create(true).append(true).open(&beside)?;
    let _lock = Lock::new(&lock)?;
    match std::fs::read_to_string(path) {
        Ok(text) => metrics.merge(&text.parse().map_err(io::Error::other)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Whoever collects them is somebody else.
    replace::file(path, 0o644, |mut file| file.write_all(metrics.to_string().as_bytes()))
}

/// A journal, if there is one, beside which a watch is kept.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) journal: Option<Arc<JournalFile>>,
    pub(crate) watch: Arc<Watch>,
}

impl Journal for Watched {
    fn write(&self, record: Record) -> Result<(), JournalError> {
        let line = serde_json::to_vec(&record).map_err(|error| JournalError(error.to_string()))?;
        if let Some(journal) = &self.journal {
            journal.write(record)?;
        }
        self.watch.lines(&line);
        Ok(())
    }
}
