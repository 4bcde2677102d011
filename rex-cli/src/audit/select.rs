//! The journals to read, and filters of their records.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use rex_audit::{Entry, EntryFilter, JournalLine, filter, moment};
use rex_core::{ACTIONS, Effect, Principal, Timestamp};

use crate::complain;
use crate::draw::line as visible_line;
use crate::exit::Stop;

/// Maximum number of unreadable lines that are reported one by one.
const TOLD: u64 = 10;

/// The journals to read.
#[derive(Debug, clap::Args)]
pub(crate) struct JournalArgs {
    /// Journal; `-` reads standard input (repeatable)
    #[arg(value_name = "JOURNAL", required = true)]
    pub(crate) journals: Vec<PathBuf>,
}

/// A choice of entries.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Filters (with several values for one filter, any of them may match)")]
pub(crate) struct FilterArgs {
    /// At or after this time: `2026-11-23T12:00:00Z`, `2026-11-23 12:00`, `2026-11-23` (in UTC), or `90m`, `2h`, `7d` ago
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Run id, or the start of one
    #[arg(long, value_name = "ID")]
    run: Vec<String>,
    /// Principal: `Agent::"name"`, or only the name
    #[arg(long)]
    principal: Vec<String>,
    /// Operation, such as `fs::copy`
    #[arg(long)]
    operation: Vec<String>,
    /// Requested action: `fs::read`, `read`, a namespace (`fs`), or a group (`Mutating`, `fs::Mutating`)
    #[arg(long)]
    action: Vec<String>,
    /// Requested resource, by its full id
    #[arg(long, value_name = "ID")]
    resource: Vec<String>,
    /// Requested resources that are this directory or below it
    #[arg(long, value_name = "DIR")]
    under: Vec<String>,
    /// Decision
    #[arg(long, value_enum)]
    decision: Option<DecidedEffect>,
    /// Deciding policy, by its id
    #[arg(long, value_name = "ID")]
    policy: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DecidedEffect {
    /// Allowed
    Allow,
    /// Denied
    Deny,
}

impl FilterArgs {
    pub(crate) fn filter(&self) -> Result<EntryFilter, Stop> {
        let now = Timestamp::now();
        let time = |text: &String| moment::written(text, now).map_err(|error| Stop::usage(error.to_string()));
        let mut filter = EntryFilter {
            from: self.from.as_ref().map(time).transpose()?,
            to: self.to.as_ref().map(time).transpose()?,
            runs: self.run.clone(),
            principals: self.principal.iter().map(|text| principal(text)).collect::<Result<_, _>>()?,
            operations: self.operation.clone(),
            resources: self.resource.clone(),
            under: self.under.clone(),
            decision: self.decision.map(|decided| match decided {
                DecidedEffect::Allow => Effect::Allow,
                DecidedEffect::Deny => Effect::Deny,
            }),
            policies: self.policy.clone(),
            ..EntryFilter::default()
        };
        for word in &self.action {
            let actions = filter::actions(word, ACTIONS).map_err(|error| {
                let stop = Stop::usage(error.to_string());
                error.help.into_iter().fold(stop, Stop::with_help)
            })?;
            filter.actions.extend(actions);
        }
        Ok(filter)
    }
}

/// Reads a principal, or the name of one. Rejects a malformed principal, which would match nothing.
fn principal(text: &str) -> Result<String, Stop> {
    let whole = ["Agent::", "User::"].iter().any(|kind| text.trim().starts_with(kind)) || text.contains("::\"");
    match Principal::typed(text) {
        Err(error) if whole => Err(Stop::usage(error.to_string()).with_help(error.help())),
        _ => Ok(text.trim().to_owned()),
    }
}

/// Visits each record of the journals in order, and warns about unreadable lines. Returns their number.
pub(crate) fn each(
    journals: &[PathBuf],
    mut visit: impl FnMut(&JournalLine<'_>, &Entry<'_>) -> ControlFlow<()>,
) -> Result<u64, Stop> {
    let mut unreadable = UnreadableCount::default();
    for path in journals {
        let mut enough = false;
        let reader = BufReader::with_capacity(1 << 18, open(path)?);
        let read = rex_audit::each(reader, |line| {
            let flow = match &line.entry {
                Ok(entry) => visit(&line, entry),
                Err(why) => {
                    unreadable.tell(path, line.number, why);
                    ControlFlow::Continue(())
                }
            };
            enough = flow.is_break();
            flow
        });
        read.map_err(|error| cannot_be_read(path, &error))?;
        if enough {
            break;
        }
    }
    Ok(unreadable.finish())
}

/// Visits each record of the journals in order, without warnings.
pub(crate) fn quietly(journals: &[PathBuf], mut visit: impl FnMut(&Entry<'_>) -> ControlFlow<()>) -> Result<(), Stop> {
    for path in journals {
        let mut flow = ControlFlow::Continue(());
        let read = rex_audit::each(BufReader::with_capacity(1 << 18, open(path)?), |line| {
            flow = line.entry.map_or(ControlFlow::Continue(()), |entry| visit(&entry));
            flow
        });
        read.map_err(|error| cannot_be_read(path, &error))?;
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Box<dyn Read>, Stop> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    Ok(Box::new(File::open(path).map_err(|error| cannot_be_read(path, &error))?))
}

pub(crate) fn cannot_be_read(path: &Path, error: &std::io::Error) -> Stop {
    Stop::usage(format!("the journal `{}` cannot be read: {error}", path.display()))
}

/// The count of lines that should be records but cannot be read.
#[derive(Debug, Default)]
pub(crate) struct UnreadableCount(u64);

impl UnreadableCount {
    pub(crate) fn tell(&mut self, path: &Path, place: impl Display, why: &rex_audit::UnreadableLine) {
        self.0 += 1;
        if self.0 <= TOLD {
            let path = visible_line(&path.display().to_string());
            complain(&format!("warning: {path}:{place}: {}", visible_line(&why.to_string())));
        }
    }

    pub(crate) fn finish(self) -> u64 {
        if self.0 > TOLD {
            complain(&format!("warning: {} more lines are unreadable", self.0 - TOLD));
        }
        self.0
    }
}
