//! A substitute for `host` on other systems: it refuses runs, and polls files.

use std::collections::BTreeMap;
use std::env::consts::OS;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use rex_core::{Code, Error};
use rex_engine::{Failure, Report, RunStats};
use serde::Serialize;

use crate::args::{Color, DoctorArgs, OutputFormat, PlanCommand, RunCommand};
use crate::exit::{Exit, Stop};
use crate::{Decide, print};

const HELP: &str = "on every platform you can use `rex policy`, `rex audit`, `rex replay`, `rex explain`, `rex ops`, `rex schema`, \
                    `rex completions` and `rex man`";
/// Time between two looks at a file, in milliseconds.
const TURN: u8 = 250;

pub(crate) fn run(command: &RunCommand, _: Color, _: Decide) -> Result<Exit, Stop> {
    unsupported("run", command.run.format)
}

pub(crate) fn plan(command: &PlanCommand, _: Color, _: Decide) -> Result<Exit, Stop> {
    unsupported("plan", command.run.format)
}

pub(crate) fn doctor(args: &DoctorArgs) -> Result<Exit, Stop> {
    unsupported("doctor", args.format)
}

fn unsupported(verb: &str, format: OutputFormat) -> Result<Exit, Stop> {
    let with = if cfg!(feature = "host") { "with" } else { "without" };
    let message = format!("`rex {verb}` needs Linux and the feature `host`; this is `{OS}` {with} the feature");
    let error = Error::new(Code::Unsupported, message).with_help(HELP);
    if format == OutputFormat::Human {
        return Err(Stop::usage(error.to_string()).with_help(HELP));
    }
    let told = serde_json::to_string(&HostReport::failed(error)).map_err(|error| Stop::internal(error.to_string()))?;
    print(&told).map(|()| Exit::Usage)
}

/// A report in the format of a run on a host.
#[derive(Serialize)]
struct HostReport {
    #[serde(flatten)]
    report: Report,
    confinement: Option<()>,
}

impl HostReport {
    fn failed(error: Error) -> Self {
        let report = Report {
            run_id: "".into(),
            outcome: Err(Failure::new(error)),
            output: Vec::new(),
            warnings: Vec::new(),
            denials: Vec::new(),
            stats: RunStats::default(),
            journal: Vec::new(),
            journal_omitted: 0,
        };
        Self { report, confinement: None }
    }
}

/// A poller of a file.
pub(crate) struct FileNotices;

impl FileNotices {
    pub(crate) fn new(_: &Path) -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn renew(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Waits until it is time to look; `false` if the reader has gone away.
    pub(crate) fn wait(&mut self, reader: BorrowedFd<'_>) -> io::Result<bool> {
        // `poll` reports a pipe without a reader, whatever events are requested.
        match poll(&mut [PollFd::new(reader, PollFlags::empty())], TURN) {
            Ok(gone) => Ok(gone == 0),
            Err(Errno::EINTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// The files below a folder, with their sizes and times of change.
type FolderState = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// A poller of a folder and all below it.
pub(crate) struct TreeNotices<'d> {
    dir: &'d Path,
    seen: FolderState,
}

impl<'d> TreeNotices<'d> {
    pub(crate) fn new(dir: &'d Path) -> Result<Self, Stop> {
        let mut seen = FolderState::new();
        look(dir, &mut seen).map_err(|error| Stop::usage(format!("`{}` cannot be watched: {error}", dir.display())))?;
        Ok(Self { dir, seen })
    }

    /// Waits until something has changed and then nothing changes any more.
    pub(crate) fn wait(&mut self) -> Result<(), Stop> {
        let (mut before, mut changed) = (std::mem::take(&mut self.seen), false);
        loop {
            std::thread::sleep(Duration::from_millis(TURN.into()));
            *self = Self::new(self.dir)?;
            if self.seen != before {
                (before, changed) = (self.seen.clone(), true);
            } else if changed {
                return Ok(());
            }
        }
    }
}

fn look(dir: &Path, seen: &mut FolderState) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)?.flatten() {
        // The entry is gone by now.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            // An unreadable folder shows no changes.
            drop(look(&entry.path(), seen));
        }
        seen.insert(entry.path(), (metadata.len(), metadata.modified().ok()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::sync::Arc;

    use clap::Parser;

    use super::*;
    use crate::args::{CliArgs, Command};

    /// Runs a command line; returns how it ends.
    fn ended(args: &str) -> Result<Exit, Stop> {
        match CliArgs::try_parse_from(args.split(' ')).unwrap().command {
            Command::Run(args) => run(&args, Color::Never, |policy| Arc::new(policy)),
            Command::Plan(args) => plan(&args, Color::Never, |policy| Arc::new(policy)),
            Command::Doctor(args) => doctor(&args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_needs_a_host_says_so() {
        for verb in [
            "run x.rhai --policy x.cedar --journal-rotate size=1MB --journal x",
            "plan x.rhai --policy x.cedar",
            "doctor",
        ] {
            let stop = ended(&format!("rex {verb}")).unwrap_err();
            let name = verb.split(' ').next().unwrap();
            let start =
                format!("UNSUPPORTED_EXCEPTION: `rex {name}` needs Linux and the feature `host`; this is `{OS}` with");
            assert!(stop.message.starts_with(&start), "{}", stop.message);
            assert_eq!((stop.exit, stop.help.as_deref()), (Exit::Usage, Some(HELP)));
        }
    }

    #[test]
    fn programs_get_a_report() {
        let told = serde_json::to_value(HostReport::failed(Error::new(Code::Unsupported, "why"))).unwrap();
        let fields = ["run_id", "status", "value", "output", "error", "warnings", "denials", "stats", "confinement"];
        assert_eq!(told.as_object().unwrap().len(), fields.len());
        assert!(fields.iter().all(|field| told.get(field).is_some()), "{told}");
        assert_eq!(told.pointer("/error/code").unwrap(), "UNSUPPORTED_EXCEPTION");
        assert_eq!(ended("rex doctor --format json").unwrap(), Exit::Usage);
    }

    #[test]
    fn files_are_looked_at_until_nobody_reads() {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = TreeNotices::new(dir.path()).unwrap();
        std::fs::write(dir.path().join("new"), "").unwrap();
        tree.wait().unwrap();
        assert_eq!(tree.seen.len(), 1);
        assert!(TreeNotices::new(&dir.path().join("none")).is_err());

        let mut file = FileNotices::new(&dir.path().join("new")).unwrap();
        file.renew().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        assert!(file.wait(writer.as_fd()).unwrap());
        drop(reader);
        assert!(!file.wait(writer.as_fd()).unwrap());
    }
}
