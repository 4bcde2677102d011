//! `rex policy score`

use rex_policy::{Exposed, Exposure};
use serde::Serialize;

use crate::args::{Color, Format, PolicyArgs};
use crate::exit::{Exit, Stop};
use crate::reach::{ShownPlace, place_text};
use crate::{check, load, print};

#[derive(Debug, clap::Args)]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Look at what is permitted to this principal alone
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Option<String>,
    /// End with 1 if the score is higher
    #[arg(long, value_name = "SCORE", value_parser = clap::value_parser!(u32).range(0..=100))]
    max: Option<u32>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Says how exposed a policy leaves what it protects.
pub(crate) fn score(args: &ScoreArgs, color: Color) -> Result<Exit, Stop> {
    let principal = args.principal.as_deref().map(load::principal).transpose()?;
    let policy = match load::policy(&args.policy)? {
        Ok(policy) => policy,
        Err(found) => return Ok(check::rejected(&found, args.format, color)),
    };
    let exposure = policy.exposure(principal.as_ref());
    print(&match args.format {
        Format::Json => {
            let said = Said { score: exposure.percent, findings: exposure.findings.iter().map(SaidOne::new).collect() };
            serde_json::to_string(&said).map_err(|error| Stop::internal(error.to_string()))?
        }
        Format::Human => human(&exposure),
    })?;
    Ok(if args.max.is_some_and(|max| exposure.percent > max) { Exit::Script } else { Exit::Success })
}

fn human(exposure: &Exposure) -> String {
    let mut out = format!("{} of 100: {}\n", exposure.percent, word(exposure.percent));
    for finding in &exposure.findings {
        let widest = finding.widest.as_ref().map_or("anything".to_owned(), place_text);
        let actions = finding.actions.join(", ");
        out +=
            &format!("{:>4}  {} {}: {actions}; at most {widest}\n", finding.percent, finding.namespace, finding.group);
    }
    out
}

fn word(percent: u32) -> &'static str {
    match percent {
        0..30 => "tight",
        30..60 => "moderate",
        60..80 => "wide",
        _ => "open",
    }
}

#[derive(Serialize)]
struct Said<'a> {
    score: u32,
    findings: Vec<SaidOne<'a>>,
}

#[derive(Serialize)]
struct SaidOne<'a> {
    namespace: &'a str,
    group: &'a str,
    score: u32,
    actions: &'a [&'static str],
    widest: ShownPlace<'a>,
}

impl<'a> SaidOne<'a> {
    fn new(exposed: &'a Exposed) -> Self {
        Self {
            namespace: exposed.namespace,
            group: exposed.group,
            score: exposed.percent,
            actions: &exposed.actions,
            widest: exposed.widest.as_ref().map_or(ShownPlace::ANYTHING, ShownPlace::new),
        }
    }
}
