//! Whether a journal is as it was written, and where not.
//!
//! A line that was edited, removed, moved or inserted does not fit between the lines around it. What the chain alone cannot show is
//! that *all* lines from some place on are gone, or were written anew by somebody who computed their hashes. So there are checkpoints,
//! for whoever has the key alone can sign; and a hash of the last line that is kept somewhere else shows that this line, and so all
//! before it, is still there.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::Arc;

use serde::Deserialize;

use crate::chain::{self, Hash};
use crate::finding::{Finding, Verdict, What};
use crate::lines::{Line, Lines};
use crate::mark::Mark;
use crate::place::Place;
use crate::runs::Runs;
use crate::sign::PublicKey;

/// So many findings are told, and so many places of each kind. The others are counted.
const TOLD: usize = 100;
/// A line that was moved or inserted is known for what it is if it is at most so many lines from its place.
const NEAR: usize = 1_024;

/// Reads the files of a journal, the oldest first, a line at a time.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<PublicKey>,
    expected: Option<Hash>,
    names: Vec<Arc<str>>,
    /// The line that is looked at.
    spot: Spot,
    head: Hash,
    /// Of which run the line before is, and its number there.
    before: (String, u64),
    recent: VecDeque<(Hash, Spot)>,
    /// The lines that others were written after, and that are not there: with the finding about it, and the other line.
    absent: Vec<(Hash, usize, Spot)>,
    /// Lines that are told already.
    known: Vec<Spot>,
    pieces: Option<Pieces>,
    /// Whether the line that is looked at has an end.
    ended: bool,
    /// The ends of runs that came after a signature, and are not signed themselves yet.
    unsigned: VecDeque<(String, u64, Spot)>,
    runs: Runs,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    file: usize,
    line: u64,
    /// Over all files.
    number: u64,
}

/// Lines that are none, until it is known whether they were marked.
#[derive(Debug)]
struct Pieces {
    spot: Spot,
    lines: u64,
    bytes: u64,
    hasher: blake3::Hasher,
}

#[derive(Deserialize)]
struct Seen<'a> {
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
    /// A check by the chain alone.
    #[must_use]
    pub fn new() -> Self {
        Self {
            keys: Vec::new(),
            expected: None,
            names: Vec::new(),
            spot: Spot { file: 0, line: 0, number: 0 },
            head: Hash::NONE,
            before: (String::new(), 0),
            recent: VecDeque::with_capacity(NEAR),
            absent: Vec::new(),
            known: Vec::new(),
            pieces: None,
            ended: true,
            unsigned: VecDeque::new(),
            runs: Runs::default(),
            verdict: Verdict::default(),
        }
    }

    /// The same, with keys of which one must have signed.
    #[must_use]
    pub fn with_keys(self, keys: Vec<PublicKey>) -> Self {
        Self { keys, ..self }
    }

    /// The same, where a line of this hash must be there.
    #[must_use]
    pub fn expecting(self, hash: Hash) -> Self {
        Self { expected: Some(hash), ..self }
    }

    /// Reads the next file.
    ///
    /// # Errors
    /// If it cannot be read, or begins with what is far too long to be a line of a journal.
    pub fn file(&mut self, name: &str, reader: impl BufRead) -> io::Result<()> {
        self.open(name);
        let mut lines = Lines::new(reader);
        while let Some(line) = lines.next_line()? {
            if line.too_long && line.number == 1 && !line.bytes.starts_with(b"{") {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it has no lines of a journal"));
            }
            // Of one that is too long, the start, which is unreadable: what comes after it is looked at all the same.
            self.add(&line);
        }
        Ok(())
    }

    /// Goes on with the next file, whose lines follow one by one: for whoever does something else with each line too.
    pub fn open(&mut self, name: &str) {
        self.settle(None);
        self.spot = Spot { file: self.names.len(), line: 0, ..self.spot };
        self.names.push(name.into());
        self.verdict.files += 1;
    }

    /// Takes the next line of the file.
    pub fn add(&mut self, line: &Line<'_>) {
        self.spot.line += 1;
        self.spot.number += 1;
        self.verdict.lines += 1;
        self.verdict.unsigned += 1;
        // No record is that long, so no writer leaves the start of one that is.
        self.ended = line.ended || line.too_long;
        self.line(line.bytes);
    }

    /// Whether all is as it was written.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        // The end of what is there: a writer was killed, or writes just now. It leaves one line at most: what else is none came there
        // in another way, and readers that do not look at the chain would take it for entries.
        if let Some(pieces) = self.pieces.take_if(|pieces| !self.ended && pieces.lines == 1) {
            self.tell_torn(pieces.spot);
        }
        self.settle(None);
        while let Some((run, sequence, spot)) = self.unsigned.pop_front() {
            self.tell(spot, Some((&run, sequence)), What::UnsignedRun);
        }
        if let Some(hash) = self.expected {
            self.tell(self.spot, None, What::Missing { hash });
        }
        if !self.keys.is_empty() && self.verdict.signed.is_none() {
            self.tell(self.spot, None, What::Unsigned);
        }
        let Self { runs, head, verdict, .. } = self;
        let (unended, first_unended) = (runs.unended(), runs.first_unended(TOLD));
        Verdict { runs: runs.count, unended, first_unended, head, ..verdict }
    }

    fn line(&mut self, text: &[u8]) {
        let seen = serde_json::from_slice::<Seen<'_>>(text);
        let (Some(previous), Ok(seen)) = (chain::previous(text), seen) else { return self.piece(text) };
        let hash = Hash::of(text);
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
                self.tell(self.spot, None, What::Misplaced);
            }
            Some(_) => {}
            None if !Self::is_of_run(&seen.event) => {
                self.tell(self.spot, Some((&seen.run, seen.sequence)), What::Unknown);
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

    /// Keeps what is no line of a chain until the next one says what to think of it.
    fn piece(&mut self, text: &[u8]) {
        if let Some(pieces) = &mut self.pieces {
            pieces.add(b"\n");
            pieces.add(text);
            pieces.lines += 1;
        } else {
            let mut pieces = Pieces { spot: self.spot, lines: 1, bytes: 0, hasher: blake3::Hasher::new() };
            pieces.add(text);
            self.pieces = Some(pieces);
        }
    }

    /// Says what there is to say about pieces, now that this line comes. `true` if it cannot be held against what is before them.
    fn settle(&mut self, mark: Option<&Mark>) -> bool {
        let marked = if let Some(Mark::Torn { bytes, hash }) = mark { Some((*bytes, hash)) } else { None };
        match (self.pieces.take(), marked) {
            (Some(pieces), Some((bytes, hash))) if pieces.bytes == bytes && pieces.hash() == *hash => {
                self.tell_torn(pieces.spot);
                false
            }
            (Some(pieces), _) => {
                self.tell(pieces.spot, None, What::Unreadable);
                true
            }
            (None, Some(_)) => {
                self.tell(self.spot, None, What::Misplaced);
                false
            }
            (None, None) => false,
        }
    }

    /// The first line of a file, which may go on where another ends.
    fn begin(&mut self, previous: Hash, mark: Option<&Mark>) {
        let continued = if let Some(Mark::Continued { file }) = mark { Some(file) } else { None };
        match continued {
            Some(file) if self.spot.file == 0 => {
                self.verdict.continues = Some(file.clone());
                self.runs.any = true;
            }
            Some(_) if previous == self.head => {}
            None if self.spot.file == 0 => {
                if previous != Hash::NONE {
                    self.tell(self.spot, None, What::Removed);
                }
            }
            _ => {
                self.tell(self.spot, None, What::NotContinued);
            }
        }
    }

    /// Whether a line that does not fit is there already.
    fn copied(&mut self, hash: Hash) -> bool {
        let copied = self.recent.iter().any(|(known, _)| *known == hash);
        if copied && self.known.last() != Some(&self.spot) {
            let place = self.place(self.spot);
            match self.verdict.findings.last_mut() {
                Some(Finding { place: first, what: What::Inserted { lines }, .. })
                    if first.journal == place.journal && first.line + *lines == place.line =>
                {
                    *lines += 1;
                }
                _ => drop(self.tell(self.spot, None, What::Inserted { lines: 1 })),
            }
            self.known.push(self.spot);
        }
        copied
    }

    /// A line that was not written after the one before it.
    fn broken(&mut self, previous: Hash, seen: &Seen<'_>) {
        let (spot, of) = (self.spot, (&*seen.run, seen.sequence));
        if let Some(at) = self.recent.iter().rposition(|(hash, _)| *hash == previous) {
            // It follows on a line further up: what is between them came there later.
            let between: Vec<_> = self.recent.iter().skip(at + 1).map(|(_, spot)| *spot).collect();
            if let Some(first) = between.first()
                && !between.iter().any(|spot| self.known.contains(spot))
            {
                self.tell(*first, None, What::Inserted { lines: spot.number - first.number });
            }
            return;
        }
        let gone = spot.number == 1 || self.runs.due(&seen.run).is_some_and(|due| due < seen.sequence);
        let told = match self.recent.back() {
            Some(&(_, last)) if !gone => {
                let (run, sequence) = std::mem::take(&mut self.before);
                self.tell(last, Some((&run, sequence)), What::Edited)
            }
            _ => self.tell(spot, Some(of), What::Removed),
        };
        if let Some(told) = told {
            self.absent.push((previous, told, spot));
            self.known.push(spot);
        }
    }

    /// Whether this line is one that was not where it was written.
    fn moved(&mut self, hash: Hash) {
        let Some(at) = self.absent.iter().position(|(absent, ..)| *absent == hash) else { return };
        let (_, told, spot) = self.absent.swap_remove(at);
        self.known.push(self.spot);
        let (place, after) = (self.place(spot), self.place(self.spot));
        if let Some(finding) = self.verdict.findings.get_mut(told) {
            *finding = Finding { place, what: What::Moved { after }, run: None, sequence: None };
        }
    }

    fn checkpoint(&mut self, previous: Hash, seen: &Seen<'_>, key: &str, signature: &str) {
        self.verdict.checkpoints += 1;
        let Some(key) = self.keys.iter().find(|known| known.id() == key) else { return };
        if key.signed(signature, previous, &seen.time, &seen.run) {
            // Whoever has the key signs its own run, and with it all that is there, whoever wrote that.
            self.unsigned.retain(|(run, ..)| *run != seen.run);
            self.verdict.signed = Some(self.place(self.spot));
            self.verdict.unsigned = 0;
        } else {
            self.tell(self.spot, None, What::Forged);
        }
    }

    /// Expects the signature of a run that has ended, which comes soon after.
    fn wants_signature(&mut self, seen: &Seen<'_>) {
        if self.unsigned.len() == NEAR
            && let Some((run, sequence, spot)) = self.unsigned.pop_front()
        {
            self.tell(spot, Some((&run, sequence)), What::UnsignedRun);
        }
        self.unsigned.push_back((seen.run.to_string(), seen.sequence, self.spot));
    }

    fn place(&self, spot: Spot) -> Place {
        Place { journal: self.names.get(spot.file).cloned().unwrap_or_default(), line: spot.line }
    }

    fn tell_torn(&mut self, spot: Spot) {
        if self.verdict.torn.len() < TOLD {
            self.verdict.torn.push(self.place(spot));
        }
    }

    /// Adds a finding, and says which one it is, if there is room for it.
    fn tell(&mut self, spot: Spot, of: Option<(&str, u64)>, what: What) -> Option<usize> {
        let told = self.verdict.findings.len();
        if told == TOLD {
            self.verdict.more += 1;
            return None;
        }
        let (run, sequence) = of.map(|(run, sequence)| (run.to_owned(), sequence)).unzip();
        self.verdict.findings.push(Finding { place: self.place(spot), run, sequence, what });
        Some(told)
    }
}

impl Pieces {
    fn add(&mut self, text: &[u8]) {
        self.bytes += text.len() as u64;
        self.hasher.update(text);
    }

    fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}
