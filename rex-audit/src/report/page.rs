//! The page.

use std::collections::HashMap;
use std::io::{self, Write};

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::digest::{SHA256, digest};

use super::markup::MarkupText;
use super::runs::{DenialRow, EntryRow, RowContent, RunSeen};
use super::{DENIALS, HtmlReport, detail};
use crate::summary::{DenialCount, DurationSummary, ResourceSummary};
use crate::units::{bytes, duration, number};
use crate::{Summary, moment};

const STYLE: &str = include_str!("page.css");

/// Writes the page.
pub(super) fn write(report: &HtmlReport, summary: &Summary, mut to: impl Write) -> io::Result<()> {
    let out = &mut to;
    head(out)?;
    overview(out, summary)?;
    timeline(out, summary)?;
    writeln!(out, r#"<div class="columns">"#)?;
    denied(out, "Denials by policy", &summary.denials.policies)?;
    denied(out, "Denials by action", &summary.denials.actions)?;
    denied(out, "Denials by principal", &summary.denials.principals)?;
    resources(out, &summary.resources)?;
    writeln!(out, "</div>")?;
    took(out, "Slowest operations", &summary.operations)?;
    took(out, "Slowest scripts", &summary.scripts)?;
    denials(out, report)?;
    detail::runs(out, report)?;
    writeln!(out, "</body></html>")?;
    out.flush()
}

/// Writes the head. It forbids loading anything before anything could be loaded.
fn head(out: &mut impl Write) -> io::Result<()> {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    writeln!(
        out,
        r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">
<title>Rex audit report</title>
<style>{STYLE}</style></head><body>
<h1>Rex audit report</h1>"#
    )
}

fn overview(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let (Some(first), Some(last)) = (&summary.first, &summary.last) else {
        return writeln!(out, "<p>No entries match.</p>");
    };
    writeln!(out, r#"<p class="faint">{} to {} UTC</p>"#, MarkupText(&second(first)), MarkupText(&second(last)))?;
    writeln!(out, r##"<nav><a href="#denials">Denials</a><a href="#runs">Runs</a></nav><div class="cards">"##)?;
    let mut card = |class: &str, count: u64, what: &str| {
        writeln!(out, r#"<div class="card"><b class="{class}">{}</b>{what}</div>"#, number(count))
    };
    card("", summary.entries, "entries")?;
    card("", summary.runs.started, "runs started")?;
    card("", summary.runs.ended, "runs ended")?;
    card("good", summary.allowed, "requests allowed")?;
    card(if summary.denied > 0 { "bad" } else { "" }, summary.denied, "requests denied")?;
    if summary.unreadable > 0 {
        card("bad", summary.unreadable, "unreadable lines")?;
    }
    writeln!(out, "</div>")?;
    if !summary.runs.results.is_empty() {
        writeln!(out, r#"<table><tr><th>How runs ended</th><th class="number">runs</th></tr>"#)?;
        for result in &summary.runs.results {
            writeln!(
                out,
                r#"<tr><td>{}</td><td class="number">{}</td></tr>"#,
                MarkupText(&result.result),
                number(result.runs)
            )?;
        }
        writeln!(out, "</table>")?;
    }
    Ok(())
}

/// Shortens a time to `2026-11-23 12:42:29`.
fn second(time: &str) -> String {
    time.chars().take(19).collect::<String>().replace('T', " ")
}

/// Writes the timeline: a column for each bucket, allowed requests above denied ones.
fn timeline(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    const HEIGHT: u64 = 1_000;
    let (Some(first), Some(last)) = (summary.timeline.first(), summary.timeline.last()) else { return Ok(()) };
    let all = summary.timeline.iter().map(|bucket| bucket.allowed + bucket.denied);
    let most = all.clone().max().unwrap_or(0).max(1);
    let every =
        duration(u64::try_from(summary.bucket_seconds).unwrap_or(0).saturating_mul(1_000_000)).replace(".0", "");
    writeln!(out, r#"<h2 id="timeline">Decisions, each column {every}, the highest {}</h2>"#, number(most))?;
    writeln!(
        out,
        r#"<svg class="time" viewBox="0 0 {} {HEIGHT}" preserveAspectRatio="none" role="img">"#,
        summary.timeline.len() * 10
    )?;
    // A count above 0 is always visible.
    let height = |count: u64| {
        let exact = u128::from(count) * u128::from(HEIGHT - 20) / u128::from(most);
        u64::try_from(exact).unwrap_or(0).max(if count > 0 { 10 } else { 0 })
    };
    for (at, bucket) in summary.timeline.iter().enumerate() {
        let (denied, allowed) = (height(bucket.denied), height(bucket.allowed));
        let x = at * 10 + 1;
        let said =
            format!("{}: {} allowed, {} denied", second(&bucket.from), number(bucket.allowed), number(bucket.denied));
        writeln!(out, "<g><title>{}</title>", MarkupText(&said))?;
        let top = HEIGHT.saturating_sub(denied);
        writeln!(out, r#"<rect class="denied" x="{x}" y="{top}" width="8" height="{denied}"/>"#)?;
        let top = top.saturating_sub(allowed);
        writeln!(out, r#"<rect class="allowed" x="{x}" y="{top}" width="8" height="{allowed}"/></g>"#)?;
    }
    let (first, last) = (second(&first.from), second(&last.from));
    writeln!(
        out,
        r#"</svg><div class="ends faint"><span>{}</span><span>{}</span></div>"#,
        MarkupText(&first),
        MarkupText(&last)
    )
}

fn bar(count: u64, most: u64, class: &str) -> String {
    let width = u128::from(count) * 100 / u128::from(most.max(1));
    let width = width.max(u128::from(count > 0));
    format!(
        r#"<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none"><rect class="{class}" width="{width}" height="10"/></svg>"#
    )
}

/// Formats a count; `≥` marks one that may be too low.
fn count(count: u64, missed: u64) -> String {
    if missed > 0 { format!("≥{}", number(count)) } else { number(count) }
}

fn denied(out: &mut impl Write, title: &str, list: &[DenialCount]) -> io::Result<()> {
    let Some(most) = list.iter().map(|one| one.denied).max() else { return Ok(()) };
    writeln!(out, r#"<section><h2>{title}</h2><table><tr><th>name</th><th class="number">denied</th><th></th></tr>"#)?;
    for one in list {
        let name = one.name.as_deref().unwrap_or("(no permit matched)");
        writeln!(
            out,
            r#"<tr><td>{}</td><td class="number">{}</td><td>{}</td></tr>"#,
            MarkupText(name),
            count(one.denied, one.missed),
            bar(one.denied, most, "denied")
        )?;
    }
    writeln!(out, "</table></section>")
}

fn resources(out: &mut impl Write, list: &[ResourceSummary]) -> io::Result<()> {
    let Some(most) = list.iter().map(|one| one.decisions).max() else { return Ok(()) };
    writeln!(out, r#"<section><h2 id="resources">Most requested resources</h2><table>"#)?;
    writeln!(
        out,
        r#"<tr><th>resource</th><th class="number">decisions</th><th></th><th class="number">denied</th></tr>"#
    )?;
    for one in list {
        writeln!(
            out,
            r#"<tr><td class="code">{}</td><td class="number">{}</td><td>{}</td><td class="number {}">{}</td></tr>"#,
            MarkupText(&one.resource),
            count(one.decisions, one.missed),
            bar(one.decisions, most, "allowed"),
            if one.denied > 0 { "bad" } else { "" },
            number(one.denied)
        )?;
    }
    writeln!(out, "</table></section>")
}

fn took(out: &mut impl Write, title: &str, list: &[DurationSummary]) -> io::Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>{title}</h2><table><tr><th>name</th>")?;
    for name in ["total", "count", "failed", "half", "9 of 10", "99 of 100", "longest", "bytes"] {
        writeln!(out, r#"<th class="number">{name}</th>"#)?;
    }
    writeln!(out, "</tr>")?;
    for one in list {
        writeln!(out, r#"<tr><td class="code">{}</td>"#, MarkupText(&one.name))?;
        let (total, often, failed) = (duration(one.total_us), count(one.count, one.missed), number(one.failed));
        let times = [one.p50_us, one.p90_us, one.p99_us, one.most_us].map(duration);
        for value in [total, often, failed].into_iter().chain(times).chain([bytes(one.bytes)]) {
            writeln!(out, r#"<td class="number">{value}</td>"#)?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</table>")
}

/// Writes the last denials, linked to their places in their runs, if these are shown.
fn denials(out: &mut impl Write, report: &HtmlReport) -> io::Result<()> {
    let shown = report.denials.len();
    let of = if report.denied > DENIALS as u64 {
        format!("the last {shown} of {}", number(report.denied))
    } else {
        number(report.denied)
    };
    writeln!(out, r#"<h2 id="denials">Denials: {of}</h2>"#)?;
    if shown == 0 {
        return Ok(());
    }
    writeln!(out, "<table><tr><th>when</th><th>principal</th><th>operation</th><th>denied</th><th>why</th></tr>")?;
    let kept: HashMap<u64, &RunSeen> = report.runs.last_first().map(|run| (run.number, run)).collect();
    for DenialRow { run, principal, row } in report.denials.iter().rev() {
        let when = time(row);
        let when = match kept.get(run).filter(|seen| seen.has(row.sequence)) {
            Some(_) => format!(r##"<a href="#r{run}-{}">{when}</a>"##, row.sequence),
            None => when,
        };
        let line = row.line.map_or(String::new(), |line| format!(", line {line}"));
        let (what, why) = match &row.said {
            RowContent::Decision { action, resource, .. } => {
                (format!("{} <span class=\"code\">{}</span>", MarkupText(action), MarkupText(resource)), why(row))
            }
            _ => (String::new(), String::new()),
        };
        writeln!(
            out,
            r#"<tr><td class="when">{when}</td><td>{}</td><td>{}{line}</td><td>{what}</td><td>{why}</td></tr>"#,
            MarkupText(principal),
            MarkupText(&row.operation),
        )?;
    }
    writeln!(out, "</table>")
}

/// Formats the time of an entry.
pub(super) fn time(row: &EntryRow) -> String {
    row.time.map_or("?".to_owned(), moment::shown)
}

/// Formats the deciding policies of a decision and their reason.
pub(super) fn why(row: &EntryRow) -> String {
    let RowContent::Decision { policies, reason, .. } = &row.said else { return String::new() };
    let names: Vec<_> = policies.iter().map(|policy| format!("<code>{}</code>", MarkupText(policy))).collect();
    let by = if names.is_empty() { "no permit matched".to_owned() } else { format!("by {}", names.join(", ")) };
    let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {}", MarkupText(reason)));
    format!("{by}{reason}")
}
