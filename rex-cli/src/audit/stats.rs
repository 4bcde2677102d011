//! `rex audit stats`

use std::fmt::Write;
use std::ops::ControlFlow;

use rex_audit::summary::{DenialCount, DurationSummary, ResourceSummary};
use rex_audit::{JournalStats, Summary};

use super::chart::{bar, columns, spark};
use super::row::{bytes, duration, number, short};
use super::select::{FilterArgs, JournalArgs, each};
use crate::args::{Color, OutputFormat};
use crate::draw::{Ink, Paint, line as visible_line};
use crate::exit::{Exit, Stop};
use crate::print;

#[derive(Debug, clap::Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    journals: JournalArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Number of names in each list
    #[arg(long, value_name = "COUNT", default_value_t = 10, help_heading = "Options")]
    top: usize,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human, help_heading = "Options")]
    format: OutputFormat,
}

/// Adds up the matching records.
pub(crate) fn stats(args: &StatsArgs, color: Color) -> Result<Exit, Stop> {
    let filter = args.filter.filter()?;
    let mut stats = JournalStats::default();
    let unreadable = each(&args.journals.journals, |_, entry| {
        if filter.passes(entry) {
            stats.add(entry);
        }
        ControlFlow::Continue(())
    })?;
    let summary = Summary { unreadable, ..stats.summary(args.top) };
    let text = match args.format {
        OutputFormat::Human => human(&summary, Paint::output(color)),
        OutputFormat::Json => serde_json::to_string(&summary).map_err(|error| Stop::internal(error.to_string()))?,
    };
    print(&text).map(|()| Exit::Success)
}

fn human(summary: &Summary, paint: Paint) -> String {
    let mut out = String::new();
    head(&mut out, summary, paint);
    timeline(&mut out, summary, paint);
    let denials = &summary.denials;
    denied(&mut out, "Denials by policy", &denials.policies, paint);
    denied(&mut out, "Denials by action", &denials.actions, paint);
    denied(&mut out, "Denials by principal", &denials.principals, paint);
    took(&mut out, "Slowest operations", &summary.operations, paint, visible_line);
    took(&mut out, "Slowest scripts", &summary.scripts, paint, short);
    resources(&mut out, &summary.resources, paint);
    out
}

// Writing to a string does not fail, here and below.
fn head(out: &mut String, summary: &Summary, paint: Paint) {
    let (Some(first), Some(last)) = (&summary.first, &summary.last) else {
        out.push_str("No entries match.\n");
        return;
    };
    let _ = writeln!(out, "{}", paint.ink(Ink::Strong, &format!("{first} to {last}")));
    let _ = writeln!(out, "  entries    {}", number(summary.entries));
    if summary.unreadable > 0 {
        let _ = writeln!(out, "  unreadable {}", paint.ink(Ink::Bad, &number(summary.unreadable)));
    }
    let runs = &summary.runs;
    let _ = writeln!(out, "  runs       {} began, {} ended", number(runs.started), number(runs.ended));
    for result in &runs.results {
        let _ = writeln!(out, "             {:>10} {}", number(result.runs), visible_line(&result.result));
    }
    let all = summary.allowed + summary.denied;
    let percent = if all == 0 { 0.0 } else { percent(summary.denied, all) };
    let denied = format!("{} denied ({percent:.1} %)", number(summary.denied));
    let denied = if summary.denied > 0 { paint.ink(Ink::Bad, &denied) } else { denied };
    let _ = writeln!(out, "  decisions  {}, {denied}", number(all));
}

#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn percent(part: u64, all: u64) -> f64 {
    part as f64 * 100.0 / all as f64
}

fn timeline(out: &mut String, summary: &Summary, paint: Paint) {
    let (Some(first), Some(last)) = (summary.timeline.first(), summary.timeline.last()) else { return };
    let every =
        duration(u64::try_from(summary.bucket_seconds).unwrap_or(0).saturating_mul(1_000_000)).replace(".0", "");
    let all: Vec<u64> = summary.timeline.iter().map(|bucket| bucket.allowed + bucket.denied).collect();
    let denied: Vec<u64> = summary.timeline.iter().map(|bucket| bucket.denied).collect();
    for (title, counts, rows, ink) in [("Decisions", all, 6, Ink::Good), ("Denials", denied, 4, Ink::Bad)] {
        let most = counts.iter().copied().max().unwrap_or(0);
        if most == 0 {
            continue;
        }
        let _ = writeln!(out, "\n{}", paint.ink(Ink::Strong, &format!("{title}, each column {every}")));
        for (at, row) in columns(&counts, rows).iter().enumerate() {
            let scale = if at == 0 { number(most) } else { String::new() };
            let _ = writeln!(out, "  {scale:>10} │{}", paint.ink(ink, row));
        }
        let _ = writeln!(out, "  {:>10} └{}", 0, "─".repeat(counts.len()));
        let _ = writeln!(out, "  {:>10}  {} to {}", "", second(&first.from), second(&last.from));
    }
}

/// Formats a time to the second: `2026-11-23 12:42:29`.
fn second(time: &str) -> String {
    time.chars().take(19).collect::<String>().replace('T', " ")
}

fn denied(out: &mut String, title: &str, list: &[DenialCount], paint: Paint) {
    let Some(most) = list.iter().map(|one| one.denied).max() else { return };
    let _ = writeln!(out, "\n{}", paint.ink(Ink::Strong, title));
    for one in list {
        let name = one.name.as_deref().map_or("(no permit matched)".to_owned(), visible_line);
        let bar = paint.ink(Ink::Bad, &bar(one.denied, most, 20));
        let _ = writeln!(out, "  {:>10} {bar} {}  {name}", count(one.denied, one.missed), spark(&one.timeline));
    }
}

fn took(out: &mut String, title: &str, list: &[DurationSummary], paint: Paint, name: impl Fn(&str) -> String) {
    let Some(most) = list.iter().map(|one| one.total_us).max() else { return };
    let _ = writeln!(out, "\n{}", paint.ink(Ink::Strong, title));
    let head = format!(
        "  {:>9} {:20} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>10}",
        "total", "", "count", "failed", "half", "9 of 10", "99 of 100", "longest", "bytes"
    );
    let _ = writeln!(out, "{}", paint.ink(Ink::Faint, &head));
    for one in list {
        let _ = writeln!(
            out,
            "  {:>9} {} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>10}  {}",
            duration(one.total_us),
            bar(one.total_us, most, 20),
            count(one.count, one.missed),
            number(one.failed),
            duration(one.p50_us),
            duration(one.p90_us),
            duration(one.p99_us),
            duration(one.most_us),
            bytes(one.bytes),
            name(&one.name),
        );
    }
}

fn resources(out: &mut String, list: &[ResourceSummary], paint: Paint) {
    let Some(most) = list.iter().map(|one| one.decisions).max() else { return };
    let _ = writeln!(out, "\n{}", paint.ink(Ink::Strong, "Most requested resources"));
    let head = format!("  {:>10} {:20} {:>10}", "decisions", "", "denied");
    let _ = writeln!(out, "{}", paint.ink(Ink::Faint, &head));
    for one in list {
        let denied = format!("{:>10}", number(one.denied));
        let denied = if one.denied > 0 { paint.ink(Ink::Bad, &denied) } else { denied };
        let bar = bar(one.decisions, most, 20);
        let name = visible_line(&one.resource);
        let _ = writeln!(out, "  {:>10} {bar} {denied}  {name}", count(one.decisions, one.missed));
    }
}

/// Formats a count, with `≥` if it may be too low.
fn count(count: u64, missed: u64) -> String {
    if missed > 0 { format!("≥{}", number(count)) } else { number(count) }
}
