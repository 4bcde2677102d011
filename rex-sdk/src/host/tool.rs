//! Programs of the system that read its databases, each confined to its database.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use nix::fcntl::OFlag;
use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{AbsPath, Action, Budget, Extent, Reach, ReachPlace};

use super::confine::{ProgramStart, WorkerBounds};
use super::{resolve, run};
use crate::links::FinalLink;
use crate::os::{OsError, StartOptions};

/// Returns the output of a program that may read these places and nothing else. A missing program is an
/// [`OsError::Io`].
pub(super) fn output(program: &str, arguments: &[&str], places: &[&str], budget: &Budget) -> Result<String, OsError> {
    let path = AbsPath::parse(program).map_err(|_| OsError::Refused("its path is invalid"))?;
    let file = resolve::open(&path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, FinalLink::Cross)?;
    let words: Vec<&OsStr> = std::iter::once(&program).chain(arguments).map(OsStr::new).collect();
    let places = Extent::Within(places.iter().map(|path| ReachPlace::Below((*path).to_owned())).collect());
    let reach = Reach::new(vec![(fs::Read::SPEC, places.clone()), (fs::List::SPEC, places)]);
    let program = ProgramStart {
        file: &file,
        arguments: &words,
        environment: &[(OsStr::new("LC_ALL"), OsStr::new("C.UTF-8"))],
        directory: Path::new("/"),
        stdin: Stdio::null(),
        stdout: Stdio::piped(),
        stderr: Stdio::piped(),
        user: None,
        processes: false,
    };
    let running = program.start(&reach, &WorkerBounds::default())?;
    let remaining = budget.remaining();
    let start = StartOptions {
        stdin: None,
        output_bytes: budget.limits().file_bytes,
        timeout_ms: u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX),
        written_bytes: 0,
    };
    let finished = run::attend(running, &start, None, Instant::now().checked_add(remaining), budget)?;
    // Some exit with 1 if there is nothing to report.
    if finished.status != Some(0) && !(finished.status == Some(1) && finished.stderr.is_empty()) {
        let why = finished.stderr.lines().next().unwrap_or("it gives no reason");
        return Err(OsError::Unavailable(format!("`{}` failed: {why}", path.as_str())));
    }
    if finished.stdout_discarded > 0 {
        let limit = budget.limits().file_bytes;
        return Err(OsError::Stopped(exceeded("file_bytes", limit, "bytes of what a program of the system tells")));
    }
    Ok(finished.stdout)
}
