//! A journal, line by line.

use std::borrow::Cow;
use std::io::{self, BufRead};
use std::ops::ControlFlow;

use serde::Deserialize;

use crate::Entry;
use crate::lines::{LINE_BYTES, LineReader};

/// The events whose lines are entries. Other lines, such as those that secure the journal itself, are skipped.
const EVENTS: [&str; 4] = ["start", "decision", "outcome", "end"];

/// One line of a journal.
#[derive(Debug)]
pub struct JournalLine<'a> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Number of bytes before it.
    pub offset: u64,
    /// Its bytes, without the newline.
    pub bytes: &'a [u8],
    /// The entry, or the reason why there is none.
    pub entry: Result<Entry<'a>, UnreadableLine>,
}

/// The reason why a line is not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableLine {
    /// The last line, whose writer was interrupted: it has no end.
    #[error("the last line is incomplete: {0}")]
    Torn(String),
    /// A line longer than [`LINE_BYTES`].
    #[error("the line is longer than {LINE_BYTES} bytes")]
    TooLong,
    /// Any other line.
    #[error("the line is not a journal entry: {0}")]
    Other(String),
}

/// Visits each entry, and each line that should be one but is not, in order. Memory does not grow with the journal.
///
/// `visit` stops early with [`ControlFlow::Break`].
///
/// ```
/// use std::ops::ControlFlow;
///
/// let journal = br#"{"time":"2026-11-23T12:42:29Z","run":"r","sequence":1,"principal":"Agent::\"t\"","operation":"","line":null,"event":"start"}
/// {"time":"#;
/// let mut found = Vec::new();
/// rex_audit::each(&journal[..], |line| {
///     found.push((line.number, line.entry.is_ok()));
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(found, [(1, true), (2, false)]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If the reader fails.
pub fn each<R: BufRead>(reader: R, mut visit: impl FnMut(JournalLine<'_>) -> ControlFlow<()>) -> io::Result<()> {
    let mut lines = LineReader::new(reader);
    while let Some(line) = lines.next_line()? {
        let entry = if line.too_long { Some(Err(UnreadableLine::TooLong)) } else { entry(line.bytes, line.ended) };
        if let Some(entry) = entry
            && visit(JournalLine { number: line.number, offset: line.offset, bytes: line.bytes, entry }).is_break()
        {
            break;
        }
    }
    Ok(())
}

/// Parses a line; `None` if its event is not in [`EVENTS`].
fn entry(bytes: &[u8], ended: bool) -> Option<Result<Entry<'_>, UnreadableLine>> {
    #[derive(Deserialize)]
    struct EventField<'a> {
        #[serde(borrow)]
        event: Cow<'a, str>,
    }
    let known = |event: &str| EVENTS.contains(&event);
    match Entry::parse(bytes) {
        Ok(entry) => known(&entry.event).then_some(Ok(entry)),
        Err(error) => {
            let other = serde_json::from_slice::<EventField<'_>>(bytes).is_ok_and(|said| !known(&said.event));
            let why = || {
                // There is only one line, and its number is reported already.
                let text = error.to_string();
                text.rsplit_once(" at line 1 column ")
                    .map_or(text.clone(), |(what, at)| format!("{what}, at byte {at}"))
            };
            (!other).then(|| Err(if ended { UnreadableLine::Other(why()) } else { UnreadableLine::Torn(why()) }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(journal: &[u8]) -> Vec<(u64, u64, Result<u64, UnreadableLine>)> {
        let mut seen = Vec::new();
        each(journal, |line| {
            seen.push((line.number, line.offset, line.entry.map(|entry| entry.sequence)));
            ControlFlow::Continue(())
        })
        .unwrap();
        seen
    }

    fn line(sequence: u64, event: &str) -> String {
        format!(
            r#"{{"time":"2026-11-23T12:42:29Z","run":"r","sequence":{sequence},"principal":"p","operation":"","line":null,"event":"{event}","prev":"00"}}"#
        )
    }

    #[test]
    fn each_line_has_its_place() {
        let journal = [
            line(1, "start"),
            "nonsense".to_owned(),
            "{\"event\":\"checkpoint\"}".to_owned(),
            line(9, "checkpoint"),
            "{\"event\":\"end\"}".to_owned(),
            line(2, "end"),
        ];
        let seen = seen(format!("{}\n{{\"time\":", journal.join("\n")).as_bytes());
        let numbers: Vec<_> = seen.iter().map(|(number, _, entry)| (*number, entry.clone().ok())).collect();
        assert_eq!(numbers, [(1, Some(1)), (2, None), (5, None), (6, Some(2)), (7, None)]);
        assert_eq!(seen[1].1, journal[0].len() as u64 + 1);
        assert_eq!(
            seen[1].2.clone().unwrap_err().to_string(),
            "the line is not a journal entry: expected ident, at byte 2"
        );
        assert!(matches!(&seen[4].2, Err(UnreadableLine::Torn(_))), "{seen:?}");
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut journal = vec![b'x'; LINE_BYTES as usize + 10];
        journal.extend(format!("\n{}\n", line(3, "end")).bytes());
        let seen = seen(&journal);
        assert_eq!(seen[0].2, Err(UnreadableLine::TooLong));
        assert_eq!((seen[1].0, seen[1].1, seen[1].2.clone()), (2, LINE_BYTES + 11, Ok(3)));
    }

    #[test]
    fn the_reader_can_have_enough() {
        let mut count = 0;
        each(format!("{0}\n{0}\n", line(1, "start")).as_bytes(), |_| {
            count += 1;
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(count, 1);
    }
}
