//! Entries as rows of a CSV table, for spreadsheets and other programs.

use std::borrow::Cow;
use std::io::{self, Write};

use csv::{QuoteStyle, Terminator, Writer, WriterBuilder};

use crate::{Entry, text};

/// The names of the columns. Later versions may append more.
pub const COLUMNS: [&str; 20] = [
    "time",
    "run",
    "sequence",
    "principal",
    "operation",
    "line",
    "event",
    "action",
    "resource",
    "attributes",
    "context",
    "decision",
    "policies",
    "reason",
    "result",
    "bytes",
    "duration_us",
    "script",
    "tags",
    "policy",
];

/// A writer of rows; the first row has the names of the columns.
///
/// A field that a spreadsheet would evaluate as a formula gets a leading `'`, which marks text. All fields are quoted and control
/// characters escaped, so that a row stays on one line. Lists and maps are JSON.
#[derive(Debug)]
pub struct CsvWriter<W: Write>(Writer<W>);

impl<W: Write> CsvWriter<W> {
    /// Writes the names of the columns.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn new(to: W) -> io::Result<Self> {
        let mut builder = WriterBuilder::new();
        let mut rows = builder.quote_style(QuoteStyle::Always).terminator(Terminator::CRLF).from_writer(to);
        rows.write_record(COLUMNS)?;
        Ok(Self(rows))
    }

    /// Writes an entry.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let number = |number: u64| Cow::Owned(number.to_string());
        let part = |part: &'_ Option<Cow<'_, str>>| field(part.as_deref().unwrap_or_default()).into_owned();
        let timed = matches!(&*entry.event, "outcome" | "end");
        let row: [Cow<'_, str>; COLUMNS.len()] = [
            field(&entry.time),
            field(&entry.run),
            number(entry.sequence),
            field(&entry.principal),
            field(&entry.operation),
            entry.line.map_or(Cow::Borrowed(""), |line| number(line.into())),
            field(&entry.event),
            part(&entry.action).into(),
            part(&entry.resource).into(),
            json(entry.attributes.is_empty(), &entry.attributes)?,
            json(entry.context.is_empty(), &entry.context)?,
            part(&entry.decision).into(),
            json(entry.decision.is_none(), &entry.policies)?,
            part(&entry.reason).into(),
            part(&entry.result).into(),
            if entry.event == "outcome" { number(entry.bytes) } else { Cow::Borrowed("") },
            if timed { number(entry.duration_us) } else { Cow::Borrowed("") },
            part(&entry.script).into(),
            json(entry.tags.is_empty(), &entry.tags)?,
            part(&entry.policy).into(),
        ];
        self.0.write_record(row.iter().map(|field| field.as_bytes())).map_err(io::Error::from)
    }

    /// Writes pending rows and returns the writer.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.0.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// Returns a text that no spreadsheet evaluates as a formula.
fn field(value: &str) -> Cow<'_, str> {
    let shown = text::line(value);
    // Some programs skip leading blanks before they look for a formula.
    let formula =
        shown.trim_start().starts_with(['=', '+', '-', '@', '|', '%', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    if formula { format!("'{shown}").into() } else { shown }
}

/// Returns a list or a map as JSON; empty for `nothing`. JSON begins with a bracket, so it is not a formula.
fn json(nothing: bool, value: &impl serde::Serialize) -> io::Result<Cow<'static, str>> {
    if nothing {
        return Ok("".into());
    }
    Ok(text::line(&serde_json::to_string(value)?).into_owned().into())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    fn rows(lines: &[&str]) -> String {
        let mut csv = CsvWriter::new(Vec::new()).unwrap();
        lines.iter().for_each(|line| csv.add(&Entry::parse(line.as_bytes()).unwrap()).unwrap());
        String::from_utf8(csv.finish().unwrap()).unwrap()
    }

    #[test]
    fn each_entry_is_a_row() {
        let text = rows(&[
            r#"{"time":"2026-11-23T12:42:29Z","run":"r","sequence":1,"principal":"Agent::\"t\"","operation":"","line":null,"event":"start","script":"ab","tags":["a=b"],"policy":"cd"}"#,
            r#"{"time":"2026-11-23T12:42:29Z","run":"r","sequence":2,"principal":"Agent::\"t\"","operation":"fs::copy","line":3,"event":"decision","action":"fs::write","resource":"=HYPERLINK(\"http://x\")\n","context":{"bytes":3,"a":"b"},"decision":"DENY","policies":["no","never"],"reason":"@SUM(1)"}"#,
            r#"{"time":"2026-11-23T12:42:29Z","run":"r","sequence":3,"principal":"Agent::\"t\"","operation":"fs::copy","line":3,"event":"outcome","result":"ACCESS_DENIED_EXCEPTION","bytes":0,"duration_us":7}"#,
        ]);
        let rows: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(rows.len(), 4);
        expect![[r#""2026-11-23T12:42:29Z","r","2","Agent::""t""","fs::copy","3","decision","fs::write","'=HYPERLINK(""http://x"")\n","","{""a"":""b"",""bytes"":3}","DENY","[""no"",""never""]","'@SUM(1)","","","","","","""#]]
            .assert_eq(rows[2]);
        assert!(rows[1].ends_with(r#","ab","[""a=b""]","cd""#) && rows[3].contains(r#","0","7","#), "{text}");
    }

    proptest! {
        #[test]
        fn no_text_is_a_formula_and_all_come_back(value in "[ \t]?[=+@|%\u{ff1d}-]?(\\PC|[\"\r\n,;])*") {
            let hostile = serde_json::to_string(&value).unwrap();
            let text = rows(&[&format!(
                r#"{{"time":{hostile},"run":{hostile},"sequence":1,"principal":{hostile},"operation":{hostile},"line":1,"event":"decision","action":{hostile},"resource":{hostile},"decision":{hostile},"policies":[{hostile}],"reason":{hostile},"result":{hostile},"script":{hostile},"tags":[{hostile}],"context":{{{hostile}:{hostile}}}}}"#
            )]);
            prop_assert_eq!(text.matches("\r\n").count(), 2);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(record.len(), COLUMNS.len());
            for field in &record {
                prop_assert!(!field.trim_start().starts_with(['=', '+', '-', '@', '|', '%', '\u{ff1d}']), "{}", field);
            }
            let shown = text::line(&value);
            prop_assert_eq!(record[8].strip_prefix('\'').filter(|_| !shown.starts_with('\'')).unwrap_or(&record[8]), &*shown);
        }
    }
}
