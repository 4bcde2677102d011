//! The requests that journals recorded, and the lines that cannot be read.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};

use rex_audit::{
    FileStart, JournalPlace, JournalVerdict, KnownRuns, LineHash, RecordedRequest, RequestReader, UnreadLine, Verifier,
};
use rex_core::ActionSpec;
use serde::Serialize;

use crate::draw;
use crate::exit::Stop;

/// Maximum number of unreadable lines to name, and of changes.
const NAMED: usize = 10;

/// A choice of unreliable parts of a journal to pass over.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct TrustArgs {
    /// Continue despite unreadable, redacted and unfinished lines, and runs without an end; the report counts them
    #[arg(long)]
    allow_unread: bool,
    /// Continue although a journal was changed, or has no hash chain
    #[arg(long)]
    allow_broken_chain: bool,
}

/// The problems of journals: unreadable lines, changes, and runs without an end.
#[derive(Debug, Default)]
pub(crate) struct JournalProblems {
    lines: u64,
    first: Vec<UnreadLine>,
    /// Number of these lines that are records outside the hash chain.
    outside: u64,
    /// Number of these lines that a killed writer left unfinished: no act followed them.
    torn: u64,
    changes: u64,
    first_changes: Vec<(JournalPlace, String)>,
    /// `true` if a line is in a chain.
    chained: bool,
    /// Number of runs without an end, and the first of them.
    unended: u64,
    first_unended: Vec<String>,
}

/// Calls `each` with every request of these journals, in their order; `-` is standard input.
pub(crate) fn each(
    table: &'static [&'static ActionSpec],
    journals: &[PathBuf],
    trust: TrustArgs,
    mut each: impl FnMut(RecordedRequest) -> Result<(), Stop>,
) -> Result<JournalProblems, Stop> {
    let (mut runs, mut unreadable) = (KnownRuns::default(), JournalProblems::default());
    let (mut verifier, mut before) = (Verifier::new(), None);
    for path in journals {
        let (name, reader) = open(path)?;
        // A file that does not continue the one before it is another journal.
        if before.take().is_some_and(|before| !continues(path, before)) {
            unreadable.judge(std::mem::take(&mut verifier).finish());
        }
        before = Some(&**path);
        let requests = RequestReader::new(table, &name, reader, &mut runs).verified_by(&mut verifier);
        let requests = if trust.allow_broken_chain { requests } else { requests.chained() };
        for line in requests {
            match line.map_err(|error| cannot(&name, &error))? {
                Ok(recorded) => each(recorded)?,
                Err(unread) => unreadable.add(unread),
            }
        }
    }
    unreadable.judge(verifier.finish());
    if !unreadable.chained {
        // The verifier ignores lines that are in no chain.
        let unended: Vec<_> = runs.unended().map(str::to_owned).collect();
        unreadable.add_unended(unended.len() as u64, unended);
    }
    Ok(unreadable)
}

fn continues(path: &Path, before: &Path) -> bool {
    let start = File::open(path).and_then(|file| FileStart::read(BufReader::new(file)));
    let file = start.ok().flatten().and_then(|start| start.continues);
    file.is_some_and(|file| before.file_name().is_some_and(|name| *name == *file))
}

fn open(path: &Path) -> Result<(String, Box<dyn BufRead>), Stop> {
    if path == Path::new("-") {
        return Ok(("standard input".to_owned(), Box::new(stdin().lock())));
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| cannot(&name, &error))?;
    Ok((name, Box::new(BufReader::with_capacity(64 << 10, file))))
}

fn cannot(name: &str, error: &std::io::Error) -> Stop {
    Stop::usage(format!("the journal `{name}` cannot be read: {error}"))
}

impl JournalProblems {
    fn add(&mut self, unread: UnreadLine) {
        self.lines += 1;
        self.outside += u64::from(unread.outside);
        if self.first.len() < NAMED {
            self.first.push(unread);
        }
    }

    /// Counts a request that the journal holds only a part of.
    pub(crate) fn add_redacted(&mut self, place: JournalPlace) {
        self.add(UnreadLine {
            place,
            why: "it is redacted: the journal does not have the complete request".to_owned(),
            outside: false,
        });
    }

    fn judge(&mut self, verdict: JournalVerdict) {
        self.torn += verdict.torn.len() as u64;
        self.chained |= verdict.head != LineHash::NONE;
        self.changes += verdict.findings.len() as u64 + verdict.more;
        self.add_unended(verdict.unended, verdict.first_unended);
        for finding in verdict.findings {
            if self.first_changes.len() < NAMED {
                self.first_changes.push((finding.place, finding.what.to_string()));
            }
        }
    }

    fn add_unended(&mut self, count: u64, first: Vec<String>) {
        self.unended += count;
        let room = NAMED - self.first_unended.len();
        self.first_unended.extend(first.into_iter().take(room));
    }

    /// Lists the runs without an end; may be empty.
    fn without_end(&self) -> String {
        let runs: Vec<_> = self.first_unended.iter().map(|run| format!("`{}`", draw::line(run))).collect();
        let more = if self.unended > runs.len() as u64 { ", .." } else { "" };
        match self.unended {
            0 => String::new(),
            1 => format!("1 run has no end in the journal: {}", runs.join(", ")),
            count => format!("{count} runs have no end in the journal: {}{more}", runs.join(", ")),
        }
    }

    /// Returns whether every line could be read.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// Returns whether nothing that was read is from a journal.
    pub(crate) fn is_of_no_journal(&self) -> bool {
        !self.chained && self.outside == 0 && !self.is_empty()
    }

    /// Returns why the journals cannot be relied on, unless `trust` allows it.
    pub(crate) fn distrusted(&self, trust: TrustArgs) -> Option<Stop> {
        if self.changes > 0 && !trust.allow_broken_chain {
            let count = if self.changes == 1 { "1 change".to_owned() } else { format!("{} changes", self.changes) };
            let first = self.first_changes.first();
            let first = first.map_or(String::new(), |(place, what)| format!(", first at {place}: {what}"));
            let message = format!("the journal was changed: {count}{}", draw::line(&first));
            let help = "`rex audit verify` lists all changes; `--allow-broken-chain` continues anyway";
            return Some(Stop::unreliable(message).with_help(help));
        }
        let unread = self.lines - self.torn.min(self.lines - self.outside);
        if unread > 0 && !trust.allow_unread {
            let lines = if unread == 1 { "1 line".to_owned() } else { format!("{unread} lines") };
            let message = format!("{lines} could not be read or used");
            return Some(Stop::unreliable(message).with_help("`--allow-unread` continues without them"));
        }
        if self.unended > 0 && !trust.allow_unread {
            let help = "a run without an end is still running, was killed, or the end of the journal was removed; `--allow-unread` continues with the records that are there";
            return Some(Stop::unreliable(self.without_end()).with_help(help));
        }
        None
    }

    /// Formats the problems for people; may be empty.
    pub(crate) fn human(&self) -> String {
        let mut out = String::new();
        if self.changes > 0 {
            out += "\nwarning: the journal was changed:\n";
            for (place, what) in &self.first_changes {
                out += &format!("  {}: {}\n", draw::line(&place.to_string()), draw::line(what));
            }
            out += &more(self.changes - self.first_changes.len() as u64, "change");
        }
        if self.unended > 0 {
            out += &format!("\nwarning: {}\n", self.without_end());
        }
        if self.is_empty() {
            return out;
        }
        let plural = if self.lines == 1 { "line is" } else { "lines are" };
        out += &format!("\nwarning: {} {plural} not understood, and skipped:\n", self.lines);
        for unread in &self.first {
            out += &format!("  {}: {}\n", draw::line(&unread.place.to_string()), draw::line(&unread.why));
        }
        out + &more(self.lines - self.first.len() as u64, "line")
    }
}

fn more(count: u64, what: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!("  and 1 more {what}\n"),
        more => format!("  and {more} more {what}s\n"),
    }
}

/// The problems of journals in their JSON format.
#[derive(Debug, Serialize)]
pub(crate) struct ShownUnreadable<'a> {
    lines: u64,
    /// Number of these lines that a killed writer left unfinished.
    torn: u64,
    first: Vec<ShownUnread<'a>>,
    /// Number of changes since the journals were written.
    changes: u64,
    first_changes: Vec<ShownUnread<'a>>,
    /// Number of runs without an end, and the first of them.
    unended: u64,
    unended_runs: &'a [String],
}

#[derive(Debug, Serialize)]
struct ShownUnread<'a> {
    #[serde(flatten)]
    place: ShownPlace<'a>,
    why: &'a str,
}

/// A line of a journal in its JSON format.
#[derive(Debug, Serialize)]
pub(crate) struct ShownPlace<'a> {
    journal: &'a str,
    line: u64,
}

impl<'a> ShownPlace<'a> {
    pub(crate) fn new(place: &'a JournalPlace) -> Self {
        Self { journal: &place.journal, line: place.line }
    }
}

impl<'a> ShownUnreadable<'a> {
    pub(crate) fn new(unreadable: &'a JournalProblems) -> Self {
        let shown = |unread: &'a UnreadLine| ShownUnread { place: ShownPlace::new(&unread.place), why: &unread.why };
        let changed = |(place, why): &'a (JournalPlace, String)| ShownUnread { place: ShownPlace::new(place), why };
        Self {
            lines: unreadable.lines,
            torn: unreadable.torn,
            first: unreadable.first.iter().map(shown).collect(),
            changes: unreadable.changes,
            first_changes: unreadable.first_changes.iter().map(changed).collect(),
            unended: unreadable.unended,
            unended_runs: &unreadable.first_unended,
        }
    }
}
