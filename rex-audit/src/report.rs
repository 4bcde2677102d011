//! A journal as one page for a browser: its totals, its denials, and each run down to the lines of its script.

mod detail;
mod markup;
mod page;
mod runs;

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};

use crate::report::runs::{DenialRow, ReportRuns, RunSeen};
use crate::{Entry, JournalStats, Summary};

/// Maximum number of listed denials: the last ones.
const DENIALS: usize = 500;

/// The text of a script, which journals do not contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportScript {
    /// The name.
    pub name: String,
    /// The text.
    pub text: String,
}

/// A report, which collects entries in one pass and writes the page. Its memory is bounded, whatever the journal holds: totals are over
/// all entries, single entries are of the last runs; runs with denials are kept longest.
///
/// The page loads nothing, runs no script, and says so in its `Content-Security-Policy`. Everything from a journal is text in it.
///
/// ```
/// let journal = br#"{"time":"2026-11-23T12:42:29Z","run":"r","sequence":1,"principal":"Agent::\"<b>\"","operation":"","line":null,"event":"start"}"#;
/// let mut report = rex_audit::HtmlReport::default();
/// report.add(&rex_audit::Entry::parse(journal)?);
/// let mut page = Vec::new();
/// report.write(&mut page, 10)?;
/// assert!(String::from_utf8_lossy(&page).contains("Agent::&quot;&lt;b&gt;&quot;"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct HtmlReport {
    stats: JournalStats,
    scripts: HashMap<String, ReportScript>,
    runs: ReportRuns,
    denials: VecDeque<DenialRow>,
    denied: u64,
}

impl HtmlReport {
    /// Adds the text of the script with this SHA-256, to show it with its runs.
    #[must_use]
    pub fn with_script(mut self, sha256: &str, script: ReportScript) -> Self {
        self.scripts.insert(sha256.to_owned(), script);
        self
    }

    /// Adds an entry.
    pub fn add(&mut self, entry: &Entry<'_>) {
        self.stats.add(entry);
        let (run, row) = self.runs.add(entry);
        if entry.is_denial() {
            self.denied += 1;
            if self.denials.len() == DENIALS {
                self.denials.pop_front();
            }
            self.denials.push_back(DenialRow { run, principal: runs::cut(&entry.principal), row });
        }
    }

    /// Counts a line that is not an entry.
    pub fn unreadable(&mut self) {
        self.stats.unreadable();
    }

    /// Returns the totals, with at most `most` names in each list.
    #[must_use]
    pub fn summary(&self, most: usize) -> Summary {
        self.stats.summary(most)
    }

    /// Writes the page, with at most `most` names in each list.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, to: impl Write, most: usize) -> io::Result<()> {
        page::write(self, &self.summary(most), to)
    }

    fn script(&self, run: &RunSeen) -> Option<&ReportScript> {
        self.scripts.get(run.script.as_deref()?)
    }
}
