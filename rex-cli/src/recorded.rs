//! What journals recorded: their requests, and what in them is none.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};

use rex_audit::{Place, Recorded, Requests, Runs, Unread};
use rex_core::ActionSpec;
use serde::Serialize;

use crate::draw;
use crate::exit::Stop;

/// How many of the lines that are not understood are named.
const NAMED: usize = 10;

/// Lines that are not understood.
#[derive(Debug, Default)]
pub(crate) struct Unreadable {
    lines: u64,
    first: Vec<Unread>,
}

/// Calls `each` with every request of these journals, in their order; `-` is standard input.
pub(crate) fn each(
    table: &'static [&'static ActionSpec],
    journals: &[PathBuf],
    mut each: impl FnMut(Recorded) -> Result<(), Stop>,
) -> Result<Unreadable, Stop> {
    let (mut runs, mut unreadable) = (Runs::default(), Unreadable::default());
    for path in journals {
        let (name, reader) = open(path)?;
        for line in Requests::new(table, &name, reader, &mut runs) {
            match line.map_err(|error| cannot(&name, &error))? {
                Ok(recorded) => each(recorded)?,
                Err(unread) => unreadable.add(unread),
            }
        }
    }
    Ok(unreadable)
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

impl Unreadable {
    fn add(&mut self, unread: Unread) {
        self.lines += 1;
        if self.first.len() < NAMED {
            self.first.push(unread);
        }
    }

    /// Whether every line was understood.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// For people; empty if there is nothing to say.
    pub(crate) fn human(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let (plural, rest) = if self.lines == 1 { ("line is", "") } else { ("lines are", "s") };
        let mut out = format!("\nwarning: {} {plural} not understood, and left out:\n", self.lines);
        for unread in &self.first {
            out += &format!("  {}: {}\n", draw::line(&unread.place.to_string()), draw::line(&unread.why));
        }
        match self.lines - self.first.len() as u64 {
            0 => {}
            more => out += &format!("  and {more} more line{rest}\n"),
        }
        out
    }
}

/// The lines that are not understood, as they are promised in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ShownUnreadable<'a> {
    lines: u64,
    first: Vec<ShownUnread<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownUnread<'a> {
    #[serde(flatten)]
    place: ShownPlace<'a>,
    why: &'a str,
}

/// A line of a journal, as it is promised in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ShownPlace<'a> {
    journal: &'a str,
    line: u64,
}

impl<'a> ShownPlace<'a> {
    pub(crate) fn new(place: &'a Place) -> Self {
        Self { journal: &place.journal, line: place.line }
    }
}

impl<'a> ShownUnreadable<'a> {
    pub(crate) fn new(unreadable: &'a Unreadable) -> Self {
        let shown = |unread: &'a Unread| ShownUnread { place: ShownPlace::new(&unread.place), why: &unread.why };
        Self { lines: unreadable.lines, first: unreadable.first.iter().map(shown).collect() }
    }
}
