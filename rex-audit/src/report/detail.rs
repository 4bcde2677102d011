//! The runs, each from its start to its end, beside its script if that is known.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::markup::MarkupText;
use super::page::{time, why};
use super::runs::{EntryRow, RowContent, RunSeen};
use super::{HtmlReport, ReportScript};
use crate::moment;
use crate::units::{bytes, duration, number};

/// Maximum number of lines shown of a script.
const LINES: usize = 2_000;

pub(super) fn runs(out: &mut impl Write, report: &HtmlReport) -> io::Result<()> {
    let (shown, all) = (report.runs.last_first().count(), report.runs.count);
    let of = if all > shown as u64 {
        format!("{shown} of {}, those with denials first to stay", number(all))
    } else {
        number(all)
    };
    writeln!(out, r#"<h2 id="runs">Runs: {of}</h2>"#)?;
    report.runs.last_first().try_for_each(|run| one(out, run, report.script(run)))
}

fn one(out: &mut impl Write, run: &RunSeen, script: Option<&ReportScript>) -> io::Result<()> {
    let began = run.began.map_or("?".to_owned(), moment::shown);
    let result = run.result.as_deref().unwrap_or("no end: it is still running, or was killed");
    let class = if run.result.as_deref() == Some("SUCCESS") { "good" } else { "bad" };
    writeln!(out, r#"<details id="r{}"><summary><span class="when">{began}</span>"#, run.number)?;
    writeln!(out, r#"<span>{}</span><span>{} decisions</span>"#, MarkupText(&run.principal), number(run.decisions))?;
    let denied = if run.denied > 0 { "bad" } else { "faint" };
    writeln!(out, r#"<span class="{denied}">{} denied</span>"#, number(run.denied))?;
    writeln!(out, r#"<span class="{class}">{}</span></summary><dl>"#, MarkupText(result))?;
    let mut fact = |name: &str, value: &str| writeln!(out, "<dt>{name}</dt><dd>{}</dd>", MarkupText(value));
    fact("run", &run.id)?;
    run.script.as_ref().map_or(Ok(()), |hash| fact("script", hash))?;
    run.policy.as_ref().map_or(Ok(()), |hash| fact("policy", hash))?;
    run.tags.iter().try_for_each(|tag| fact("tag", tag))?;
    if run.result.is_some() {
        fact("took", &duration(run.duration_us))?;
    }
    writeln!(out, "</dl>")?;
    if let Some(script) = script {
        source(out, run, script)?;
    }
    writeln!(out, "<table><tr><th>since</th><th>line</th><th>operation</th><th></th></tr>")?;
    run.rows.iter().try_for_each(|row| entry(out, run, row, script.is_some()))?;
    writeln!(out, "</table>")?;
    if run.more > 0 {
        writeln!(out, r#"<p class="faint">and {} more entries</p>"#, number(run.more))?;
    }
    writeln!(out, "</details>")
}

/// Writes the script, with marks at lines with denials.
fn source(out: &mut impl Write, run: &RunSeen, script: &ReportScript) -> io::Result<()> {
    let mut denied: BTreeMap<u32, u64> = BTreeMap::new();
    for row in &run.rows {
        if let (Some(line), RowContent::Decision { denied: true, .. }) = (row.line, &row.said) {
            *denied.entry(line).or_default() += 1;
        }
    }
    writeln!(out, r#"<p class="faint">{}</p><div class="script code">"#, MarkupText(&script.name))?;
    for (line, text) in (1_u32..).zip(script.text.lines().take(LINES)) {
        let (class, mark) = match denied.get(&line) {
            Some(count) => (r#" class="bad""#, format!("  ← {} denied", number(*count))),
            None => ("", String::new()),
        };
        writeln!(
            out,
            r#"<div id="r{}-l{line}"{class}><span>{line}</span>{}{mark}</div>"#,
            run.number,
            MarkupText(text)
        )?;
    }
    writeln!(out, "</div>")
}

fn entry(out: &mut impl Write, run: &RunSeen, row: &EntryRow, has_source: bool) -> io::Result<()> {
    let since =
        row.time.zip(run.began).and_then(|(time, began)| u64::try_from(time.as_micros() - began.as_micros()).ok());
    let since = since.map_or_else(|| time(row), |micros| format!("+{}", duration(micros)));
    let line = match row.line {
        Some(line) if has_source => format!(r##"<a href="#r{}-l{line}">{line}</a>"##, run.number),
        Some(line) => line.to_string(),
        None => String::new(),
    };
    writeln!(
        out,
        r#"<tr id="r{}-{}"><td class="when">{since}</td><td>{line}</td><td>{}</td><td>{}</td></tr>"#,
        run.number,
        row.sequence,
        MarkupText(&row.operation),
        said(row)
    )
}

fn said(row: &EntryRow) -> String {
    let result = |result: &str| {
        let class = if result == "SUCCESS" { "good" } else { "bad" };
        format!(r#"<span class="{class}">{}</span>"#, MarkupText(result))
    };
    match &row.said {
        RowContent::Start => "begins".to_owned(),
        RowContent::Decision { denied, action, resource, .. } => {
            let effect = if *denied { r#"<b class="bad">DENY</b>"# } else { r#"<span class="good">ALLOW</span>"# };
            let (action, resource) = (MarkupText(action), MarkupText(resource));
            format!(r#"{effect} {action} <span class="code">{resource}</span> <span class="faint">{}</span>"#, why(row))
        }
        RowContent::Outcome { result: how, bytes: count, duration_us } => {
            let size = if *count > 0 { format!("{}, ", bytes(*count)) } else { String::new() };
            format!(r#"{} <span class="faint">{size}{}</span>"#, result(how), duration(*duration_us))
        }
        RowContent::End { result: how, duration_us } => {
            format!("ends: {} after {}", result(how), duration(*duration_us))
        }
    }
}
