//! A verifier, which finds changes of a journal.
//!
//! A line that was edited, removed, moved or inserted does not fit between the lines around it. The chain alone cannot show that *all*
//! lines from some place on are gone, or were rewritten with new hashes. Checkpoints show it, since only a holder of the key can sign
//! them; and a hash of the last line, kept elsewhere, shows that this line, and so all before it, are still there.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::Arc;

use serde::Deserialize;

use crate::chain::{self, LineHash};
use crate::finding::{JournalFinding, JournalVerdict, LineProblem};
use crate::lines::{LineReader, RawLine};
use crate::mark::Mark;
use crate::place::JournalPlace;
use crate::runs::UnendedRuns;
use crate::sign::PublicKey;

/// Maximum number of listed findings, unfinished lines and unended runs. Further findings and runs are counted.
const TOLD: usize = 100;
/// Maximum distance, in lines, at which a line is recognized as moved or inserted.
const NEAR: usize = 1_024;

/// A verifier of a journal, which reads its files, the oldest first, line by line.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<PublicKey>,
    expected: Option<LineHash>,
    names: Vec<Arc<str>>,
    /// The current line.
    spot: LineSpot,
    head: LineHash,
    /// The run of the line before, and its number there.
    before: (String, u64),
    recent: VecDeque<(LineHash, LineSpot)>,
    /// Missing lines that others name as the one before them, with the index of the finding and the other line.
    absent: Vec<(LineHash, usize, LineSpot)>,
    /// Lines that are in a finding already.
    known: Vec<LineSpot>,
    pieces: Option<LooseLines>,
    /// True if the current line has an end, or is too long.
    ended: bool,
    /// The ends of runs that come after a signature and are not signed yet.
    unsigned: VecDeque<(String, u64, LineSpot)>,
    runs: UnendedRuns,
    verdict: JournalVerdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LineSpot {
    file: usize,
    line: u64,
    /// The number of the line over all files.
    number: u64,
}

/// Texts that are not lines of the chain, until it is known whether a mark covers them.
#[derive(Debug)]
struct LooseLines {
    spot: LineSpot,
    lines: u64,
    bytes: u64,
    hasher: blake3::Hasher,
    /// True if each line is the start of a record, as a writer that is killed leaves it.
    are_starts: bool,
}

#[derive(Deserialize)]
struct LineFields<'a> {
    #[serde(borrow)]
    time: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    run: std::borrow::Cow<'a, str>,
    sequence: u64,
    #[serde(borrow)]
    event: std::borrow::Cow<'a, str>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Verifier {
    /// Creates a verifier that checks the chain alone.
    #[must_use]
    pub fn new() -> Self {
        Self {
            keys: Vec::new(),
            expected: None,
            names: Vec::new(),
            spot: LineSpot { file: 0, line: 0, number: 0 },
            head: LineHash::NONE,
            before: (String::new(), 0),
            recent: VecDeque::with_capacity(NEAR),
            absent: Vec::new(),
            known: Vec::new(),
            pieces: None,
            ended: true,
            unsigned: VecDeque::new(),
            runs: UnendedRuns::default(),
            verdict: JournalVerdict::default(),
        }
    }

    /// Adds keys, one of which must have signed.
    #[must_use]
    pub fn with_keys(self, keys: Vec<PublicKey>) -> Self {
        Self { keys, ..self }
    }

    /// Requires a line with this hash.
    #[must_use]
    pub fn expecting(self, hash: LineHash) -> Self {
        Self { expected: Some(hash), ..self }
    }

    /// Reads the next file.
    ///
    /// # Errors
    /// If it cannot be read, or begins with a text far too long for a line of a journal.
    pub fn file(&mut self, name: &str, reader: impl BufRead) -> io::Result<()> {
        self.open(name);
        let mut lines = LineReader::new(reader);
        while let Some(line) = lines.next_line()? {
            if line.too_long && line.number == 1 && !line.bytes.starts_with(b"{") {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a journal"));
            }
            // Of a line that is too long, this is the start, which is unreadable; later lines are still checked.
            self.add(&line);
        }
        Ok(())
    }

    /// Starts the next file, whose lines follow in [`add`](Self::add): for callers that use each line themselves, too.
    pub fn open(&mut self, name: &str) {
        self.settle(None);
        self.spot = LineSpot { file: self.names.len(), line: 0, ..self.spot };
        self.names.push(name.into());
        self.verdict.files += 1;
    }

    /// Adds the next line of the file.
    pub fn add(&mut self, line: &RawLine<'_>) {
        self.spot.line += 1;
        self.spot.number += 1;
        self.verdict.lines += 1;
        self.verdict.unsigned += 1;
        // No record is that long, so no writer left it unfinished.
        self.ended = line.ended || line.too_long;
        self.line(line.bytes);
    }

    /// Finishes the check and returns the verdict.
    #[must_use]
    pub fn finish(mut self) -> JournalVerdict {
        // Unfinished text at the end: a writer was killed, or is writing now. It leaves at most one line. Other text came there in
        // another way, and readers that ignore the chain would take it for entries.
        if let Some(pieces) = self.pieces.take_if(|pieces| !self.ended && pieces.lines == 1 && pieces.are_starts) {
            self.tell_torn(pieces.spot);
        }
        self.settle(None);
        while let Some((run, sequence, spot)) = self.unsigned.pop_front() {
            self.tell(spot, Some((&run, sequence)), LineProblem::UnsignedRun);
        }
        if let Some(hash) = self.expected {
            self.tell(self.spot, None, LineProblem::Missing { hash });
        }
        if !self.keys.is_empty() && self.verdict.signed.is_none() {
            self.tell(self.spot, None, LineProblem::Unsigned);
        }
        let Self { runs, head, verdict, .. } = self;
        let (unended, first_unended) = (runs.unended(), runs.first_unended(TOLD));
        JournalVerdict { runs: runs.count, unended, first_unended, head, ..verdict }
    }

    fn line(&mut self, text: &[u8]) {
        let seen = serde_json::from_slice::<LineFields<'_>>(text);
        let (Some(previous), Ok(seen)) = (chain::previous(text), seen) else { return self.piece(text) };
        let hash = LineHash::of(text);
        if self.expected == Some(hash) {
            self.expected = None;
        }
        let mark = if Mark::is_one(&seen.event) { serde_json::from_slice(text).ok() } else { None };
        let resumed = self.settle(mark.as_ref());
        if self.spot.line == 1 && (self.spot.file > 0 || mark.is_some()) {
            self.begin(previous, mark.as_ref());
        } else if previous != self.head && !resumed && !self.copied(hash) {
            self.broken(previous, &seen);
        }
        let unbroken = previous == self.head;
        self.moved(hash);
        match mark {
            Some(Mark::Checkpoint { key, signature }) => self.checkpoint(previous, &seen, &key, &signature),
            Some(Mark::Continued { .. }) if self.spot.line > 1 => {
                self.tell(self.spot, None, LineProblem::Misplaced);
            }
            Some(_) => {}
            None if !Self::is_of_run(&seen.event) => {
                self.tell(self.spot, Some((&seen.run, seen.sequence)), LineProblem::Unknown);
            }
            None => {
                let wrong = self.runs.next(&seen.run, seen.sequence, &seen.event).err();
                if let Some(wrong) = wrong.filter(|_| unbroken)
                    && !self.copied(hash)
                {
                    self.tell(self.spot, Some((&seen.run, seen.sequence)), wrong);
                }
                if seen.event == "end" && self.verdict.signed.is_some() {
                    self.wants_signature(&seen);
                }
            }
        }
        self.before.0.clear();
        self.before.0.push_str(&seen.run);
        self.before.1 = seen.sequence;
        self.head = hash;
        if self.recent.len() == NEAR {
            self.recent.pop_front();
        }
        self.recent.push_back((hash, self.spot));
    }

    fn is_of_run(event: &str) -> bool {
        matches!(event, "start" | "decision" | "outcome" | "end")
    }

    /// Keeps text that is not a line of the chain until the next line shows what it is.
    fn piece(&mut self, text: &[u8]) {
        if let Some(pieces) = &mut self.pieces {
            pieces.add(b"\n");
            pieces.add(text);
            pieces.lines += 1;
            pieces.are_starts &= is_start(text);
        } else {
            let hasher = blake3::Hasher::new();
            let mut pieces = LooseLines { spot: self.spot, lines: 1, bytes: 0, hasher, are_starts: is_start(text) };
            pieces.add(text);
            self.pieces = Some(pieces);
        }
    }

    /// Judges the pieces before this line. Returns `true` if this line cannot be compared with the one before them.
    fn settle(&mut self, mark: Option<&Mark>) -> bool {
        let marked = if let Some(Mark::Torn { bytes, hash }) = mark { Some((*bytes, hash)) } else { None };
        match (self.pieces.take(), marked) {
            (Some(pieces), Some((bytes, hash)))
                if pieces.are_starts && pieces.bytes == bytes && pieces.hash() == *hash =>
            {
                self.tell_torn(pieces.spot);
                false
            }
            (Some(pieces), _) => {
                self.tell(pieces.spot, None, LineProblem::Unreadable);
                true
            }
            (None, Some(_)) => {
                self.tell(self.spot, None, LineProblem::Misplaced);
                false
            }
            (None, None) => false,
        }
    }

    /// Checks the first line of a file, which may continue another file.
    fn begin(&mut self, previous: LineHash, mark: Option<&Mark>) {
        let continued = if let Some(Mark::Continued { file }) = mark { Some(file) } else { None };
        match continued {
            Some(file) if self.spot.file == 0 => {
                self.verdict.continues = Some(file.clone());
                self.runs.any = true;
            }
            Some(_) if previous == self.head => {}
            None if self.spot.file == 0 => {
                if previous != LineHash::NONE {
                    self.tell(self.spot, None, LineProblem::Removed);
                }
            }
            _ => {
                self.tell(self.spot, None, LineProblem::NotContinued);
            }
        }
    }

    /// Returns whether a line that does not fit is a copy of a recent one; if so, reports it.
    fn copied(&mut self, hash: LineHash) -> bool {
        let copied = self.recent.iter().any(|(known, _)| *known == hash);
        if copied && self.known.last() != Some(&self.spot) {
            let place = self.place(self.spot);
            match self.verdict.findings.last_mut() {
                Some(JournalFinding { place: first, what: LineProblem::Inserted { lines }, .. })
                    if first.journal == place.journal && first.line + *lines == place.line =>
                {
                    *lines += 1;
                }
                _ => drop(self.tell(self.spot, None, LineProblem::Inserted { lines: 1 })),
            }
            self.known.push(self.spot);
        }
        copied
    }

    /// Reports that a line was not written after the one before it.
    fn broken(&mut self, previous: LineHash, seen: &LineFields<'_>) {
        let (spot, of) = (self.spot, (&*seen.run, seen.sequence));
        if let Some(at) = self.recent.iter().rposition(|(hash, _)| *hash == previous) {
            // This line follows an earlier one: the lines between them were inserted later.
            let between: Vec<_> = self.recent.iter().skip(at + 1).map(|(_, spot)| *spot).collect();
            if let Some(first) = between.first()
                && !between.iter().any(|spot| self.known.contains(spot))
            {
                self.tell(*first, None, LineProblem::Inserted { lines: spot.number - first.number });
            }
            return;
        }
        let gone = spot.number == 1 || self.runs.due(&seen.run).is_some_and(|due| due < seen.sequence);
        let told = match self.recent.back() {
            Some(&(_, last)) if !gone => {
                let (run, sequence) = std::mem::take(&mut self.before);
                self.tell(last, Some((&run, sequence)), LineProblem::Edited)
            }
            _ => self.tell(spot, Some(of), LineProblem::Removed),
        };
        if let Some(told) = told {
            self.absent.push((previous, told, spot));
            self.known.push(spot);
        }
    }

    /// Turns the finding about a missing line into a move, if this is that line.
    fn moved(&mut self, hash: LineHash) {
        let Some(at) = self.absent.iter().position(|(absent, ..)| *absent == hash) else { return };
        let (_, told, spot) = self.absent.swap_remove(at);
        self.known.push(self.spot);
        let (place, after) = (self.place(spot), self.place(self.spot));
        if let Some(finding) = self.verdict.findings.get_mut(told) {
            *finding = JournalFinding { place, what: LineProblem::Moved { after }, run: None, sequence: None };
        }
    }

    fn checkpoint(&mut self, previous: LineHash, seen: &LineFields<'_>, key: &str, signature: &str) {
        self.verdict.checkpoints += 1;
        let Some(key) = self.keys.iter().find(|known| known.id() == key) else { return };
        if key.signed(signature, previous, &seen.time, &seen.run) {
            // The holder of the key signs its own run, and with it all lines before, no matter who wrote them.
            self.unsigned.retain(|(run, ..)| *run != seen.run);
            self.verdict.signed = Some(self.place(self.spot));
            self.verdict.unsigned = 0;
        } else {
            self.tell(self.spot, None, LineProblem::Forged);
        }
    }

    /// Expects a signature of a run that has ended; it comes soon after.
    fn wants_signature(&mut self, seen: &LineFields<'_>) {
        if self.unsigned.len() == NEAR
            && let Some((run, sequence, spot)) = self.unsigned.pop_front()
        {
            self.tell(spot, Some((&run, sequence)), LineProblem::UnsignedRun);
        }
        self.unsigned.push_back((seen.run.to_string(), seen.sequence, self.spot));
    }

    fn place(&self, spot: LineSpot) -> JournalPlace {
        JournalPlace { journal: self.names.get(spot.file).cloned().unwrap_or_default(), line: spot.line }
    }

    fn tell_torn(&mut self, spot: LineSpot) {
        if self.verdict.torn.len() < TOLD {
            self.verdict.torn.push(self.place(spot));
        } else {
            self.verdict.more_torn += 1;
        }
    }

    /// Adds a finding and returns its index, if there is room for it.
    fn tell(&mut self, spot: LineSpot, of: Option<(&str, u64)>, what: LineProblem) -> Option<usize> {
        let told = self.verdict.findings.len();
        if told == TOLD {
            self.verdict.more += 1;
            return None;
        }
        let (run, sequence) = of.map(|(run, sequence)| (run.to_owned(), sequence)).unzip();
        self.verdict.findings.push(JournalFinding { place: self.place(spot), run, sequence, what });
        Some(told)
    }
}

/// Returns whether a line is the start of a record and no more. A whole one without a place in the chain is no unfinished line: readers
/// that do not look at the chain take it for an entry. A file system may leave zeros after a loss of power.
fn is_start(line: &[u8]) -> bool {
    const FIRST: &[u8] = b"{\"time\":";
    let mut text = line;
    while let Some(shorter) = text.strip_suffix(&[0]) {
        text = shorter;
    }
    let begins = text.iter().zip(FIRST).all(|(one, other)| one == other);
    begins && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err()
}

impl LooseLines {
    fn add(&mut self, text: &[u8]) {
        self.bytes += text.len() as u64;
        self.hasher.update(text);
    }

    fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}
