//! A record as one row for people.

pub(crate) use rex_audit::units::{bytes, duration, number};
use rex_audit::{Entry, moment};

use crate::draw::{Ink, Paint, line as visible_line};

/// Number of characters that distinguish hashes and ids of runs well enough.
const SHORT: usize = 8;

/// Formats a record: its time, its run, and its content.
pub(crate) fn row(entry: &Entry<'_>, paint: Paint) -> String {
    let line = entry.line.map_or(String::new(), |line| format!("line {line}"));
    format!(
        "{}  {}  {:<18}  {line:<8}  {:<16}  {}",
        time(entry),
        short(&entry.run),
        visible_line(&entry.principal),
        visible_line(&entry.operation),
        said(entry, paint),
    )
}

/// Formats the content of a record, without time and run.
pub(crate) fn said(entry: &Entry<'_>, paint: Paint) -> String {
    match &*entry.event {
        "decision" => decision(entry, paint),
        "outcome" => {
            let bytes = if entry.bytes > 0 { format!("{}, ", bytes(entry.bytes)) } else { String::new() };
            let text = format!("{bytes}{}", duration(entry.duration_us));
            format!("{} {}", result(entry, paint), paint.ink(Ink::Faint, &text))
        }
        "start" => {
            let script = entry.script.as_deref().filter(|script| !script.is_empty());
            let parts = [("script", script), ("policy", entry.policy.as_deref())];
            let parts = parts.into_iter().filter_map(|(name, hash)| Some(format!("{name} {}", short(hash?))));
            let tags = entry.tags.iter().map(|tag| visible_line(tag));
            ["begins".to_owned()].into_iter().chain(parts).chain(tags).collect::<Vec<_>>().join(", ")
        }
        _ => format!("ends: {} after {}", result(entry, paint), duration(entry.duration_us)),
    }
}

fn decision(entry: &Entry<'_>, paint: Paint) -> String {
    let what = |part: Option<&str>| visible_line(part.unwrap_or("?"));
    let effect = if entry.is_denial() { paint.ink(Ink::Bad, "DENY ") } else { paint.ink(Ink::Good, "ALLOW") };
    let (action, resource) = (what(entry.action.as_deref()), what(entry.resource.as_deref()));
    let policies: Vec<_> = entry.policies.iter().map(|policy| format!("`{}`", visible_line(policy))).collect();
    let by = if policies.is_empty() { "no permit matched".to_owned() } else { format!("by {}", policies.join(", ")) };
    let reason = entry.reason.as_deref().map_or(String::new(), |reason| format!(": {}", visible_line(reason)));
    format!("{effect} {action} {resource}  {}", paint.ink(Ink::Faint, &format!("{by}{reason}")))
}

fn result(entry: &Entry<'_>, paint: Paint) -> String {
    match entry.result.as_deref() {
        Some("SUCCESS") => paint.ink(Ink::Good, "SUCCESS"),
        other => paint.ink(Ink::Bad, &visible_line(other.unwrap_or("?"))),
    }
}

/// Formats the time to the millisecond, in a fixed width.
pub(crate) fn time(entry: &Entry<'_>) -> String {
    let Some(time) = moment::rfc3339(&entry.time) else { return visible_line(&entry.time) };
    moment::shown(time)
}

/// Returns the start of a hash or of the id of a run.
pub(crate) fn short(id: &str) -> String {
    visible_line(&id.chars().take(SHORT).collect::<String>())
}
