//! The requests of a journal, rebuilt from their records.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead};
use std::sync::Arc;

use rex_core::request::RequestSpec;
use rex_core::{ActionSpec, Effect, Principal, RequestBuf, Subject, Timestamp, Value};
use serde::Deserialize;

use crate::chain::previous;
use crate::entry::Entry;
use crate::lines::{LINE_BYTES, LineReader, RawLine};
use crate::place::JournalPlace;
use crate::redact::REDACTED;
use crate::verify::Verifier;

/// Maximum number of remembered runs without an end. In a journal with more, the first ones were killed.
const RUNS: usize = 1024;

/// The error for a request that is in no chain.
const OUTSIDE: &str = "it is outside the hash chain: it does not contain the hash of the line before it";

/// A recorded request with its decision.
#[derive(Debug)]
pub struct RecordedRequest {
    /// The place of the record.
    pub place: JournalPlace,
    /// The id of the run.
    pub run: String,
    /// The request.
    pub asked: RequestBuf,
    /// The effect of the decision.
    pub effect: Effect,
    /// The deciding policies.
    pub policies: Vec<String>,
    /// True if the start of its run was read. If not, script and tags are empty.
    pub begun: bool,
    /// True if the record is redacted: it has [`REDACTED`] in place of a likely secret. The request then differs from the one that was
    /// decided.
    pub redacted: bool,
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadLine {
    /// The place of the line.
    pub place: JournalPlace,
    /// The reason.
    pub why: String,
    /// True if it is a whole record that is in no chain, and not a line that a writer left unfinished.
    pub outside: bool,
}

/// The runs that began. Keep it from one journal to the next, as a run may continue there.
#[derive(Debug, Default)]
pub struct KnownRuns {
    known: HashMap<String, Subject>,
    order: VecDeque<String>,
}

/// A reader of the requests of a journal: an iterator over the requests, and the lines that could not be read.
#[derive(Debug)]
pub struct RequestReader<'r, R> {
    table: &'static [&'static ActionSpec],
    journal: Arc<str>,
    lines: LineReader<R>,
    runs: &'r mut KnownRuns,
    verifier: Option<&'r mut Verifier>,
    chained: bool,
}

impl<'r, R: BufRead> RequestReader<'r, R> {
    /// Creates a reader of the requests of a journal, for actions of a table.
    pub fn new(table: &'static [&'static ActionSpec], journal: &str, reader: R, runs: &'r mut KnownRuns) -> Self {
        let lines = LineReader::new(reader);
        Self { table, journal: journal.into(), lines, runs, verifier: None, chained: false }
    }

    /// Passes each line to a verifier, too.
    #[must_use]
    pub fn verified_by(self, verifier: &'r mut Verifier) -> Self {
        verifier.open(&self.journal);
        Self { verifier: Some(verifier), ..self }
    }

    /// Rejects requests outside the chain: those whose line names no line before it.
    #[must_use]
    pub fn chained(self) -> Self {
        Self { chained: true, ..self }
    }

    /// Returns the next request or the next line that could not be read, and skips other lines.
    fn advance(&mut self) -> io::Result<Option<Result<RecordedRequest, UnreadLine>>> {
        while let Some(line) = self.lines.next_line()? {
            let place = JournalPlace { journal: self.journal.clone(), line: line.number };
            if let Some(verifier) = &mut self.verifier {
                verifier.add(&line);
            }
            let outside = self.chained && previous(line.bytes).is_none();
            match read(self.table, self.runs, line, &place) {
                Ok(Some(_)) if outside => return Ok(Some(Err(UnreadLine { place, why: OUTSIDE.to_owned(), outside }))),
                Ok(None) => {}
                Ok(Some(recorded)) => return Ok(Some(Ok(recorded))),
                Err(why) => return Ok(Some(Err(UnreadLine { place, why, outside: false }))),
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for RequestReader<'_, R> {
    type Item = io::Result<Result<RecordedRequest, UnreadLine>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl KnownRuns {
    fn begin(&mut self, run: &str, subject: Subject) {
        if self.known.insert(run.to_owned(), subject).is_none() {
            self.order.push_back(run.to_owned());
        }
        if self.order.len() > RUNS
            && let Some(first) = self.order.pop_front()
        {
            self.known.remove(&first);
        }
    }

    /// Returns the runs that began and did not end, in the order in which they began.
    pub fn unended(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    fn end(&mut self, run: &str) {
        if self.known.remove(run).is_some() {
            self.order.retain(|known| known != run);
        }
    }
}

/// The event of a line that is not a whole entry.
#[derive(Deserialize)]
struct EventKind {
    event: String,
}

fn read(
    table: &'static [&'static ActionSpec],
    runs: &mut KnownRuns,
    line: RawLine<'_>,
    place: &JournalPlace,
) -> Result<Option<RecordedRequest>, String> {
    if line.too_long {
        return Err(format!("it is longer than {LINE_BYTES} bytes"));
    }
    if line.bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    let entry = match Entry::parse(line.bytes) {
        Ok(entry) => entry,
        Err(error) => {
            // A line about the journal itself, or of a later version, lacks fields of a request.
            let kind = serde_json::from_slice::<EventKind>(line.bytes);
            let other = kind.is_ok_and(|kind| !["start", "decision", "end"].contains(&&*kind.event));
            let torn = if line.ended { "" } else { ", because it is incomplete" };
            return if other { Ok(None) } else { Err(format!("it is not a record{torn}: {error}")) };
        }
    };
    match &*entry.event {
        "start" => {
            let script = entry.script.as_deref().unwrap_or_default().to_owned();
            let tags = entry.tags.iter().map(|tag| tag.clone().into_owned()).collect();
            runs.begin(&entry.run, Subject { script, tags, ..Subject::new(principal(&entry)?) });
            Ok(None)
        }
        "end" => {
            runs.end(&entry.run);
            Ok(None)
        }
        "decision" => recorded(table, runs, entry, place).map(Some),
        _ => Ok(None),
    }
}

fn recorded(
    table: &'static [&'static ActionSpec],
    runs: &KnownRuns,
    entry: Entry<'_>,
    place: &JournalPlace,
) -> Result<RecordedRequest, String> {
    let now = Timestamp::parse(&entry.time).map_err(|error| error.to_string())?;
    let known = runs.known.get(&*entry.run);
    let principal = principal(&entry)?;
    let effect = match entry.decision.as_deref() {
        Some("ALLOW") => Effect::Allow,
        Some("DENY") => Effect::Deny,
        Some(other) => return Err(format!("`{}` is not a decision", other.escape_debug())),
        None => return Err("it has no decision".to_owned()),
    };
    let texts = entry.attributes.values().chain(entry.context.values());
    let mut texts = texts.filter_map(|value| if let Value::Text(text) = value { Some(&**text) } else { None });
    let redacted = texts.any(is_redacted)
        || [entry.resource.as_deref(), Some(principal.id())].into_iter().flatten().any(is_redacted);
    let written = RequestSpec {
        action: entry.action.as_deref().ok_or("it has no action")?,
        resource: entry.resource.as_deref().ok_or("it has no resource")?,
        attributes: entry.attributes,
        context: entry.context,
    };
    let subject = match known {
        Some(subject) => Subject { principal, ..subject.clone() },
        None => Subject::new(principal),
    };
    let asked = RequestBuf::new(table, &written, subject, now).map_err(|error| error.to_string())?;
    Ok(RecordedRequest {
        place: place.clone(),
        run: entry.run.into_owned(),
        asked,
        effect,
        policies: entry.policies.into_iter().map(Into::into).collect(),
        begun: known.is_some(),
        redacted,
    })
}

fn is_redacted(text: &str) -> bool {
    text.contains(REDACTED)
}

fn principal(entry: &Entry<'_>) -> Result<Principal, String> {
    Principal::parse(&entry.principal).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use rex_core::ACTIONS;

    use super::*;

    const START: &str = r#"{"time":"2026-11-25T03:00:00Z","run":"r","sequence":1,"principal":"Agent::\"a\"","operation":"","line":null,"event":"start","script":"ab","tags":["t=1"],"policy":null}"#;
    const READ: &str = r#"{"time":"2026-11-25T03:00:00.5Z","run":"r","sequence":2,"principal":"Agent::\"a\"","operation":"fs::read","line":1,"event":"decision","action":"fs::read","resource":"/etc/hosts","context":{},"decision":"ALLOW","policies":["p"],"reason":null}"#;
    const END: &str = r#"{"time":"2026-11-25T03:00:01Z","run":"r","sequence":3,"principal":"Agent::\"a\"","operation":"","line":null,"event":"end","result":"SUCCESS","duration_us":5}"#;

    fn all(text: &str) -> Vec<Result<RecordedRequest, UnreadLine>> {
        let mut runs = KnownRuns::default();
        RequestReader::new(ACTIONS, "j", text.as_bytes(), &mut runs).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_request_has_the_script_and_the_tags_of_its_run() {
        let text = [START, READ, END, READ].join("\n");
        let read = all(&text).into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        let [within, after] = &read[..] else { panic!("{read:?}") };
        assert_eq!((within.place.to_string(), &*within.run, within.begun), ("j:2".to_owned(), "r", true));
        let request = within.asked.request();
        assert_eq!((request.resource.id(), &*request.subject.script), ("/etc/hosts", "ab"));
        assert_eq!(
            (&request.subject.tags[..], request.now.as_micros() % 1_000_000),
            (&["t=1".to_owned()][..], 500_000)
        );
        assert_eq!((within.effect, &within.policies[..]), (Effect::Allow, &["p".to_owned()][..]));
        assert!(!after.begun && after.asked.subject.tags.is_empty());
    }

    #[test]
    fn a_line_that_tells_of_no_request_is_named() {
        let torn = READ.get(..100).unwrap();
        let text = [
            "",
            "{}",
            r#"{"event":"checkpoint"}"#,
            &READ.replace("fs::read", "fs::raed"),
            &READ.replace("/etc/hosts", "hosts"),
            &READ.replace("ALLOW", "PERHAPS"),
            &READ.replace("2026-11", "2026-13"),
            &READ.replace("Agent", "Agent Smith"),
            torn,
        ]
        .join("\n");
        let told: Vec<_> = all(&text).into_iter().map(|line| line.unwrap_err()).collect();
        let told: Vec<_> = told.iter().map(|unread| format!("{}: {}", unread.place, unread.why)).collect();
        expect_test::expect![[r#"
            j:2: it is not a record: missing field `time` at line 1 column 2
            j:4: there is no action `fs::raed`
            j:5: `hosts` is not a `fs::Path`: the path `hosts` is relative, and there is no base directory
            j:6: `PERHAPS` is not a decision
            j:7: `2026-13-25T03:00:00.5Z` is not a time in UTC; one looks like `2026-11-23T12:42:29Z`
            j:8: `Agent Smith::\"a\"` is not a principal; one looks like `Agent::"triage"`
            j:9: it is not a record, because it is incomplete: EOF while parsing a string at line 1 column 100"#]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn what_is_redacted_is_told_and_what_is_in_no_chain_is_none() {
        let text = READ.replace("/etc/hosts", "/srv/token=[redacted]");
        let read = all(&text).into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        assert!(matches!(&read[..], [one] if one.redacted));
        assert!(matches!(&all(READ)[..], [Ok(one)] if !one.redacted));

        let mut text = Vec::new();
        crate::Chain::after(crate::LineHash::NONE).link(READ.as_bytes(), &mut text).unwrap();
        text.extend_from_slice(READ.as_bytes());
        let (mut runs, mut verifier) = (KnownRuns::default(), Verifier::new());
        let requests = RequestReader::new(ACTIONS, "j", &*text, &mut runs).verified_by(&mut verifier).chained();
        let read = requests.collect::<Result<Vec<_>, _>>().unwrap();
        assert!(matches!(&read[..], [Ok(_), Err(unread)] if unread.why == OUTSIDE), "{read:?}");
        let found = verifier.finish().findings;
        assert_eq!(found.iter().map(|it| it.what.kind()).collect::<Vec<_>>(), ["gap", "unreadable"]);
    }

    #[test]
    fn runs_that_never_end_are_forgotten_in_the_end() {
        let mut runs = KnownRuns::default();
        for run in 0..3 * RUNS {
            runs.begin(&run.to_string(), Subject::new(Principal::agent("a")));
        }
        assert_eq!((runs.known.len(), runs.order.len()), (RUNS, RUNS));
        assert!(runs.known.contains_key(&(3 * RUNS - 1).to_string()) && !runs.known.contains_key("0"));
    }
}
