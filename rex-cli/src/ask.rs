//! `rex policy ask`

mod call;
mod denied_parts;
mod late_needs;
mod links;
mod needs;

use std::collections::BTreeMap;
use std::fmt::Write;

use rex_core::request::{RequestError, RequestSpec, check_subject};
use rex_core::{ACTIONS, Denial, Effect, Request, RequestBuf, Subject, Timestamp, Value};
use rex_policy::{ConditionPart, Patch, Policy, PolicyTrace, Trace};
use serde::Serialize;

use crate::args::{Color, OutputFormat, PolicyArgs};
use crate::draw::{line, visible};
use crate::exit::{Exit, Stop};
use crate::load::PolicySources;
use crate::{check, draw, load, print};

#[derive(Debug, clap::Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Principal: `Agent::"name"` or `User::"name"` (default: REX_PRINCIPAL, then `rex.toml`)
    #[arg(long)]
    pub(crate) principal: Option<String>,
    /// Action: `fs::read`, `read`, or in Cedar syntax
    #[arg(long, required_unless_present = "operation", conflicts_with = "operation")]
    action: Option<String>,
    /// Resource: its id, such as a path, or in Cedar syntax
    #[arg(long, required_unless_present = "operation", conflicts_with = "operation")]
    resource: Option<String>,
    /// Check everything that this call needs, instead of one action: `net::get("https://example.com/x")`
    #[arg(long, value_name = "CALL")]
    operation: Option<String>,
    /// Time of the request, such as `2026-12-01T22:00:00Z` (default: now)
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Facts about the operation, as a JSON object: `{"bytes": 12}`
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// Attributes of the resource, as a JSON object: `{"user": "www-data"}` for a process
    #[arg(long, value_name = "JSON")]
    attributes: Option<String>,
    /// SHA-256 of the script
    #[arg(long, default_value = "", hide_default_value = true)]
    script: String,
    /// Tag of the run, `key=value` (repeatable)
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// Print only a policy change that would allow the request, for `patch -p1` or `git apply`
    #[arg(long, conflicts_with = "format")]
    patch: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    format: OutputFormat,
}

/// Decides one request, or all that a call needs, and explains the decision.
pub(crate) fn ask(args: &AskArgs, color: Color) -> Result<Exit, Stop> {
    let at = at(args)?;
    let policies = load::policies(&args.policy)?;
    let policy = match policies.compile() {
        Ok(policy) => policy,
        Err(found) => return Ok(check::rejected(&found, args.format, color)),
    };
    match &args.operation {
        Some(call) => call::ask(args, call, at, (&policies, &policy)),
        None => one(args, at, (&policies, &policy), color),
    }
}

fn one(
    args: &AskArgs,
    at: Timestamp,
    (policies, policy): (&PolicySources, &Policy),
    color: Color,
) -> Result<Exit, Stop> {
    let asked = asked(args, at)?;
    let request = asked.request();
    let trace = policy.trace(&request);
    let patch = policy.patch(&request).filter(|patch| verified(policies, patch, &[request]));
    print(&match (args.patch, args.format) {
        (true, _) => patch.map_or_else(String::new, |patch| patch.diff),
        (_, OutputFormat::Json) => json(policy, &request, &trace, patch.as_ref())?,
        (_, OutputFormat::Human) => human(&request, &trace, patch.as_ref()) + &needs::human(&request),
    })?;
    if args.format == OutputFormat::Human {
        policy.warnings().iter().for_each(|warning| draw::finding(color, warning));
    }
    Ok(if is_allowed(&trace) { Exit::Success } else { Exit::Denied })
}

/// Returns whether a run would perform the request.
fn is_allowed(trace: &Trace) -> bool {
    trace.decision.effect == Effect::Allow && trace.withheld.is_empty()
}

/// Checks that a patch keeps its promise: with it, the policy allows these requests.
fn verified(policies: &PolicySources, patch: &Patch, requests: &[Request<'_>]) -> bool {
    let mut sources = policies.sources.clone();
    let Some(source) = sources.iter_mut().find(|source| source.name == patch.file) else { return false };
    source.text += &patch.added;
    let changed = PolicySources { sources, entities: policies.entities.clone() }.compile();
    changed.is_ok_and(|policy| requests.iter().all(|request| policy.outcome(request).effect == Effect::Allow))
}

fn at(args: &AskArgs) -> Result<Timestamp, Stop> {
    let Some(text) = &args.at else { return Ok(Timestamp::now()) };
    Timestamp::parse(text).map_err(|_| {
        let message = format!("`{}` in `--at` is not a time", text.escape_debug());
        Stop::usage(message).with_help("expected a time such as `2026-12-01T22:00:00Z`")
    })
}

fn subject(args: &AskArgs) -> Result<Subject, Stop> {
    let text = args.principal.as_deref().ok_or_else(|| {
        Stop::usage("no principal was given").with_help("name the principal, such as `--principal 'Agent::\"triage\"'`")
    })?;
    let principal = load::principal(text)?;
    let subject = Subject { principal, script: args.script.clone(), tags: args.tags.clone() };
    check_subject(&subject).map_err(impossible)?;
    Ok(subject)
}

fn object(option: &str, text: Option<&String>) -> Result<BTreeMap<String, Value>, Stop> {
    text.map_or_else(|| Ok(BTreeMap::new()), |text| load::object(option, text))
}

/// Turns an error in a hypothetical request into a usage error.
fn impossible(error: RequestError) -> Stop {
    let stop = Stop::usage(error.message);
    match error.help {
        Some(help) => stop.with_help(help),
        None => stop,
    }
}

fn asked(args: &AskArgs, at: Timestamp) -> Result<RequestBuf, Stop> {
    let written = RequestSpec {
        action: args.action.as_deref().unwrap_or_default(),
        resource: args.resource.as_deref().unwrap_or_default(),
        attributes: object("--attributes", args.attributes.as_ref())?,
        context: object("--context", args.context.as_ref())?,
    };
    RequestBuf::consistent(ACTIONS, &written, subject(args)?, at).map_err(|error| {
        let lacks = error.message.contains(" lacks ") && args.context.is_none();
        let help = error.help.map(|help| if lacks { format!("set it with `--context`: {help}") } else { help });
        impossible(RequestError { help, ..error })
    })
}

/// Returns the denial that a script would get for this request; `None` if the policy allows it.
fn denial(request: &Request<'_>, trace: &Trace) -> Option<Denial> {
    (trace.decision.effect == Effect::Deny).then(|| Denial {
        action: request.action.spec(),
        resource: request.resource.id().to_owned(),
        policies: trace.decision.policies.clone(),
        reason: trace.decision.reason.clone(),
        help: trace.remedy.clone(),
        via: None,
        failed: None,
    })
}

/// Returns message and help for a program that the policy permits but a run does not start.
fn refused(request: &Request<'_>, trace: &Trace) -> Option<(String, String)> {
    let withheld = trace.withheld.first()?;
    let (spec, id) = (request.action.spec(), request.resource.id().escape_debug());
    let message = format!("`{spec}` on `{id}` is permitted, but the program is not started: {}", withheld.why);
    Some((message, withheld.help()))
}

fn human(request: &Request<'_>, trace: &Trace, patch: Option<&Patch>) -> String {
    let refused = refused(request, trace);
    let mut out = match (denial(request, trace), &refused) {
        (Some(denial), _) => format!("DENY: {}\n", line(&denial.to_string())),
        (None, Some((message, _))) => format!("DENY: {}\n", line(message)),
        (None, None) => format!("ALLOW: `{}` on `{}`\n", request.action.spec(), line(&request.resource_uid())),
    };
    traces(&mut out, trace);
    match (patch, &trace.remedy, refused) {
        (Some(patch), ..) => out += &change(patch),
        (None, None, Some((_, help))) => {
            let _ = writeln!(out, "\n{}", visible(&help));
        }
        (None, Some(remedy), _) => {
            let _ = writeln!(out, "\n{}", visible(remedy));
        }
        (None, None, None) => {}
    }
    out
}

/// Formats the patch that would allow the request, and what it allows beyond that.
fn change(patch: &Patch) -> String {
    let beyond = line(&patch.beyond.join("; "));
    format!("\nThis would allow it, with {beyond}:\n\n{}", visible(&patch.diff))
}

/// Shows the deciding policies, then those that nearly changed the decision.
fn traces(out: &mut String, trace: &Trace) {
    for traced in &trace.deciding {
        policy(out, "decided by", traced);
    }
    let near = match trace.decision.effect {
        Effect::Allow => "not denied by",
        Effect::Deny if trace.decision.policies.is_empty() => "nearly permitted by",
        Effect::Deny => "otherwise permitted by",
    };
    for traced in &trace.near {
        policy(out, near, traced);
    }
}

/// Shows the text of a policy, and which parts of it hold.
fn policy(out: &mut String, role: &str, traced: &PolicyTrace) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "\n{role} `{}` ({}:{})", line(&traced.id), line(&traced.file), traced.line);
    for text in traced.text.lines() {
        let _ = writeln!(out, "  | {}", visible(text));
    }
    if !traced.misses.is_empty() {
        let does = if traced.misses.len() == 1 { "does" } else { "do" };
        let _ = writeln!(out, "  the {} {does} not match", traced.misses.join(" and the "));
    }
    for conjunct in &traced.conjuncts {
        part(out, "  ", conjunct);
        // The clauses of the conjunct, if there are several.
        let within = |clause: &&ConditionPart| conjunct.text.contains(&clause.text) && conjunct.text != clause.text;
        let clauses: Vec<_> = traced.clauses.iter().filter(within).collect();
        if clauses.len() > 1 {
            clauses.iter().for_each(|clause| part(out, "      ", clause));
        }
    }
}

fn part(out: &mut String, indent: &str, part: &ConditionPart) {
    let (holds, why) = match &part.holds {
        Ok(true) => ("true ", String::new()),
        Ok(false) => ("FALSE", String::new()),
        Err(why) => ("ERROR", format!(": {}", line(why))),
    };
    let _ = writeln!(out, "{indent}{holds} line {}: {}{why}", part.line, line(&part.text));
}

#[derive(Serialize)]
struct AskAnswer<'a> {
    decision: &'static str,
    policies: Vec<&'a str>,
    reason: Option<&'a str>,
    message: Option<String>,
    deciding: Vec<ShownTrace<'a>>,
    near: Vec<ShownTrace<'a>>,
    help: Option<&'a str>,
    patch: Option<ShownPatch<'a>>,
    policy_sha256: Option<String>,
}

/// The answer to one request.
#[derive(Serialize)]
struct RequestAnswer<'a> {
    #[serde(flatten)]
    answer: AskAnswer<'a>,
    /// The operations that need this action and others, where none needs this one alone.
    also_needed: Vec<needs::NeedingOperation>,
}

#[derive(Serialize)]
struct ShownTrace<'a> {
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
    ids: &'a [String],
    added: &'a str,
    diff: &'a str,
    beyond: &'a [String],
}

impl<'a> ShownPatch<'a> {
    fn new(patch: &'a Patch) -> Self {
        Self {
            file: &patch.file,
            id: patch.ids.first().map_or("", String::as_str),
            ids: &patch.ids,
            added: &patch.added,
            diff: &patch.diff,
            beyond: &patch.beyond,
        }
    }
}

impl<'a> ShownTrace<'a> {
    fn new(traced: &'a PolicyTrace) -> Self {
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
    fn new(part: &'a ConditionPart) -> Self {
        let (holds, error) = (part.holds.as_ref().ok().copied(), part.holds.as_ref().err());
        Self { text: &part.text, line: part.line, holds, error: error.map(String::as_str), decided: part.decided }
    }
}

fn json(policy: &Policy, request: &Request<'_>, trace: &Trace, patch: Option<&Patch>) -> Result<String, Stop> {
    let refused = refused(request, trace);
    let answer = AskAnswer {
        policy_sha256: rex_core::Authorize::digest(policy).map(|digest| digest.to_string()),
        patch: patch.map(ShownPatch::new),
        ..AskAnswer::new(request, trace, refused.as_ref())
    };
    let answer = RequestAnswer { answer, also_needed: needs::NeedingOperation::of(request.action.spec()) };
    serde_json::to_string(&answer).map_err(|error| Stop::internal(error.to_string()))
}

impl<'a> AskAnswer<'a> {
    fn new(request: &Request<'_>, trace: &'a Trace, refused: Option<&'a (String, String)>) -> Self {
        let effect = if is_allowed(trace) { Effect::Allow } else { Effect::Deny };
        let denied = denial(request, trace).map(|denial| denial.to_string());
        Self {
            decision: effect.as_str(),
            policies: trace.decision.policies.iter().map(|id| &**id).collect(),
            reason: trace.decision.reason.as_deref(),
            message: denied.or(refused.map(|(message, _)| message.clone())),
            deciding: trace.deciding.iter().map(ShownTrace::new).collect(),
            near: trace.near.iter().map(ShownTrace::new).collect(),
            help: trace.remedy.as_deref().or(refused.map(|(_, help)| help.as_str())),
            patch: None,
            policy_sha256: None,
        }
    }
}
