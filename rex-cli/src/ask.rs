//! `rex policy ask`

use std::collections::BTreeMap;
use std::fmt::Write;

use rex_core::asked::Written;
use rex_core::{ACTIONS, Asked, Denial, Effect, Request, Subject, Timestamp, Value};
use rex_policy::{Part, Patch, Policy, Trace, Traced};
use serde::Serialize;

use crate::args::{Color, Format, PolicyArgs};
use crate::draw::{line, visible};
use crate::exit::{Exit, Stop};
use crate::{check, draw, load, print};

#[derive(Debug, clap::Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Who asks: `Agent::"name"` or `User::"name"`
    #[arg(long)]
    principal: String,
    /// For what: `fs::read`, or as policies write it
    #[arg(long)]
    action: String,
    /// On what: its id, such as a path, or as policies write it
    #[arg(long)]
    resource: String,
    /// The facts about the act, as a JSON object: `{"bytes": 12}`
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// What the id of the resource does not say, as a JSON object: `{"user": "www-data"}` of a process
    #[arg(long, value_name = "JSON")]
    attributes: Option<String>,
    /// The SHA-256 of the script
    #[arg(long, default_value = "", hide_default_value = true)]
    script: String,
    /// A tag of the run, `key=value`; may be given often
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// Print nothing but the change of the policy that would allow it, for `patch -p1` or `git apply`
    #[arg(long, conflicts_with = "format")]
    patch: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Decides one request, and says how that came about.
pub(crate) fn ask(args: &AskArgs, color: Color) -> Result<Exit, Stop> {
    let asked = asked(args)?;
    let policy = match load::policy(&args.policy)? {
        Ok(policy) => policy,
        Err(found) => return Ok(check::rejected(&found, args.format, color)),
    };
    let request = asked.request();
    let trace = policy.trace(&request);
    let patch = policy.patch(&request);
    print(&match (args.patch, args.format) {
        (true, _) => patch.map_or_else(String::new, |patch| patch.diff),
        (_, Format::Json) => json(&policy, &request, &trace, patch.as_ref())?,
        (_, Format::Human) => human(&request, &trace, patch.as_ref()),
    })?;
    if args.format == Format::Human {
        policy.warnings().iter().for_each(|warning| draw::finding(color, warning));
    }
    Ok(if trace.decision.effect == Effect::Allow { Exit::Success } else { Exit::Denied })
}

fn asked(args: &AskArgs) -> Result<Asked, Stop> {
    let object = |option: &str, text: &Option<String>| match text {
        Some(text) => load::object(option, text),
        None => Ok(BTreeMap::<String, Value>::new()),
    };
    let written = Written {
        action: &args.action,
        resource: &args.resource,
        attributes: object("--attributes", &args.attributes)?,
        context: object("--context", &args.context)?,
    };
    let subject =
        Subject { principal: load::principal(&args.principal)?, script: args.script.clone(), tags: args.tags.clone() };
    Asked::new(ACTIONS, &written, subject, Timestamp::now()).map_err(|error| {
        let stop = Stop::usage(error.message);
        match error.help {
            Some(help) => stop.with_help(help),
            None => stop,
        }
    })
}

/// What a script would be told that asks for this; `None` if it is allowed.
fn denial(request: &Request<'_>, trace: &Trace) -> Option<Denial> {
    (trace.decision.effect == Effect::Deny).then(|| Denial {
        action: request.action.spec(),
        resource: request.resource.id().to_owned(),
        policies: trace.decision.policies.clone(),
        reason: trace.decision.reason.clone(),
        help: trace.remedy.clone(),
        unrecorded: false,
    })
}

fn human(request: &Request<'_>, trace: &Trace, patch: Option<&Patch>) -> String {
    let mut out = match denial(request, trace) {
        None => format!("ALLOW: `{}` on `{}`\n", request.action.spec(), line(&request.resource_uid())),
        Some(denial) => format!("DENY: {}\n", line(&denial.to_string())),
    };
    for traced in &trace.deciding {
        policy(&mut out, "decided by", traced);
    }
    let near = match trace.decision.effect {
        Effect::Allow => "not denied by",
        Effect::Deny if trace.decision.policies.is_empty() => "nearly permitted by",
        Effect::Deny => "permitted all the same by",
    };
    for traced in &trace.near {
        policy(&mut out, near, traced);
    }
    match (patch, &trace.remedy) {
        (Some(patch), _) => {
            let _ = write!(out, "\nThis would allow it, and nothing else:\n\n{}", visible(&patch.diff));
        }
        (None, Some(remedy)) => {
            let _ = writeln!(out, "\n{}", visible(remedy));
        }
        (None, None) => {}
    }
    out
}

/// A policy, as it is written, and what of it holds.
fn policy(out: &mut String, role: &str, traced: &Traced) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "\n{role} `{}` ({}:{})", line(&traced.id), line(&traced.file), traced.line);
    for text in traced.text.lines() {
        let _ = writeln!(out, "  | {}", visible(text));
    }
    if !traced.misses.is_empty() {
        let are = if traced.misses.len() == 1 { "is" } else { "are" };
        let _ = writeln!(out, "  the {} {are} another", traced.misses.join(" and the "));
    }
    for conjunct in &traced.conjuncts {
        part(out, "  ", conjunct);
        // What it consists of, where that says more.
        let within = |clause: &&Part| conjunct.text.contains(&clause.text) && conjunct.text != clause.text;
        let clauses: Vec<_> = traced.clauses.iter().filter(within).collect();
        if clauses.len() > 1 {
            clauses.iter().for_each(|clause| part(out, "      ", clause));
        }
    }
}

fn part(out: &mut String, indent: &str, part: &Part) {
    let (holds, why) = match &part.holds {
        Ok(true) => ("true ", String::new()),
        Ok(false) => ("FALSE", String::new()),
        Err(why) => ("ERROR", format!(": {}", line(why))),
    };
    let _ = writeln!(out, "{indent}{holds} line {}: {}{why}", part.line, line(&part.text));
}

#[derive(Serialize)]
struct Answer<'a> {
    decision: &'static str,
    policies: Vec<&'a str>,
    reason: Option<&'a str>,
    message: Option<String>,
    deciding: Vec<Shown<'a>>,
    near: Vec<Shown<'a>>,
    help: Option<&'a str>,
    patch: Option<ShownPatch<'a>>,
    policy_sha256: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    effect: &'static str,
    reason: Option<&'a str>,
    file: &'a str,
    line: usize,
    text: &'a str,
    misses: &'a [&'static str],
    conjuncts: Vec<ShownPart<'a>>,
    clauses: Vec<ShownPart<'a>>,
}

#[derive(Serialize)]
struct ShownPart<'a> {
    text: &'a str,
    line: usize,
    holds: Option<bool>,
    error: Option<&'a str>,
    decided: bool,
}

#[derive(Serialize)]
struct ShownPatch<'a> {
    file: &'a str,
    id: &'a str,
    added: &'a str,
    diff: &'a str,
}

impl<'a> Shown<'a> {
    fn new(traced: &'a Traced) -> Self {
        Self {
            id: &traced.id,
            effect: if traced.permit { "permit" } else { "forbid" },
            reason: traced.reason.as_deref(),
            file: &traced.file,
            line: traced.line,
            text: &traced.text,
            misses: &traced.misses,
            conjuncts: traced.conjuncts.iter().map(ShownPart::new).collect(),
            clauses: traced.clauses.iter().map(ShownPart::new).collect(),
        }
    }
}

impl<'a> ShownPart<'a> {
    fn new(part: &'a Part) -> Self {
        let (holds, error) = (part.holds.as_ref().ok().copied(), part.holds.as_ref().err());
        Self { text: &part.text, line: part.line, holds, error: error.map(String::as_str), decided: part.decided }
    }
}

fn json(policy: &Policy, request: &Request<'_>, trace: &Trace, patch: Option<&Patch>) -> Result<String, Stop> {
    let answer = Answer {
        decision: trace.decision.effect.as_str(),
        policies: trace.decision.policies.iter().map(|id| &**id).collect(),
        reason: trace.decision.reason.as_deref(),
        message: denial(request, trace).map(|denial| denial.to_string()),
        deciding: trace.deciding.iter().map(Shown::new).collect(),
        near: trace.near.iter().map(Shown::new).collect(),
        help: trace.remedy.as_deref(),
        patch: patch.map(|patch| ShownPatch {
            file: &patch.file,
            id: &patch.id,
            added: &patch.added,
            diff: &patch.diff,
        }),
        policy_sha256: rex_core::Authorize::digest(policy).map(|digest| digest.to_string()),
    };
    serde_json::to_string(&answer).map_err(|error| Stop::internal(error.to_string()))
}
