//! `rex policy risks`

use std::collections::BTreeMap;
use std::fmt::Write;

use rex_core::nearest::did_you_mean;
use rex_policy::{ExposedRisk, RISKS, RiskRequest, RiskSeverity};
use serde::Serialize;

use crate::args::{Color, OutputFormat, PolicyArgs};
use crate::exit::{Exit, Stop};
use crate::{check, draw, load, print};

pub(crate) const HELP: &str =
    "Each outcome is a set of requests. The policy lets an outcome through if it allows one of them. The report says for whom: `anyone` is
a principal that no policy names. The policy may let through an outcome that is not reported, by a condition that none of the requests
meets: `rex policy prove` covers all possible requests.

Exit codes:
  0    the policy lets no outcome of this severity through, except those in --allow
  1    the policy lets one through
  2    usage, or an input that cannot be read
  3    the policy is rejected";

#[derive(Debug, clap::Args)]
pub(crate) struct RisksArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Check only this principal
    #[arg(long)]
    principal: Option<String>,
    /// Lowest severity that gives exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::High)]
    fail_on: FailOn,
    /// Outcome to accept, by name, with an optional reason after `=` (repeatable)
    #[arg(long, value_name = "NAME[=REASON]")]
    allow: Vec<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    format: OutputFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// Only critical outcomes
    Critical,
    /// High and critical outcomes
    High,
    /// Any outcome
    Medium,
    /// Never
    None,
}

impl FailOn {
    fn meets(self, severity: RiskSeverity) -> bool {
        match self {
            Self::Critical => severity >= RiskSeverity::Critical,
            Self::High => severity >= RiskSeverity::High,
            Self::Medium => severity >= RiskSeverity::Medium,
            Self::None => false,
        }
    }
}

/// The outcomes that are allowed, with the reasons.
type AllowedRisks<'a> = BTreeMap<&'a str, Option<&'a str>>;

/// Reports the bad outcomes that a policy lets through.
pub(crate) fn risks(args: &RisksArgs, color: Color) -> Result<Exit, Stop> {
    let principal = args.principal.as_deref().map(load::principal).transpose()?;
    let allowed = args.allow.iter().map(|text| allowed(text)).collect::<Result<AllowedRisks<'_>, _>>()?;
    let policy = match load::policy(&args.policy)? {
        Ok(policy) => policy,
        Err(found) => return Ok(check::rejected(&found, args.format, color)),
    };
    let found = policy.risks(principal.as_ref());
    print(&match args.format {
        OutputFormat::Json => json(&found, &allowed)?,
        OutputFormat::Human => human(&found, &allowed),
    })?;
    let fails =
        |exposed: &ExposedRisk| !allowed.contains_key(exposed.risk.name) && args.fail_on.meets(exposed.risk.severity);
    Ok(if found.iter().any(fails) { Exit::Found } else { Exit::Success })
}

fn allowed(text: &str) -> Result<(&str, Option<&str>), Stop> {
    let (name, reason) = text.split_once('=').map_or((text, None), |(name, reason)| (name, Some(reason)));
    let names = || RISKS.iter().map(|risk| risk.name);
    if names().any(|known| known == name) {
        return Ok((name, reason));
    }
    let help = did_you_mean(name, names()).unwrap_or_else(|| "docs/risks.md lists all outcomes".to_owned());
    Err(Stop::usage(format!("unknown outcome `{name}`")).with_help(help))
}

/// Formats the outcomes for people. Writing to a string does not fail.
fn human(found: &[ExposedRisk], allowed: &AllowedRisks<'_>) -> String {
    let mut out = String::new();
    let (meant, open): (Vec<_>, Vec<_>) = found.iter().partition(|exposed| allowed.contains_key(exposed.risk.name));
    for exposed in &open {
        let risk = exposed.risk;
        let _ = writeln!(out, "{:8}  {}: {}", risk.severity.as_str(), risk.name, risk.title);
        exposed.ways.iter().for_each(|way| write_way(&mut out, way));
        if exposed.more > 0 {
            let _ = writeln!(out, "            and {} more ways", exposed.more);
        }
    }
    for exposed in &meant {
        let reason = allowed.get(exposed.risk.name).copied().flatten();
        let reason = reason.map_or(String::new(), |reason| format!(" ({})", draw::line(reason)));
        let _ = writeln!(out, "allowed   {}: {}{reason}", exposed.risk.name, exposed.risk.title);
    }
    for name in allowed.keys().filter(|name| !meant.iter().any(|exposed| exposed.risk.name == **name)) {
        let _ = writeln!(out, "note: `--allow {name}` is not needed: the policy does not let it through");
    }
    let count = |severity| open.iter().filter(|exposed| exposed.risk.severity == severity).count();
    let counts = [RiskSeverity::Critical, RiskSeverity::High, RiskSeverity::Medium].map(|it| (count(it), it.as_str()));
    let counts: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let all = RISKS.len();
    let _ = match (open.len(), &meant[..]) {
        (0, []) => writeln!(out, "the policy lets none of {all} bad outcomes through"),
        (0, _) => writeln!(out, "the policy lets no other of {all} bad outcomes through"),
        (open, _) => writeln!(
            out,
            "{open} of {all} bad outcomes {} let through: {}",
            if open == 1 { "is" } else { "are" },
            counts.join(", ")
        ),
    };
    out
}

fn write_way(out: &mut String, way: &RiskRequest) {
    const SHOWN: usize = 5;
    let mut who: Vec<_> = way.who.iter().take(SHOWN).map(|who| draw::line(who)).collect();
    if let Some(more) = way.who.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        who.push(format!("{more} more"));
    }
    let facts: Vec<_> = way.facts.iter().map(|(name, value)| format!("{name} {}", draw::line(value))).collect();
    let facts = if facts.is_empty() { String::new() } else { format!(" with {}", facts.join(", ")) };
    let by: Vec<_> = way.policies.iter().map(|id| format!("`{}`", draw::line(id))).collect();
    let actions: Vec<_> = way.actions.iter().map(ToString::to_string).collect();
    let (resource, by) = (draw::line(&way.resource), by.join(", "));
    let _ = writeln!(out, "          {}: {} on {resource}{facts}, by {by}", who.join(", "), actions.join(", "));
    if let Some(word) = way.lacks {
        let _ = writeln!(out, "            a run refuses it until a permit has `@allow(\"{word}\")`");
    }
}

#[derive(Serialize)]
struct RisksOutput<'a> {
    /// Number of outcomes examined.
    outcomes: usize,
    risks: Vec<ShownRisk<'a>>,
    /// The outcomes that are not let through, as far as was found.
    clear: Vec<&'a str>,
}

#[derive(Serialize)]
struct ShownRisk<'a> {
    name: &'a str,
    severity: &'static str,
    title: &'a str,
    why: &'a str,
    /// `true` if `--allow` names it; the next field is the reason there.
    allowed: bool,
    reason: Option<&'a str>,
    ways: Vec<ShownRiskRequest<'a>>,
    more_ways: usize,
}

#[derive(Serialize)]
struct ShownRiskRequest<'a> {
    who: &'a [String],
    actions: Vec<String>,
    resource: &'a str,
    facts: &'a BTreeMap<String, String>,
    policies: Vec<&'a str>,
    /// The word of `@allow` that no permit has, so that a run refuses it.
    lacks: Option<&'static str>,
}

fn json(found: &[ExposedRisk], allowed: &AllowedRisks<'_>) -> Result<String, Stop> {
    fn way(way: &RiskRequest) -> ShownRiskRequest<'_> {
        let RiskRequest { who, actions, resource, facts, policies, lacks, .. } = way;
        let policies = policies.iter().map(|id| &**id).collect();
        ShownRiskRequest {
            who,
            actions: actions.iter().map(ToString::to_string).collect(),
            resource,
            facts,
            policies,
            lacks: *lacks,
        }
    }
    let risks = found.iter().map(|exposed| ShownRisk {
        name: exposed.risk.name,
        severity: exposed.risk.severity.as_str(),
        title: exposed.risk.title,
        why: exposed.risk.why,
        allowed: allowed.contains_key(exposed.risk.name),
        reason: allowed.get(exposed.risk.name).copied().flatten(),
        ways: exposed.ways.iter().map(way).collect(),
        more_ways: exposed.more,
    });
    let clear =
        RISKS.iter().map(|risk| risk.name).filter(|name| !found.iter().any(|exposed| exposed.risk.name == *name));
    let said = RisksOutput { outcomes: RISKS.len(), clear: clear.collect(), risks: risks.collect() };
    serde_json::to_string(&said).map_err(|error| Stop::internal(error.to_string()))
}
