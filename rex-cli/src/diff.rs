//! `rex policy diff`

use std::fmt::Write;
use std::path::PathBuf;

use rex_core::Decision;
use rex_policy::{Change, Diff, Difference, Policy};
use serde::Serialize;

use crate::args::{Color, Format, PolicyArgs};
use crate::exit::{Exit, Stop};
use crate::operation::ShownOperation;
use crate::{check, draw, load, print};

pub(crate) const EXIT_CODES: &str = "Where this `rex` was built with proofs and the solver cvc5 is there (see `rex policy prove --help`), what is found is all there is.
Else requests are made from the names, texts and numbers of both policies; the output says so, since what they do not show may be all the
same.

Exit codes:
  0    no difference was found
  1    there is one, or a solver could not decide whether there is
  2    usage, or an input that cannot be read
  3    a policy is rejected";

#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// The older policy; a file, or a folder
    #[arg(value_name = "OLD")]
    older: PathBuf,
    /// The newer one
    #[arg(value_name = "NEW")]
    newer: PathBuf,
    /// Cedar entities as JSON, for both
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
    /// Look at examples alone, without a solver
    #[arg(long)]
    examples: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Says what a newer policy decides otherwise.
pub(crate) fn diff(args: &DiffArgs, color: Color) -> Result<Exit, Stop> {
    let older = load::policies(&PolicyArgs { policies: vec![args.older.clone()], entities: args.entities.clone() })?;
    let newer = older.beside(std::slice::from_ref(&args.newer))?;
    let (older, newer) = match older.compile().and_then(|older| Ok((older, newer.compile()?))) {
        Ok(both) => both,
        Err(found) => return Ok(check::rejected(&found, args.format, color)),
    };
    let help = "`--examples` does without a solver";
    let proved = if args.examples { None } else { proved(&older, &newer).map_err(|stop| stop.with_help(help))? };
    let diff = proved.unwrap_or_else(|| older.diff(&newer));
    print(&match args.format {
        Format::Json => serde_json::to_string(&Shown::new(&diff)).map_err(|error| Stop::internal(error.to_string()))?,
        Format::Human => human(&diff),
    })?;
    Ok(if diff.differences.is_empty() && diff.undecided.is_empty() { Exit::Success } else { Exit::Found })
}

/// What a newer policy decides otherwise, with proofs; `None` if there is no solver.
#[cfg(feature = "prove")]
pub(crate) fn proved(older: &Policy, newer: &Policy) -> Result<Option<Diff>, Stop> {
    let Ok(mut solver) = crate::solver::Cvc5::start() else { return Ok(None) };
    let diff = rex_policy::Prover::new(&mut solver).and_then(|mut prover| prover.diff(older, newer));
    diff.map(Some).map_err(|error| Stop::usage(error.to_string()))
}

/// Whether there is something to prove with.
pub(crate) fn can_prove() -> bool {
    #[cfg(feature = "prove")]
    return crate::solver::Cvc5::start().is_ok();
    #[cfg(not(feature = "prove"))]
    return false;
}

#[cfg(not(feature = "prove"))]
#[expect(clippy::unnecessary_wraps, reason = "with proofs, it can fail")]
pub(crate) fn proved(_: &Policy, _: &Policy) -> Result<Option<Diff>, Stop> {
    Ok(None)
}

fn human(diff: &Diff) -> String {
    let mut out = String::new();
    for change in [Change::Allowed, Change::Denied] {
        let all: Vec<_> = diff.differences.iter().filter(|difference| difference.change == change).collect();
        if !all.is_empty() {
            let _ = writeln!(out, "{}:", word(change).replace('_', " "));
        }
        for difference in all {
            let mark = if change == Change::Allowed { '+' } else { '-' };
            let _ = writeln!(out, "{mark} {}", draw::line(&difference.example.to_string()));
            let _ = writeln!(out, "    {}", draw::line(&because(difference)));
        }
    }
    for reason in &diff.undecided {
        let _ = writeln!(out, "undecided: {}", draw::line(reason));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{}", found(diff));
    out
}

/// What the search was worth.
fn found(diff: &Diff) -> String {
    let requests = crate::replay::requests(diff.requests as u64);
    let none = diff.differences.is_empty();
    match (diff.proved, diff.undecided.is_empty(), none) {
        (true, true, true) => "proved: the same is allowed".to_owned(),
        (true, true, false) => {
            "proved: nothing more is newly allowed or denied, but by the actions and types of principal above"
                .to_owned()
        }
        (true, false, _) => "not all could be decided: there may be more".to_owned(),
        (false, ..) => {
            let what = if none { "no difference" } else { "this" };
            format!(
                "{what} was found by {requests} made from both policies; without the prover, that is no proof that there is nothing else"
            )
        }
    }
}

/// What decided, and what does now.
fn because(difference: &Difference) -> String {
    let by = |decision: &Decision| {
        let ids: Vec<_> = decision.policies.iter().map(|id| format!("`{id}`")).collect();
        ids.join(", ")
    };
    let denied = |decision: &Decision, forbids: &str| match (&*decision.policies, &decision.reason) {
        ([], None) => None,
        ([], Some(reason)) => Some(reason.to_string()),
        (_, reason) => {
            let reason = reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
            Some(format!("{} {forbids} it{reason}", by(decision)))
        }
    };
    let Difference { change, before, after, .. } = difference;
    match change {
        Change::Allowed => {
            let before = denied(before, "forbade").unwrap_or_else(|| "no permit matched".to_owned());
            format!("{before}, now {} allows it", by(after))
        }
        Change::Denied => {
            let after = denied(after, "forbids").unwrap_or_else(|| "no permit matches".to_owned());
            format!("{} allowed it, now {after}", by(before))
        }
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Allowed => "newly_allowed",
        Change::Denied => "newly_denied",
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    proved: bool,
    requests: usize,
    differences: Vec<ShownDifference<'a>>,
    undecided: &'a [String],
}

#[derive(Serialize)]
struct ShownDifference<'a> {
    change: &'static str,
    action: String,
    resource: String,
    example: ShownOperation,
    before: Vec<&'a str>,
    after: Vec<&'a str>,
    reason: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn new(diff: &'a Diff) -> Self {
        let differences = diff.differences.iter().map(|difference| ShownDifference {
            change: word(difference.change),
            action: difference.action().to_string(),
            resource: difference.example.asked.request().resource_uid(),
            example: ShownOperation::new(&difference.example),
            before: difference.before.policies.iter().map(|id| &**id).collect(),
            after: difference.after.policies.iter().map(|id| &**id).collect(),
            reason: difference.before.reason.as_deref().or(difference.after.reason.as_deref()),
        });
        Self {
            proved: diff.proved,
            requests: diff.requests,
            differences: differences.collect(),
            undecided: &diff.undecided,
        }
    }
}
