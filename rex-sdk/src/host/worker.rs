//! A second process that does the work, so that the first one survives whatever happens to it.
#![expect(
    unsafe_code,
    reason = "`fork` is unsafe where there are other threads, and so are handlers of signals; there are none of either here"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, close, dup2_stderr, dup2_stdin, dup2_stdout, fork, getppid, setpgid};
use rustix::process::set_parent_process_death_signal;

/// A worker: a copy of this process that continues on its own, connected by a socket.
///
/// It is killed when this is dropped, and when this process ends, however that happens.
#[derive(Debug)]
pub struct Worker {
    pid: Pid,
    ended: Option<WorkerEnding>,
}

/// The end of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerEnding {
    /// An exit with this status.
    Exited(i32),
    /// A kill by this signal.
    Killed(&'static str),
}

impl Worker {
    /// Starts a worker that does `work` and ends. It inherits memory and the working directory. Its only descriptor is
    /// its end of the socket, besides standard streams from and to `/dev/null`.
    ///
    /// # Errors
    /// If this process has other threads, or the system cannot make a process or a socket.
    pub fn start(work: impl FnOnce(UnixStream)) -> io::Result<(Self, UnixStream)> {
        let others = other_threads()?;
        if !others.is_empty() {
            let message = format!("a worker is started before any thread, and there are {}", others.join(", "));
            return Err(io::Error::other(message));
        }
        let (ours, theirs) = UnixStream::pair()?;
        let supervisor = nix::unistd::getpid();
        // SAFETY: this is the only thread, so no lock is held that the copy could wait for, and no memory is half written.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok((Self { pid: child, ended: None }, ours)),
            ForkResult::Child => {
                drop(ours);
                let done =
                    catch_unwind(AssertUnwindSafe(|| settle(supervisor, &theirs).map(|()| work(theirs)).is_ok()));
                std::process::exit(if matches!(done, Ok(true)) { 0 } else { 70 })
            }
        }
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.send(Signal::SIGTERM);
    }

    /// Kills it.
    pub fn kill(&self) {
        self.send(Signal::SIGKILL);
    }

    fn send(&self, signal: Signal) {
        if self.ended.is_none() {
            // INVARIANT: it was not waited for, so the number is still its own. Its group includes whatever it started.
            let _ = kill(Pid::from_raw(-self.pid.as_raw()), signal).or_else(|_| kill(self.pid, signal));
        }
    }

    /// Returns the memory that it holds now, in bytes; `None` if it is unknown.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the files of `/proc` are the kernel's own words, under fixed names")]
    pub fn resident(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.pid)).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages.saturating_mul(u64::try_from(rustix::param::page_size()).ok()?))
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// If the system cannot wait for it.
    pub fn wait(&mut self) -> io::Result<WorkerEnding> {
        loop {
            if let Some(ending) = self.ended {
                return Ok(ending);
            }
            match waitpid(self.pid, None) {
                Ok(WaitStatus::Exited(_, status)) => self.ended = Some(WorkerEnding::Exited(status)),
                Ok(WaitStatus::Signaled(_, signal, _)) => self.ended = Some(WorkerEnding::Killed(signal.as_str())),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits at most `most` until it ends, and returns whether it has. A file system that does not answer can keep a
    /// process alive despite any signal.
    ///
    /// # Errors
    /// If the system cannot wait for it.
    pub fn wait_for(&mut self, most: Duration) -> io::Result<bool> {
        if self.ended.is_some() {
            return Ok(true);
        }
        let process = rustix::process::Pid::from_raw(self.pid.as_raw()).ok_or(Errno::ESRCH)?;
        let handle = rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty())?;
        let start = Instant::now();
        loop {
            let left = most.saturating_sub(start.elapsed());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(handle.as_fd(), PollFlags::POLLIN)], timeout) {
                Err(Errno::EINTR) => {}
                Ok(0) => return Ok(false),
                Ok(_) => return self.wait().map(|_| true),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
        // A worker that is left behind ends when it can, and the system takes it over.
        let _ = self.wait_for(PATIENCE);
    }
}

/// Maximum time that a killed worker may take to end.
const PATIENCE: Duration = Duration::from_millis(200);

/// Prepares the worker: it ends with its supervisor, and holds nothing that it was not given.
fn settle(supervisor: Pid, stream: &UnixStream) -> io::Result<()> {
    set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    if getppid() != supervisor {
        return Err(io::Error::other("the supervisor has ended"));
    }
    // A file that would become too large is an error of the call, and does not end the process.
    // SAFETY: no handler is set.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
    // Keys that end the supervisor's group are only for the supervisor, which passes the signal on.
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    let nothing = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    dup2_stderr(&nothing)?;
    drop(nothing);
    for descriptor in descriptors_or_threads("/proc/self/fd")? {
        if descriptor > 2 && descriptor != stream.as_raw_fd() {
            // The descriptor that the list was read from is closed already.
            let _ = close(descriptor);
        }
    }
    Ok(())
}

/// Ends this process with a status, without running anything first: for a process that has no memory left.
pub fn end_at_once(status: i32) {
    // SAFETY: it takes a number, and does not return.
    unsafe { libc::_exit(status) }
}

/// Returns the other threads of this process, each with its name and number.
#[expect(clippy::disallowed_methods, reason = "the files of `/proc` are the kernel's own words, under fixed names")]
pub(super) fn other_threads() -> io::Result<Vec<String>> {
    let own = nix::unistd::gettid().as_raw();
    let others = descriptors_or_threads("/proc/self/task")?.into_iter().filter(|thread| *thread != own);
    let named = others.map(|thread| {
        let name = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm")).unwrap_or_default();
        format!("`{}` ({thread})", name.trim_end().escape_debug())
    });
    Ok(named.collect())
}

#[expect(clippy::disallowed_methods, reason = "the files of `/proc` are the kernel's own words, under fixed names")]
pub(super) fn descriptors_or_threads(list: &str) -> io::Result<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(list)? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(numbers)
}
