//! The decision on all needs of a call of an operation at once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use rex_core::request::RequestSpec;
use rex_core::{
    ACTIONS, AbsPath, Authorize, Code, Decision, DeniedCall, Fact, Limits, Need, NeedWidth, Request, RequestBuf,
    Subject, Timestamp, Value,
};
use rex_engine::{Engine, Input};
use rex_policy::{Patch, Policy, Trace};
use rex_sdk::{MemOs, Overlay};
use serde::Serialize;

use super::denied_parts::{self, DeniedPart};
use super::late_needs::{self, LateNeed};
use super::links;
use super::{
    AskAnswer, AskArgs, ShownPatch, change, denial, impossible, is_allowed, object, refused, subject, traces, verified,
};
use crate::args::OutputFormat;
use crate::draw::line;
use crate::exit::{Exit, Stop};
use crate::load::PolicySources;
use crate::print;

/// An authorizer that denies everything and keeps the calls.
#[derive(Default)]
struct CallListener {
    calls: Mutex<Vec<DeniedCall>>,
}

impl Authorize for CallListener {
    fn decide(&self, _: &Request<'_>) -> Decision {
        Decision::deny(None)
    }

    fn remedies(&self, _: &Subject, _: Timestamp, calls: &[DeniedCall]) -> Option<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).extend(calls.iter().cloned());
        None
    }
}

/// One request that a call needs.
pub(super) struct NeededRequest {
    operation: &'static str,
    pub(super) asked: RequestBuf,
    pub(super) below: bool,
    /// The common prefix of all ids that it is about, if only that is known.
    pub(super) prefix: Option<String>,
    /// The name that leads to the resource by a link on this host.
    via: Option<String>,
    /// The values that are unknown before the call, with those assumed for them.
    assumed: Vec<String>,
}

/// A request and how it was decided.
struct TracedRequest<'a> {
    needed: &'a NeededRequest,
    trace: Trace,
    /// The policies that deny part of the tree, or may.
    part: Vec<DeniedPart>,
}

/// Decides all that a call needs, and explains the decisions.
pub(super) fn ask(
    args: &AskArgs,
    call: &str,
    at: Timestamp,
    (policies, policy): (&PolicySources, &Policy),
) -> Result<Exit, Stop> {
    let subject = subject(args)?;
    let calls = calls(call, &subject)?;
    let needed = needed(args, &calls, &subject, at)?;
    let exceptions = policy.exceptions(Some(&subject.principal));
    let traced: Vec<TracedRequest<'_>> = needed
        .iter()
        .map(|needed| {
            let top = policy.trace(&needed.asked.request());
            let below = beneath(needed).map(|asked| policy.trace(&asked.request()));
            let part = denied_parts::of(&exceptions, needed, below.as_ref().unwrap_or(&top));
            // If the top of a tree is allowed, the request below it decides.
            let trace = below.filter(|below| is_allowed(&top) && !is_allowed(below)).unwrap_or(top);
            TracedRequest { needed, trace, part }
        })
        .collect();
    let later = late_needs::of(&calls, policy, &subject.principal);
    let answered = AnsweredCall { policy, call, traced: &traced, later: &later };
    let allowed = answered.is_allowed();
    let requests: Vec<_> = needed.iter().map(|needed| needed.asked.request()).collect();
    let patch = if allowed { None } else { policy.patch_calls(&subject, at, &calls) };
    let patch = patch.filter(|patch| verified(policies, patch, &requests));
    print(&match (args.patch, args.format) {
        (true, _) => patch.map_or_else(String::new, |patch| patch.diff),
        (_, OutputFormat::Json) => answered.json(patch.as_ref())?,
        (_, OutputFormat::Human) => answered.human(patch.as_ref()),
    })?;
    Ok(if allowed { Exit::Success } else { Exit::Denied })
}

/// Returns the calls of a text, with all their needs. Nothing is performed: the first request of each is denied.
fn calls(text: &str, subject: &Subject) -> Result<Vec<DeniedCall>, Stop> {
    let listener = Arc::new(CallListener::default());
    let os = Overlay::new(MemOs::new(), Limits::default()).going_on();
    let engine = Engine::builder(Arc::new(os)).build().map_err(|error| Stop::internal(error.to_string()))?;
    let mut input = Input::new(subject.principal.clone(), listener.clone());
    let here = std::env::current_dir().ok().and_then(|here| AbsPath::parse(here.to_str()?).ok());
    input.base = here.unwrap_or_else(AbsPath::root);
    let help = "`--operation` takes one call as scripts write it: `fs::read(\"/etc/hosts\")`";
    if let Err(failure) = engine.run(text, input).outcome
        && failure.error.code != Code::AccessDenied
    {
        let stop = Stop::usage(format!("`{}` cannot be checked: {}", text.escape_debug(), failure.error.message));
        return Err(stop.with_help(failure.error.help.unwrap_or_else(|| help.to_owned())));
    }
    let calls = std::mem::take(&mut *listener.calls.lock().unwrap_or_else(PoisonError::into_inner));
    let mut calls: Vec<_> = calls.into_iter().map(whole).collect();
    calls.iter_mut().for_each(|call| links::add(call, text));
    if calls.is_empty() {
        return Err(Stop::usage(format!("`{}` calls no operation", text.escape_debug())).with_help(help));
    }
    Ok(calls)
}

/// Merges the denied requests of a call into its needs. They were denied without the policy.
fn whole(mut call: DeniedCall) -> DeniedCall {
    for denied in std::mem::take(&mut call.denied) {
        if !call.needs.iter().any(|need| need.covers(&denied)) {
            call.needs.push(denied);
        }
    }
    call
}

fn needed(args: &AskArgs, calls: &[DeniedCall], subject: &Subject, at: Timestamp) -> Result<Vec<NeededRequest>, Stop> {
    let context = object("--context", args.context.as_ref())?;
    let attributes = object("--attributes", args.attributes.as_ref())?;
    let mut all: Vec<NeededRequest> = Vec::new();
    let (mut unused, mut unhad) = (context.clone(), attributes.clone());
    for call in calls {
        for need in call.needs.iter().filter(|need| !matches!(need.width(), NeedWidth::Later(_))) {
            need.spec().context.iter().for_each(|fact| drop(unused.remove(fact.name)));
            need.spec().resource.attributes.iter().for_each(|attribute| drop(unhad.remove(attribute.name)));
            all.push(request(call.operation, need, (&context, &attributes), subject, at)?);
        }
    }
    for (option, left) in [("--context", unused), ("--attributes", unhad)] {
        if let Some(name) = left.keys().next() {
            return Err(Stop::usage(format!(
                "`{option}` sets `{}`, which the call does not need",
                name.escape_debug()
            )));
        }
    }
    Ok(all)
}

/// Returns the request of a need, with the values from the options.
fn request(
    operation: &'static str,
    need: &Need,
    (context, attributes): (&BTreeMap<String, Value>, &BTreeMap<String, Value>),
    subject: &Subject,
    at: Timestamp,
) -> Result<NeededRequest, Stop> {
    let spec = need.spec();
    let (mut facts, mut known, mut assumed) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let value = |given: &BTreeMap<String, Value>, name: &str, fact: Fact<'_>| {
        if let Some(value) = given.get(name) {
            return (value.clone(), false);
        }
        match (name, need.unknown().contains(&name)) {
            ("bytes", true) => (Value::Int(0), true),
            // A public address stands in for an unknown one.
            ("address", true) if !given.contains_key("network") => (Value::from("8.8.8.8"), true),
            ("network", true) => (Value::from("public"), true),
            (_, unknown) => (Value::from(fact), unknown),
        }
    };
    need.action().facts(&mut |name, fact| {
        let (value, unknown) = value(context, name, fact);
        if unknown && name != "address" {
            assumed.push(format!("{name} = {value}"));
        }
        facts.insert(name.to_owned(), value);
    });
    need.resource().attributes(&mut |name, fact| {
        let (value, unknown) = value(attributes, name, fact);
        if unknown {
            assumed.push(format!("{name} = {value}"));
        }
        known.insert(name.to_owned(), value);
    });
    let (action, id) = (spec.to_string(), need.resource().id().to_owned());
    let written = RequestSpec { action: &action, resource: &id, attributes: known, context: facts };
    let asked = if context.is_empty() && attributes.is_empty() { RequestBuf::new } else { RequestBuf::consistent };
    let asked = asked(ACTIONS, &written, subject.clone(), at).map_err(impossible)?;
    let prefix = if let NeedWidth::Prefix(prefix) = need.width() { Some(prefix.clone()) } else { None };
    let via = need.via().map(str::to_owned);
    Ok(NeededRequest { operation, asked, below: *need.width() == NeedWidth::Below, prefix, via, assumed })
}

/// Returns the same request for a path below, if the need is about a tree.
fn beneath(needed: &NeededRequest) -> Option<RequestBuf> {
    let request = needed.asked.request();
    let id = format!("{}/any/name", request.resource.id().trim_end_matches('/'));
    let mut context = BTreeMap::new();
    request.action.facts(&mut |name, fact| drop(context.insert(name.to_owned(), Value::from(fact))));
    let action = request.action.spec().to_string();
    let written = RequestSpec { action: &action, resource: &id, context, ..RequestSpec::default() };
    needed.below.then(|| RequestBuf::new(ACTIONS, &written, request.subject.clone(), request.now).ok()).flatten()
}

#[derive(Serialize)]
struct CallAnswer<'a> {
    decision: &'static str,
    operation: &'a str,
    requests: Vec<ShownRequest<'a>>,
    /// The needs whose resources only the call itself finds out.
    later: &'a [LateNeed],
    patch: Option<ShownPatch<'a>>,
    policy_sha256: Option<String>,
}

#[derive(Serialize)]
struct ShownRequest<'a> {
    operation: &'static str,
    action: String,
    resource: String,
    below: bool,
    prefix: Option<&'a str>,
    /// The name that leads to the resource by a link on this host.
    via: Option<&'a str>,
    /// The policies that deny part of the tree, or may.
    part: &'a [DeniedPart],
    assumed: &'a [String],
    #[serde(flatten)]
    answer: AskAnswer<'a>,
}

/// The decisions on a call, before they are printed.
struct AnsweredCall<'a> {
    policy: &'a Policy,
    call: &'a str,
    traced: &'a [TracedRequest<'a>],
    later: &'a [LateNeed],
}

impl AnsweredCall<'_> {
    fn is_allowed(&self) -> bool {
        self.traced.iter().all(|traced| is_allowed(&traced.trace)) && !self.later.iter().any(LateNeed::is_denied)
    }

    fn human(&self, patch: Option<&Patch>) -> String {
        let Self { call, traced, later, .. } = *self;
        // A need that only the call finds out counts if it is known that nothing permits it.
        let later_denied = later.iter().filter(|later| later.is_denied()).count();
        let denied = traced.iter().filter(|traced| !is_allowed(&traced.trace)).count() + later_denied;
        let all = traced.len() + later_denied;
        let (decision, plural) =
            (if self.is_allowed() { "ALLOW" } else { "DENY" }, if all == 1 { "permission" } else { "permissions" });
        let known = if self.is_allowed() && later.iter().any(LateNeed::is_certain) {
            ", as far as known before the run"
        } else {
            ""
        };
        let mut out = format!("{decision}{known}: `{}` needs {all} {plural}", line(call));
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{}",
            match denied {
                0 if all == 1 => ", which is granted".to_owned(),
                0 => ", all of which are granted".to_owned(),
                denied => format!(", {denied} of which {} denied", if denied == 1 { "is" } else { "are" }),
            } + denied_parts::summary(traced.iter().flat_map(|traced| &traced.part))
        );
        for TracedRequest { needed, trace, part } in traced {
            let request = needed.asked.request();
            let below = if needed.below { " and everything below it" } else { "" };
            let effect = if is_allowed(trace) { "ALLOW" } else { "DENY" };
            let on = match &needed.prefix {
                Some(prefix) => format!("everything that starts with `{}`", line(prefix)),
                None => format!("`{}`{below}", line(request.resource.id())),
            };
            let _ = write!(out, "\n{effect}: `{}` on {on}", request.action.spec());
            let _ = match (denial(&request, trace), refused(&request, trace)) {
                (Some(denial), _) if !denial.policies.is_empty() || denial.reason.is_some() => {
                    writeln!(out, ": {}", line(&denial.to_string()))
                }
                (_, Some((message, _))) => writeln!(out, ": {}", line(&message)),
                _ => writeln!(out),
            };
            if !needed.assumed.is_empty() {
                let _ =
                    writeln!(out, "  assumed, as it is unknown before the call: {}", line(&needed.assumed.join(", ")));
            }
            if let Some(via) = &needed.via {
                let _ = writeln!(out, "  `{}` leads to it through a link on this host", line(via));
            }
            part.iter().for_each(|part| out += &part.human());
            traces(&mut out, trace);
        }
        out += &late_needs::human(later);
        if let Some(patch) = patch {
            out += &change(patch);
        }
        out
    }

    fn json(&self, patch: Option<&Patch>) -> Result<String, Stop> {
        let Self { policy, call, traced, later } = *self;
        let refused: Vec<_> =
            traced.iter().map(|traced| refused(&traced.needed.asked.request(), &traced.trace)).collect();
        let requests = traced.iter().zip(&refused).map(|(TracedRequest { needed, trace, part }, refused)| {
            let request = needed.asked.request();
            ShownRequest {
                operation: needed.operation,
                action: request.action.spec().to_string(),
                resource: request.resource.id().to_owned(),
                below: needed.below,
                prefix: needed.prefix.as_deref(),
                via: needed.via.as_deref(),
                part,
                assumed: &needed.assumed,
                answer: AskAnswer::new(&request, trace, refused.as_ref()),
            }
        });
        let whole = CallAnswer {
            decision: if self.is_allowed() { "ALLOW" } else { "DENY" },
            operation: call,
            requests: requests.collect(),
            later,
            patch: patch.map(ShownPatch::new),
            policy_sha256: Authorize::digest(policy).map(|digest| digest.to_string()),
        };
        serde_json::to_string(&whole).map_err(|error| Stop::internal(error.to_string()))
    }
}
