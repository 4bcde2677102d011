//! `rex audit show`

use std::ops::ControlFlow;
use std::path::PathBuf;

use rex_audit::{Entry, moment};
use serde::Serialize;

use super::out::StdoutWriter;
use super::row::{duration, number, said, time};
use super::select::each;
use crate::args::{Color, OutputFormat};
use crate::draw::{Ink, Paint, line as visible_line};
use crate::exit::{Exit, Stop};

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Run id, or the start of one; `last` is the run that started last
    run: String,
    /// Journal (repeatable)
    #[arg(value_name = "JOURNAL", required = true)]
    journals: Vec<PathBuf>,
    /// How to print the run: in JSON, `entries` are the lines of the journal
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    format: OutputFormat,
}

/// Shows one run from its beginning to its end.
pub(crate) fn show(args: &ShowArgs, color: Color) -> Result<Exit, Stop> {
    let run = find(args)?;
    let (mut out, paint, mut seen) = (StdoutWriter::new(), Paint::output(color), RunProgress::default());
    if args.format == OutputFormat::Json {
        let _ = out.text(br#"{"run":"#);
        let _ = out.text(&json(&run)?);
        let _ = out.text(br#","entries":["#);
    }
    let unreadable = each(&args.journals, |line, entry| {
        if *entry.run != *run {
            return ControlFlow::Continue(());
        }
        let first = seen.entries == 0;
        seen.add(entry);
        match args.format {
            OutputFormat::Json => {
                out.text(if first { b"" } else { b"," })?;
                out.text(line.bytes)
            }
            OutputFormat::Human => {
                if first {
                    out.line(head(entry, &run, paint).as_bytes())?;
                }
                out.line(drawn(entry, &seen, paint).as_bytes())
            }
        }
    })?;
    match args.format {
        OutputFormat::Json => {
            let totals = json(&RunTotals { unreadable, ..seen.totals })?;
            let _ = out.text(br#"],"totals":"#);
            let _ = out.text(&totals);
            let _ = out.line(b"}");
        }
        OutputFormat::Human => {
            let _ = out.line(seen.foot(paint).as_bytes());
        }
    }
    out.finish().map(|()| Exit::Success)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Stop> {
    serde_json::to_vec(value).map_err(|error| Stop::internal(error.to_string()))
}

/// Returns the full id of the run. Unreadable lines are reported when it is shown.
fn find(args: &ShowArgs) -> Result<String, Stop> {
    if args.journals.iter().any(|journal| journal.as_os_str() == "-") {
        return Err(Stop::usage("a journal from standard input cannot be read twice")
            .with_help("`rex audit query --run ID -` reads it only once"));
    }
    let last = args.run == "last";
    let mut found: Vec<String> = Vec::new();
    let mut look = |entry: &Entry<'_>| {
        if last {
            if entry.event == "start" {
                found = vec![entry.run.clone().into_owned()];
            }
        } else if entry.run == args.run {
            found = vec![args.run.clone()];
            return ControlFlow::Break(());
        } else if entry.run.starts_with(&args.run) && found.len() < 2 && !found.iter().any(|run| **run == *entry.run) {
            found.push(entry.run.clone().into_owned());
        }
        ControlFlow::Continue(())
    };
    super::select::quietly(&args.journals, |entry| look(entry))?;
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(run), None) => Ok(run),
        (Some(one), Some(other)) => Err(Stop::usage(format!("`{}` matches several runs", args.run))
            .with_help(format!("for example `{one}` and `{other}`"))),
        (None, _) => Err(Stop::usage(format!("unknown run `{}`", args.run))
            .with_help("`rex audit query` lists the runs; name one by its id, or by the start of its id")),
    }
}

/// The state of the run after the records so far.
#[derive(Debug, Default)]
struct RunProgress {
    entries: u64,
    began: Option<i64>,
    call: Option<(String, Option<u32>)>,
    /// `true` if this record belongs to the same call as the one before.
    same: bool,
    ended: bool,
    totals: RunTotals,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
struct RunTotals {
    operations: u64,
    decisions: u64,
    denied: u64,
    unreadable: u64,
}

impl RunProgress {
    fn add(&mut self, entry: &Entry<'_>) {
        self.entries += 1;
        let time = moment::rfc3339(&entry.time).map(rex_core::Timestamp::as_micros);
        self.began = self.began.or(time);
        self.totals.operations += u64::from(entry.event == "outcome");
        self.totals.decisions += u64::from(entry.event == "decision");
        self.totals.denied += u64::from(entry.is_denial());
        self.ended |= entry.event == "end";
        let call = (entry.operation.clone().into_owned(), entry.line);
        self.same = self.call.as_ref() == Some(&call);
        // An outcome is the last record of its call; the next record starts another call.
        self.call = (entry.event == "decision").then_some(call);
    }

    fn foot(&self, paint: Paint) -> String {
        let RunTotals { operations, decisions, denied, .. } = self.totals;
        let denied = format!("{} denied", number(denied));
        let denied = if self.totals.denied > 0 { paint.ink(Ink::Bad, &denied) } else { denied };
        let end = if self.ended { "" } else { "\nit has no end: it is still running, or was killed" };
        let count = |count: u64, what: &str| format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" });
        format!(
            "{}, {}, {denied}{}",
            count(operations, "operation"),
            count(decisions, "decision"),
            paint.ink(Ink::Bad, end)
        )
    }
}

/// Formats run, principal, start, script, policy and tags.
fn head(entry: &Entry<'_>, run: &str, paint: Paint) -> String {
    let mut lines = vec![format!("{} {}", paint.ink(Ink::Strong, "run"), paint.ink(Ink::Strong, &visible_line(run)))];
    let mut add = |name: &str, value: String| lines.push(format!("  {name:<13} {value}"));
    add("on behalf of", visible_line(&entry.principal));
    add("since", format!("{} UTC", time(entry)));
    if let Some(script) = entry.script.as_deref().filter(|script| !script.is_empty()) {
        add("script", visible_line(script));
    }
    if let Some(policy) = entry.policy.as_deref() {
        add("policy", visible_line(policy));
    }
    if !entry.tags.is_empty() {
        add("tags", entry.tags.iter().map(|tag| visible_line(tag)).collect::<Vec<_>>().join(", "));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Formats one record; the records of one call are below its name.
fn drawn(entry: &Entry<'_>, seen: &RunProgress, paint: Paint) -> String {
    let time = moment::rfc3339(&entry.time).map(rex_core::Timestamp::as_micros);
    let since = time.zip(seen.began).and_then(|(time, began)| u64::try_from(time - began).ok());
    let since = since.map_or("?".to_owned(), |micros| format!("+{}", duration(micros)));
    let (line, operation) = if seen.same || entry.operation.is_empty() {
        (String::new(), String::new())
    } else {
        (entry.line.map_or(String::new(), |line| format!("line {line}")), visible_line(&entry.operation))
    };
    format!("  {} {line:<9} {operation:<18} {}", paint.ink(Ink::Faint, &format!("{since:>10}")), said(entry, paint))
        .trim_end()
        .to_owned()
}
