//! `rex policy reach`

use std::fmt::Write;

use rex_core::{ActionSpec, Extent, Principal, ReachPlace};
use rex_policy::ReachException;
use serde::Serialize;

use crate::args::{Color, OutputFormat, ReachArgs};
use crate::exit::{Exit, Stop};
use crate::{check, draw, load, print};

/// Shows what a policy could ever permit, and the forbids that take away from it.
pub(crate) fn reach(args: &ReachArgs, color: Color) -> Result<Exit, Stop> {
    let principal = args.principal.as_deref().map(load::principal).transpose()?;
    let policy = match load::either(&args.policy)? {
        Ok(policy) => policy,
        Err(found) => return Ok(check::rejected(&found, args.format, color)),
    };
    let reach = policy.reach(principal.as_ref());
    let reach: Vec<_> = reach.iter().collect();
    let exceptions = policy.exceptions(principal.as_ref());
    if args.format == OutputFormat::Json {
        print(&json(principal.as_ref(), &reach, &exceptions)?)?;
    } else {
        for warning in policy.warnings() {
            draw::finding(color, warning);
        }
        print(&human(principal.as_ref(), &reach, &exceptions))?;
    }
    Ok(Exit::Success)
}

/// An action and its extent.
type ActionExtent<'a> = (&'static ActionSpec, &'a Extent);

fn human(principal: Option<&Principal>, reach: &[ActionExtent<'_>], exceptions: &[ReachException]) -> String {
    let who = principal.map_or("any principal".to_owned(), |principal| draw::line(&principal.to_string()));
    if reach.is_empty() {
        return format!("The policy cannot permit anything to {who}.\n");
    }
    let mut out = format!("The most that the policy can permit to {who}:\n\n");
    write_reach(&mut out, "", reach);
    if !exceptions.is_empty() {
        out += "\nwarning: enforced only in user space, because Landlock cannot express exceptions:\n";
    }
    for exception in exceptions {
        let condition = if exception.conditional { ", under its condition" } else { "" };
        let reason = exception.reason.as_ref().map_or(String::new(), |reason| format!(" ({})", draw::line(reason)));
        // Writing to a string does not fail.
        let _ = writeln!(out, "\n  `{}`{reason} forbids{condition}:\n", draw::line(&exception.policy));
        let extents: Vec<_> = exception.extents.iter().map(|(action, extent)| (*action, extent)).collect();
        write_reach(&mut out, "    ", &extents);
    }
    out
}

/// Writes the places of each namespace; actions with the same places share them.
fn write_reach(out: &mut String, indent: &str, reach: &[ActionExtent<'_>]) {
    for space in reach.chunk_by(|(a, _), (b, _)| a.namespace == b.namespace) {
        let namespace = space.first().map_or("", |(action, _)| action.namespace);
        let _ = writeln!(out, "{indent}{namespace}");
        let mut groups: Vec<(&Extent, Vec<&str>)> = Vec::new();
        for (action, extent) in space {
            match groups.iter_mut().find(|(known, _)| known == extent) {
                Some((_, names)) => names.push(action.name),
                None => groups.push((extent, vec![action.name])),
            }
        }
        for (extent, names) in groups {
            let _ = writeln!(out, "{indent}  {}", names.join(", "));
            match extent {
                Extent::Anything => out.push_str(&format!("{indent}    anything\n")),
                Extent::Within(places) => {
                    for place in places {
                        let _ = writeln!(out, "{indent}    {}", place_text(place));
                    }
                }
            }
        }
    }
}

pub(crate) fn place_text(place: &ReachPlace) -> String {
    match place {
        ReachPlace::Exactly(id) => draw::line(id),
        ReachPlace::Below(id) => format!("{} and everything below it", draw::line(id)),
        ReachPlace::Prefix(text) => format!("everything that starts with {}", draw::line(text)),
    }
}

#[derive(Serialize)]
struct ReachOutput<'a> {
    principal: Option<String>,
    reach: Vec<ShownAction<'a>>,
    exceptions: Vec<ShownException<'a>>,
}

#[derive(Serialize)]
struct ShownException<'a> {
    policy: &'a str,
    reason: Option<&'a str>,
    conditional: bool,
    reach: Vec<ShownAction<'a>>,
}

#[derive(Serialize)]
struct ShownAction<'a> {
    action: String,
    places: Vec<ReachedPlace<'a>>,
}

/// A place. No bound is a place, too, so that a program that reads only places sees it.
#[derive(Serialize)]
pub(crate) struct ReachedPlace<'a> {
    kind: &'static str,
    id: Option<&'a str>,
}

impl<'a> ShownException<'a> {
    fn new(exception: &'a ReachException) -> Self {
        Self {
            policy: &exception.policy,
            reason: exception.reason.as_deref(),
            conditional: exception.conditional,
            reach: exception.extents.iter().map(|(action, extent)| ShownAction::new((action, extent))).collect(),
        }
    }
}

impl<'a> ShownAction<'a> {
    fn new((action, extent): ActionExtent<'a>) -> Self {
        let places = match extent {
            Extent::Anything => vec![ReachedPlace::ANYTHING],
            Extent::Within(places) => places.iter().map(ReachedPlace::new).collect(),
        };
        Self { action: action.to_string(), places }
    }
}

impl<'a> ReachedPlace<'a> {
    pub(crate) const ANYTHING: Self = Self { kind: "anything", id: None };

    pub(crate) fn new(place: &'a ReachPlace) -> Self {
        let (kind, id) = match place {
            ReachPlace::Exactly(id) => ("exactly", id),
            ReachPlace::Below(id) => ("below", id),
            ReachPlace::Prefix(text) => ("prefix", text),
        };
        Self { kind, id: Some(id) }
    }
}

fn json(
    principal: Option<&Principal>,
    reach: &[ActionExtent<'_>],
    exceptions: &[ReachException],
) -> Result<String, Stop> {
    let shown = ReachOutput {
        principal: principal.map(ToString::to_string),
        reach: reach.iter().copied().map(ShownAction::new).collect(),
        exceptions: exceptions.iter().map(ShownException::new).collect(),
    };
    serde_json::to_string(&shown).map_err(|error| Stop::internal(error.to_string()))
}
