//! `rex replay`

use std::path::PathBuf;

use rex_audit::replay::{ConcernedRequests, ReplayDifference};
use rex_audit::{Replay, ReplayChange};
use rex_core::{ACTIONS, Effect};
use serde::Serialize;

use crate::args::{Color, OutputFormat, PolicyArgs};
use crate::exit::{Exit, Stop};
use crate::recorded::{JournalProblems, ShownPlace, ShownUnreadable, TrustArgs};
use crate::{check, draw, load, print, recorded};

pub(crate) const EXIT_CODES: &str =
    "Rex decides each request for the time when it was recorded, with the script and the tags of its run.

Exit codes:
  0    nothing would change
  1    a request would be newly denied, newly allowed, or decided by other policies
  2    usage, or an input that cannot be read
  3    the policy is rejected
  6    a journal was changed, has unreadable lines, or has a run without an end; Rex still reports on what it could read";

#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// Journal that `rex run --journal` wrote; `-` reads standard input
    #[arg(required = true, value_name = "JOURNAL")]
    pub(crate) journals: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    pub(crate) format: OutputFormat,
}

/// Decides the recorded requests again.
pub(crate) fn replay(args: &ReplayArgs, color: Color) -> Result<Exit, Stop> {
    let policy = match load::policy(&args.policy)? {
        Ok(policy) => policy,
        Err(found) => return Ok(check::rejected(&found, args.format, color)),
    };
    let (mut replay, mut redacted) = (Replay::default(), Vec::new());
    let mut unreadable = recorded::each(ACTIONS, &args.journals, args.trust, |recorded| {
        // The request is not fully known, so it cannot be decided.
        match recorded.redacted {
            true => redacted.push(recorded.place),
            false => replay.add(&recorded, &policy),
        }
        Ok(())
    })?;
    redacted.into_iter().for_each(|place| unreadable.add_redacted(place));
    if args.format == OutputFormat::Json {
        print(&json(&replay, &unreadable)?)?;
    } else {
        for warning in policy.warnings() {
            draw::finding(color, warning);
        }
        print(&human(&replay, &unreadable))?;
    }
    if replay.requests == 0 && unreadable.is_of_no_journal() {
        return Err(
            Stop::usage("the journals contain no request").with_help("`rex run --journal FILE` writes a journal")
        );
    }
    match unreadable.distrusted(args.trust) {
        Some(stop) => Err(stop),
        None => Ok(if replay.is_same() { Exit::Success } else { Exit::Found }),
    }
}

fn human(replay: &Replay, unreadable: &JournalProblems) -> String {
    let mut out = match (replay.requests, replay.requests - replay.same) {
        (0, _) => "the journals contain no request\n".to_owned(),
        (1, 0) => format!("the 1 request{} would be decided as before\n", of(unreadable)),
        (all, 0) => format!("all {all} requests{} would be decided as before\n", of(unreadable)),
        (all, changed) => format!("{changed} of {all} requests{} would be decided differently\n", of(unreadable)),
    };
    for change in ReplayChange::ALL {
        let differences = replay.of(change);
        if !differences.is_empty() {
            out += &format!("\n{}: {}\n", title(change), requests(replay.count(change)));
        }
        for (difference, concerned) in differences {
            out += &one(difference, concerned);
        }
    }
    if replay.uncounted > 0 {
        out += &format!("\nand {} more, with too many differences to list\n", requests(replay.uncounted));
    }
    if replay.without_start > 0 {
        let requests = requests(replay.without_start);
        out += &format!(
            "\nwarning: the start of the run is missing for {requests}; Rex decided without script and tags\n"
        );
    }
    out + &unreadable.human()
}

/// Says which requests were decided.
fn of(unreadable: &JournalProblems) -> &'static str {
    if unreadable.is_empty() { " on record" } else { " that could be read" }
}

fn one(difference: &ReplayDifference, concerned: &ConcernedRequests) -> String {
    let mark = match difference.change {
        ReplayChange::Denied => '-',
        ReplayChange::Allowed => '+',
        ReplayChange::Others => '~',
    };
    let (first, last) = (&concerned.first, &concerned.last);
    let places = if first == last { first.to_string() } else { format!("{first} to {last}") };
    let mut out = format!(
        "{mark} {} {}: {}, {}\n    {}\n",
        draw::line(&difference.principal),
        draw::line(&difference.action),
        requests(concerned.requests),
        draw::line(&places),
        draw::line(&because(difference)),
    );
    for resource in &concerned.resources {
        out += &format!("    {}\n", draw::line(resource));
    }
    if concerned.others > 0 {
        out += &format!("    and others, in {}\n", requests(concerned.others));
    }
    out
}

/// Says what decided before, and what decides now.
fn because(difference: &ReplayDifference) -> String {
    let by = |ids: &[String]| ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let (before, after) = (by(&difference.before), by(&difference.after));
    let reason = difference.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
    let no_longer = || match (&difference.after[..], &difference.reason) {
        ([], None) => "no permit matches".to_owned(),
        ([], Some(reason)) => reason.clone(),
        _ => format!("{after} forbids it{reason}"),
    };
    let was_denied = || match &difference.before[..] {
        [] => "no permit matched".to_owned(),
        _ => format!("{before} forbade it"),
    };
    match (difference.change, difference.denied) {
        (ReplayChange::Denied, _) => format!("{before} allowed it, now {}", no_longer()),
        (ReplayChange::Allowed, _) => format!("{}, now {after} allows it", was_denied()),
        (ReplayChange::Others, true) => format!("still denied: {}, now {}", was_denied(), no_longer()),
        (ReplayChange::Others, false) => format!("still allowed: {before} allowed it, now {after} does"),
    }
}

fn title(change: ReplayChange) -> &'static str {
    match change {
        ReplayChange::Denied => "newly denied",
        ReplayChange::Allowed => "newly allowed",
        ReplayChange::Others => "decided by others",
    }
}

/// Formats a count of requests.
pub(crate) fn requests(count: u64) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{count} requests") }
}

#[derive(Serialize)]
struct ReplayOutput<'a> {
    requests: u64,
    same: u64,
    denied: u64,
    newly_denied: u64,
    newly_allowed: u64,
    decided_by_others: u64,
    uncounted: u64,
    without_start: u64,
    changes: Vec<ShownChange<'a>>,
    unread: ShownUnreadable<'a>,
}

#[derive(Serialize)]
struct ShownChange<'a> {
    change: &'static str,
    principal: &'a str,
    action: &'a str,
    decision: &'static str,
    before: &'a [String],
    after: &'a [String],
    reason: Option<&'a str>,
    requests: u64,
    first: ShownPlace<'a>,
    last: ShownPlace<'a>,
    resources: &'a [String],
    others: u64,
}

impl<'a> ShownChange<'a> {
    fn new((difference, concerned): (&'a ReplayDifference, &'a ConcernedRequests)) -> Self {
        Self {
            change: match difference.change {
                ReplayChange::Denied => "newly_denied",
                ReplayChange::Allowed => "newly_allowed",
                ReplayChange::Others => "decided_by_others",
            },
            principal: &difference.principal,
            action: &difference.action,
            decision: if difference.denied { Effect::Deny } else { Effect::Allow }.as_str(),
            before: &difference.before,
            after: &difference.after,
            reason: difference.reason.as_deref(),
            requests: concerned.requests,
            first: ShownPlace::new(&concerned.first),
            last: ShownPlace::new(&concerned.last),
            resources: &concerned.resources,
            others: concerned.others,
        }
    }
}

fn json(replay: &Replay, unreadable: &JournalProblems) -> Result<String, Stop> {
    let shown = ReplayOutput {
        requests: replay.requests,
        same: replay.same,
        denied: replay.denied,
        newly_denied: replay.count(ReplayChange::Denied),
        newly_allowed: replay.count(ReplayChange::Allowed),
        decided_by_others: replay.count(ReplayChange::Others),
        uncounted: replay.uncounted,
        without_start: replay.without_start,
        changes: ReplayChange::ALL.into_iter().flat_map(|change| replay.of(change)).map(ShownChange::new).collect(),
        unread: ShownUnreadable::new(unreadable),
    };
    serde_json::to_string(&shown).map_err(|error| Stop::internal(error.to_string()))
}
