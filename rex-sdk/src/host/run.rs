//! Starting of programs: the file that was examined runs, with what the policy saw, under the confinement of programs.
#![expect(clippy::disallowed_types, reason = "this is where everything else is sent to")]

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::stat::fstat;
use rex_core::action::process;
use rex_core::process::Program;
use rex_core::{AbsPath, Budget, Grant, Reach};

use super::accounts::user;
use super::confine::{self, RunningProgram, WorkerBounds};
use super::open::kind;
use super::resolve;
use super::write_limit::WriteLimit;
use crate::links::FinalLink;
use crate::os::{EntryKind, FinishedProgram, OsError, StartOptions, permitted};

/// Interval between checks whether the run may continue, if nothing else happens.
const POLL: Duration = Duration::from_millis(50);
/// Maximum time that a killed program may take to end: the kernel may be in the middle of a call.
const DYING: Duration = Duration::from_secs(5);
/// Starts the program of the grant and waits until it ends.
pub(super) fn run(
    grant: &Grant<process::Run>,
    start: &StartOptions,
    reach: Option<&Reach>,
    budget: &Budget,
) -> Result<FinishedProgram, OsError> {
    let reach = reach.ok_or(OsError::Refused("there is nothing to confine a program to"))?;
    let action = grant.action();
    let directory =
        AbsPath::parse(&action.directory).map_err(|_| OsError::Refused("its working directory is an absolute path"))?;
    let (arguments, environment) = (action.arguments.clone(), action.environment.clone());
    // The derived parts of the action must match the others: what was decided on is what is done.
    if process::Run::new(arguments, environment, &directory, &action.user, start.stdin.is_some()) != *action {
        return Err(OsError::Changed);
    }
    let file = open(grant, reach, budget)?;
    let user = (!action.user.is_empty()).then(|| user(&action.user)).transpose()?;
    let path = grant.resource().path.as_str();
    let words: Vec<&OsStr> =
        std::iter::once(path).chain(action.arguments.as_slice().iter().map(String::as_str)).map(OsStr::new).collect();
    let pairs = variables(grant)?;
    let timeout = Duration::from_millis(start.timeout_ms);
    // The caller knows what was written before, but it may be compromised, so the limit of the run applies as well.
    let most = start.written_bytes.min(budget.limits().written_bytes);
    let bounds = WorkerBounds {
        file_bytes: most,
        // It may use several processors at once.
        cpu: timeout.saturating_mul(4).saturating_add(Duration::from_secs(1)),
        ..WorkerBounds::default()
    };
    let processes = grant.allows("processes");
    let mut running = confine::ProgramStart {
        file: &file,
        arguments: &words,
        environment: &pairs,
        directory: Path::new(directory.as_str()),
        stdin: if start.stdin.is_some() { Stdio::piped() } else { Stdio::null() },
        stdout: Stdio::piped(),
        stderr: Stdio::piped(),
        user: user.as_ref(),
        processes,
    }
    .start(reach, &bounds)?;
    // If no file can be changed, there is nothing to count.
    let written = confine::changes_files(reach).then(|| WriteLimit::new(&mut running, user.clone(), processes, most));
    let written = written.transpose()?;
    let finished = attend(running, start, written, Instant::now().checked_add(timeout), budget)?;
    let help = finished.status.is_some_and(|status| status != 0).then(|| confine::in_words(reach));
    Ok(FinishedProgram { help, ..finished })
}

/// Opens the program of the grant, if it may be started. For a pinned one, returns a sealed copy.
fn open(grant: &Grant<process::Run>, reach: &Reach, budget: &Budget) -> Result<OwnedFd, OsError> {
    let Program { path, sha256 } = grant.resource();
    // Without waiting, as a pipe would make it.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = resolve::open(path, flags, FinalLink::Cross)?;
    let status = fstat(&file).map_err(io::Error::from)?;
    if kind(&status) != EntryKind::File {
        return Err(OsError::WrongKind(kind(&status)));
    }
    if status.st_mode & 0o111 == 0 {
        return Err(OsError::Refused("it is not a program: nobody may execute it"));
    }
    let mut file = File::from(file);
    let mut start = [0; 2];
    if file.read(&mut start)? == 2 && start == *b"#!" {
        return Err(OsError::Refused("it is a script: start its interpreter, and name the script as an argument"));
    }
    permitted(grant, Some(reach))?;
    if sha256.is_empty() {
        return Ok(file.into());
    }
    super::pin::copy(file, path, sha256, budget)
}

/// Returns the environment of the grant.
fn variables(grant: &Grant<process::Run>) -> Result<Vec<(&OsStr, &OsStr)>, OsError> {
    let mut pairs = Vec::new();
    for word in grant.action().environment.as_slice() {
        let (name, value) = word.split_once('=').ok_or(OsError::Refused("a variable is `NAME=value`"))?;
        pairs.push((OsStr::new(name), OsStr::new(value)));
    }
    Ok(pairs)
}

/// One of the output streams of a program.
struct CapturedStream {
    pipe: Option<File>,
    kept: Vec<u8>,
    most: usize,
    discarded: u64,
    /// Number of bytes received.
    bytes: u64,
}

impl CapturedStream {
    fn new(pipe: Option<OwnedFd>, most: u64) -> io::Result<Self> {
        let pipe = pipe.map(waits_for_nothing).transpose()?;
        Ok(Self { pipe, kept: Vec::new(), most: usize::try_from(most).unwrap_or(usize::MAX), discarded: 0, bytes: 0 })
    }

    /// Reads what is available, up to a bound, so that the other streams are not kept waiting.
    fn take(&mut self) -> io::Result<()> {
        const TURNS: usize = 16;
        let mut buffer = [0; 64 << 10];
        for _ in 0..TURNS {
            let Some(pipe) = &mut self.pipe else { return Ok(()) };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let room = self.most.saturating_sub(self.kept.len()).min(count);
                    self.kept.extend(buffer.get(..room).unwrap_or_default());
                    self.discarded += (count - room) as u64;
                    self.bytes += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

/// The standard input of a program.
struct ProgramInput<'s> {
    pipe: Option<File>,
    rest: &'s [u8],
}

impl ProgramInput<'_> {
    fn give(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        match pipe.write(self.rest) {
            Ok(count) => self.rest = self.rest.get(count..).unwrap_or_default(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // It need not read its input.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.rest = &[],
            Err(error) => return Err(error),
        }
        if self.rest.is_empty() {
            self.pipe = None;
        }
        Ok(())
    }
}

/// Writes the program's input, captures its output, and kills it with its whole group when its time is over or it has
/// written more than it may.
pub(super) fn attend(
    mut running: RunningProgram,
    start: &StartOptions,
    mut written: Option<WriteLimit>,
    deadline: Option<Instant>,
    budget: &Budget,
) -> Result<FinishedProgram, OsError> {
    let child = running.child();
    let mut out = CapturedStream::new(child.stdout.take().map(OwnedFd::from), start.output_bytes)?;
    let mut err = CapturedStream::new(child.stderr.take().map(OwnedFd::from), start.output_bytes)?;
    let stdin = child.stdin.take().map(OwnedFd::from).map(waits_for_nothing).transpose()?;
    let mut given = ProgramInput { pipe: stdin, rest: start.stdin.as_deref().unwrap_or_default().as_bytes() };
    given.give()?;
    let (mut killed, mut timed_out) = (None, false);
    loop {
        budget.check()?;
        let left = deadline.map_or(POLL, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() && killed.is_none() {
            running.kill();
            (killed, timed_out) = (Some(Instant::now()), true);
        }
        if killed.is_some_and(|since| since.elapsed() > DYING) {
            return Err(OsError::Unavailable("it was killed, but does not exit".to_owned()));
        }
        let wait = if killed.is_some() { POLL } else { left.min(POLL) };
        let wait = written.as_ref().map_or(wait, |written| wait.min(written.rest()));
        let ended = until(&running, [&out.pipe, &err.pipe], &given.pipe, wait)?;
        let look = written.as_mut().filter(|written| ended || written.rest().is_zero());
        let handed = look.map(WriteLimit::look).transpose().inspect_err(|_| running.kill())?;
        out.take()?;
        err.take()?;
        if let (Some(written), Some(handed)) = (&mut written, handed) {
            written.note(handed, out.bytes + err.bytes);
            if written.is_too_much() && killed.is_none() {
                running.kill();
                killed = Some(Instant::now());
            }
        }
        if ended {
            break;
        }
        given.give()?;
    }
    // This ends its group as well, so that no process keeps a pipe open.
    let status = running.wait(DYING)?.ok_or_else(|| OsError::Unavailable("it does not end".to_owned()))?;
    out.take()?;
    err.take()?;
    Ok(FinishedProgram {
        status: status.code(),
        signal: status.signal().map(|number| match Signal::try_from(number) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {number}"),
        }),
        timed_out,
        stdout: out.text(),
        stderr: err.text(),
        stdout_discarded: out.discarded,
        stderr_discarded: err.discarded,
        written_bytes: written.map_or(0, |written| written.bytes()),
        help: None,
    })
}

/// Waits until there is something to do; returns `true` if the program has ended.
fn until(
    running: &RunningProgram,
    pipes: [&Option<File>; 2],
    stdin: &Option<File>,
    wait: Duration,
) -> io::Result<bool> {
    let mut wanted = vec![PollFd::new(running.handle(), PollFlags::POLLIN)];
    wanted.extend(pipes.into_iter().flatten().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
    wanted.extend(stdin.iter().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
    // Rounded up, so that a wait below one millisecond is not 0.
    let wait = PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO);
    match poll(&mut wanted, wait) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(wanted.first().and_then(PollFd::any).unwrap_or(false))
}

fn waits_for_nothing(pipe: OwnedFd) -> io::Result<File> {
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(File::from(pipe))
}
