//! `rex policy diff`

use std::fmt::Write;
use std::path::PathBuf;

use rex_core::Decision;
use rex_policy::{DecisionChange, ExaminedAction, Policy, PolicyDiff, PolicyDifference};
use serde::Serialize;

use crate::args::{Color, OutputFormat, PolicyArgs};
use crate::exit::{Exit, Stop};
use crate::operation::ShownOperation;
use crate::patience::{PatienceArgs, SolverPatience};
use crate::{check, draw, load, print};

pub(crate) const EXIT_CODES: &str = "If this `rex` was built with proofs and the solver cvc5 is installed (see `rex policy prove --help`), the list is complete. Otherwise Rex
makes requests from the names, texts and numbers of both policies; the output says so, since there may be other differences.

Rex reports one difference for each action, type of principal, and way in which the policies cause it: it asks the solver for a difference
unlike those already found until there is none. The list is then proved complete for that action and type of principal.

Exit codes:
  0    no difference was found
  1    a difference was found, or is possible: the solver could not decide, or no request fits a policy; with --fail-on-new,
       only if something is or may be newly allowed
  2    usage, or an input that cannot be read
  3    a policy is rejected";

#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// Older policy: a file or a folder
    #[arg(value_name = "OLD")]
    older: PathBuf,
    /// Newer policy: a file or a folder
    #[arg(value_name = "NEW")]
    newer: PathBuf,
    /// Cedar entities as JSON, for both
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
    /// Compare by examples only, without a solver
    #[arg(long)]
    examples: bool,
    /// Fail only if something is newly allowed, or if Rex cannot prove that nothing is
    #[arg(long)]
    fail_on_new: bool,
    #[command(flatten)]
    patience: PatienceArgs,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    format: OutputFormat,
}

/// Reports the requests that a newer policy decides differently.
pub(crate) fn diff(args: &DiffArgs, color: Color) -> Result<Exit, Stop> {
    let older = load::policies(&PolicyArgs { policies: vec![args.older.clone()], entities: args.entities.clone() })?;
    let newer = older.beside(std::slice::from_ref(&args.newer))?;
    let (older, newer) = match older.either().and_then(|older| Ok((older, newer.either()?))) {
        Ok(both) => both,
        Err(found) => return Ok(check::rejected(&found, args.format, color)),
    };
    let patience = args.patience.timeout;
    let help = "`--examples` compares without a solver";
    let proved = match args.examples {
        true => None,
        false => all(&older, &newer, patience).map_err(|stop| stop.with_help(help))?,
    };
    if proved.is_none() && args.fail_on_new && !args.examples {
        let stop = Stop::usage("Rex cannot prove that nothing is newly allowed without a solver");
        return Err(stop.with_help("see `rex policy prove --help`, or use `--examples` to compare by examples only"));
    }
    let diff = proved.unwrap_or_else(|| older.diff(&newer));
    print(&match args.format {
        OutputFormat::Json => {
            serde_json::to_string(&DiffOutput::new(&diff)).map_err(|error| Stop::internal(error.to_string()))?
        }
        OutputFormat::Human => human(&diff, patience),
    })?;
    let fails = |change: DecisionChange| !args.fail_on_new || change == DecisionChange::Allowed;
    let told = diff.differences.iter().any(|it| fails(it.change));
    let may_be = diff.examined.iter().any(|it| it.undecided.iter().any(|(change, _)| fails(*change)));
    let unknown = diff.examined.is_empty() && diff.untried > 0;
    Ok(if told || may_be || unknown { Exit::Found } else { Exit::Success })
}

/// Finds all differences, with proofs; `None` without a solver.
fn all(older: &Policy, newer: &Policy, patience: SolverPatience) -> Result<Option<PolicyDiff>, Stop> {
    asked(older, newer, patience, true)
}

/// Finds one difference for each action and type of principal; `None` without a solver.
pub(crate) fn first(older: &Policy, newer: &Policy, patience: SolverPatience) -> Result<Option<PolicyDiff>, Stop> {
    asked(older, newer, patience, false)
}

#[cfg(feature = "prove")]
fn asked(older: &Policy, newer: &Policy, patience: SolverPatience, all: bool) -> Result<Option<PolicyDiff>, Stop> {
    let Some(mut solver) = crate::solver::if_there(patience)? else { return Ok(None) };
    let diff = rex_policy::Prover::new(&mut solver).and_then(|mut prover| match all {
        true => prover.diff(older, newer),
        false => prover.first_differences(older, newer),
    });
    diff.map(Some).map_err(|error| Stop::usage(error.to_string()))
}

/// Returns whether there is a solver.
pub(crate) fn can_prove() -> bool {
    #[cfg(feature = "prove")]
    return crate::solver::Cvc5::start().is_ok();
    #[cfg(not(feature = "prove"))]
    return false;
}

#[cfg(not(feature = "prove"))]
#[expect(clippy::unnecessary_wraps, reason = "with proofs, it can fail")]
fn asked(_: &Policy, _: &Policy, _: SolverPatience, _: bool) -> Result<Option<PolicyDiff>, Stop> {
    Ok(None)
}

fn human(diff: &PolicyDiff, patience: SolverPatience) -> String {
    let mut out = String::new();
    for change in [DecisionChange::Allowed, DecisionChange::Denied] {
        let all: Vec<_> = diff.differences.iter().filter(|difference| difference.change == change).collect();
        if !all.is_empty() {
            let _ = writeln!(out, "{}:", word(change).replace('_', " "));
        }
        let mark = if change == DecisionChange::Allowed { '+' } else { '-' };
        for alike in all.chunk_by(|one, other| one.action() == other.action() && because(one) == because(other)) {
            for difference in alike {
                let _ = writeln!(out, "{mark} {}", draw::line(&difference.example.to_string()));
            }
            if let Some(difference) = alike.first() {
                let _ = writeln!(out, "    {}", draw::line(&because(difference)));
            }
        }
    }
    for reason in &diff.undecided {
        let _ = writeln!(out, "undecided: {}", draw::line(reason));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out + &found(diff, patience)
}

/// Says how far the search is a proof.
fn found(diff: &PolicyDiff, patience: SolverPatience) -> String {
    let none = diff.differences.is_empty();
    if diff.examined.is_empty() {
        let requests = crate::replay::requests(diff.requests as u64);
        let (what, others) = match diff.differences.len() {
            0 => ("no difference", "is none"),
            1 => ("this difference", "are no others"),
            _ => ("these differences", "are no others"),
        };
        let found = match (diff.requests, diff.untried) {
            (0, 0) => return "both sides have the same policies\n".to_owned(),
            (0, _) => String::new(),
            _ => format!(
                "found {what} with {requests} made from both policies; without the solver, this does not prove that there {others}\n"
            ),
        };
        return found + &untried(diff.untried);
    }
    if diff.proved && none {
        return "proved: both allow the same requests\n".to_owned();
    }
    let differs = |examined: &ExaminedAction| {
        diff.differences.iter().any(|it| it.action() == examined.action && it.principal() == examined.principal)
    };
    let (proved, undecided): (Vec<_>, Vec<_>) = diff.examined.iter().partition(|examined| examined.is_proved());
    let (told, same): (Vec<&ExaminedAction>, Vec<_>) = proved.into_iter().partition(|it| differs(it));
    let mut out = String::new();
    if !told.is_empty() {
        let _ = writeln!(out, "proved: no other changes for {}", named(&told));
    }
    if !same.is_empty() {
        let _ = writeln!(out, "proved: no changes for any action not listed here");
    }
    if !undecided.is_empty() {
        let _ = writeln!(out, "not proved: there may be more changes for {}", named(&undecided));
        let _ = writeln!(out, "{}", patience.advice());
    }
    out
}

/// Reports the count of policies without a request; empty for 0.
fn untried(count: usize) -> String {
    let (policies, is) = if count == 1 { ("policy", "is") } else { ("policies", "are") };
    match count {
        0 => String::new(),
        _ => format!(
            "{count} {policies} that {is} on one side only could not be compared: no request meets its conditions\n"
        )
        .replace("its conditions", if count == 1 { "its conditions" } else { "their conditions" }),
    }
}

/// Lists actions, each with the types of principal examined.
fn named(examined: &[&ExaminedAction]) -> String {
    let actions = examined.chunk_by(|one, other| one.action == other.action).map(|alike| {
        let principals: Vec<_> = alike.iter().map(|it| it.principal.to_lowercase()).collect();
        let action = alike.first().map(|it| it.action.to_string()).unwrap_or_default();
        format!("{action} by {}", principals.join(" and "))
    });
    actions.collect::<Vec<_>>().join(", ")
}

/// Says what decided before, and what decides now.
fn because(difference: &PolicyDifference) -> String {
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
    let PolicyDifference { change, before, after, lets, .. } = difference;
    if let Some(word) = lets {
        let (lets, now) = if *change == DecisionChange::Allowed { (after, "now") } else { (before, "before") };
        return format!("only `@allow(\"{word}\")` of {} permits it {now}", by(lets));
    }
    match change {
        DecisionChange::Allowed => {
            let before = denied(before, "forbade").unwrap_or_else(|| "no permit matched".to_owned());
            format!("{before}, now {} allows it", by(after))
        }
        DecisionChange::Denied => {
            let after = denied(after, "forbids").unwrap_or_else(|| "no permit matches".to_owned());
            format!("{} allowed it, now {after}", by(before))
        }
    }
}

fn word(change: DecisionChange) -> &'static str {
    match change {
        DecisionChange::Allowed => "newly_allowed",
        DecisionChange::Denied => "newly_denied",
    }
}

#[derive(Serialize)]
struct DiffOutput<'a> {
    proved: bool,
    requests: usize,
    /// Number of policies in only one of the two without a request.
    untried: usize,
    differences: Vec<ShownDifference<'a>>,
    /// The actions, each by each type of principal; empty without a solver.
    examined: Vec<ShownExamined<'a>>,
    undecided: &'a [String],
}

#[derive(Serialize)]
struct ShownExamined<'a> {
    action: String,
    principal: &'static str,
    /// `true` if all differences are listed.
    proved: bool,
    undecided: Vec<ShownUndecided<'a>>,
}

#[derive(Serialize)]
struct ShownUndecided<'a> {
    change: &'static str,
    reason: &'a str,
}

impl<'a> ShownExamined<'a> {
    fn new(examined: &'a ExaminedAction) -> Self {
        let undecided = examined.undecided.iter();
        let undecided = undecided.map(|(change, reason)| ShownUndecided { change: word(*change), reason });
        Self {
            action: examined.action.to_string(),
            principal: examined.principal,
            proved: examined.is_proved(),
            undecided: undecided.collect(),
        }
    }
}

#[derive(Serialize)]
struct ShownDifference<'a> {
    change: &'static str,
    action: String,
    /// The type of the principals.
    principal: &'a str,
    resource: String,
    example: ShownOperation,
    before: Vec<&'a str>,
    after: Vec<&'a str>,
    reason: Option<&'a str>,
    /// The word of `@allow` that only one of the two policies lets through.
    lets: Option<&'a str>,
}

impl<'a> DiffOutput<'a> {
    fn new(diff: &'a PolicyDiff) -> Self {
        let differences = diff.differences.iter().map(|difference| ShownDifference {
            change: word(difference.change),
            action: difference.action().to_string(),
            principal: difference.principal(),
            resource: difference.example.asked.request().resource_uid(),
            example: ShownOperation::new(&difference.example),
            before: difference.before.policies.iter().map(|id| &**id).collect(),
            after: difference.after.policies.iter().map(|id| &**id).collect(),
            reason: difference.before.reason.as_deref().or(difference.after.reason.as_deref()),
            lets: difference.lets.as_deref(),
        });
        Self {
            proved: diff.proved,
            requests: diff.requests,
            untried: diff.untried,
            differences: differences.collect(),
            examined: diff.examined.iter().map(ShownExamined::new).collect(),
            undecided: &diff.undecided,
        }
    }
}
