//! Permits that no run can use.

use std::net::IpAddr;

use rex_core::action::{net, process};
use rex_core::net::{RemoteHost, Url};
use rex_core::{AbsPath, Action, ActionSpec, Extent, ReachPlace, Resource};

use super::places::PermitReaches;
use super::{Lint, LintContext, with_help};
use crate::finding::{Finding, Severity};
use crate::rule::Rule;

pub(super) const UNUSABLE: Lint = Lint {
    code: "REX016",
    name: "no run can use a permit",
    severity: Severity::Warning,
    explanation: "Operations ask for more than one action: `net::get` asks for `net::resolve` and `net::connect` of the host, `process::signal` for \
                  `process::list`, `fs::rename` for `fs::write` of the new name. A permit of one of them is idle as long as nothing permits the others to \
                  the same principal, or where a `forbid` takes them away, or the condition of what permits them asks for another port. A program that runs other programs, or a language, is started only by a permit with `@allow(\"interpreter\")`.",
    example: include_str!("examples/rex016.cedar"),
    better: include_str!("examples/rex016-better.cedar"),
    find: unusable,
};

fn unusable(look: &LintContext<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    if !rule.permit || look.levels.operations.is_empty() {
        return Vec::new();
    }
    let interpreter = withheld(look, number, rule);
    if !interpreter.is_empty() {
        return interpreter;
    }
    let mut missing: Option<ClosestOperation> = None;
    for act in &look.survey.acts {
        let extent = look.survey.extent(rule, act);
        if extent.is_empty() {
            continue;
        }
        match lacking(look, rule, act.spec, &extent) {
            None => return Vec::new(),
            Some(lacking) => missing = missing.or(Some(lacking)),
        }
    }
    let Some((operation, lacking, host)) = missing else { return Vec::new() };
    let names: Vec<_> = lacking.iter().map(|spec| format!("`{spec}`")).collect();
    let whom = host.as_ref().map_or_else(String::new, |host| format!(" for `{}`", host.escape_debug()));
    let message =
        format!("no run can use this: `{operation}` needs {} too, which nothing permits{whom}", names.join(" and "));
    let ids: Vec<_> = lacking.iter().map(|spec| format!("{}::Action::\"{}\"", spec.namespace, spec.name)).collect();
    let list = if let [one] = &*ids { format!("action == {one}") } else { format!("action in [{}]", ids.join(", ")) };
    let on = match (host, lacking.first().map(|spec| spec.resource == RemoteHost::SPEC)) {
        (Some(host), Some(true)) => format!(", resource == net::Host::\"{host}\""),
        _ => String::new(),
    };
    let help = format!("permit it to the same principal: `{list}{on}`");
    let permits = look.permits.get_or_init(|| PermitReaches::new(look));
    let given = |spec: &ActionSpec| {
        let act = look.survey.acts.iter().position(|act| act.spec == spec);
        act.is_some_and(|act| !permits.of(look, act, &rule.principal).is_empty())
    };
    let help = if lacking.iter().all(|spec| given(spec)) {
        format!("{help}; what permits it has a condition that rules this out, or a `forbid` takes it away")
    } else {
        help
    };
    with_help(look.found(number, message), &help)
}

/// The operation closest to using a permit, the actions that it lacks, and for which host.
type ClosestOperation = (&'static str, Vec<&'static ActionSpec>, Option<String>);

/// Returns what the closest operation with an action lacks; `None` if one lacks nothing, or none exists.
fn lacking(
    look: &LintContext<'_>,
    rule: &Rule,
    spec: &'static ActionSpec,
    extent: &Extent,
) -> Option<ClosestOperation> {
    let mut nearest: Option<ClosestOperation> = None;
    let server = server(spec, extent);
    let host = server.as_ref().map(|server| server.host().name());
    for (name, needs) in look.levels.operations.iter().filter(|(_, needs)| needs.contains(&spec)) {
        let lacks = |need: &&&'static ActionSpec| {
            let host = host.filter(|_| [net::Connect::SPEC, net::Resolve::SPEC].contains(*need));
            let port = server.as_ref().map(Url::port).filter(|_| **need == net::Connect::SPEC);
            **need != spec
                && !is_spared(need, host)
                && look.needed.of(look, need, port).is_none_or(|needed| !needed.is_given(look, rule, host))
        };
        let lacks: Vec<_> = needs.iter().filter(lacks).copied().collect();
        if lacks.is_empty() {
            return None;
        }
        if nearest.as_ref().is_none_or(|(_, known, _)| lacks.len() < known.len()) {
            nearest = Some((name, lacks, host.map(str::to_owned)));
        }
    }
    nearest
}

/// Returns whether a need may not arise: an address is not resolved, and an unknown host may be an address.
fn is_spared(need: &ActionSpec, host: Option<&str>) -> bool {
    *need == *net::Resolve::SPEC && host.is_none_or(|host| host.parse::<IpAddr>().is_ok())
}

/// Returns the only server of a permit's URLs, if known.
fn server(spec: &ActionSpec, extent: &Extent) -> Option<Url> {
    if spec.resource != Url::SPEC {
        return None;
    }
    let Extent::Within(places) = extent else { return None };
    let servers = places.iter().map(|place| {
        let (ReachPlace::Exactly(id) | ReachPlace::Below(id) | ReachPlace::Prefix(id)) = place;
        let (scheme, rest) = id.split_once("://")?;
        let (authority, _) = rest.split_once('/')?;
        Url::parse(&format!("{scheme}://{authority}/")).ok()
    });
    let servers: Vec<Url> = servers.collect::<Option<_>>()?;
    servers.first().filter(|first| servers.iter().all(|server| server == *first)).cloned()
}

/// Reports programs that cannot be started without a word of `@allow`.
fn withheld(look: &LintContext<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    let allowed =
        rule.allows.as_ref().is_some_and(|words| words.split_ascii_whitespace().any(|word| word == "interpreter"));
    let run = look.survey.acts.iter().find(|act| act.spec == process::Run::SPEC);
    let (Some(interpreter), Some(run), false) = (look.levels.interpreter, run, allowed) else { return Vec::new() };
    let Extent::Within(places) = look.survey.extent(rule, run) else { return Vec::new() };
    let named = |place: &ReachPlace| match place {
        ReachPlace::Exactly(path) => AbsPath::parse(path).ok().filter(interpreter),
        ReachPlace::Below(_) | ReachPlace::Prefix(_) => None,
    };
    let programs: Option<Vec<AbsPath>> = places.iter().map(named).collect();
    let Some(program) = programs.as_ref().and_then(|programs| programs.first()) else { return Vec::new() };
    let message =
        format!("no run can use this: `{}` runs other programs, or a language", program.as_str().escape_debug());
    with_help(
        look.found(number, message),
        "it is started only if the permit says so: `@allow(\"interpreter\")`; better permit a program that does one thing",
    )
}
