//! Programs that scripts start: confined before their first instruction, and killed with the process that started them.
#![expect(
    unsafe_code,
    reason = "what happens between `fork` and `exec` is up to the caller of `pre_exec` to get right"
)]

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::fcntl::AtFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, kill, killpg};
use nix::unistd::{Gid, Pid, Uid, close, execveat, getpid, getppid, setgid, setgroups, setuid};
use rex_core::Reach;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use rustix::process::{PidfdFlags, pidfd_open, set_parent_process_death_signal};
use rustix::thread::CapabilitySet;

use super::super::worker::descriptors_or_threads;
use super::process::WorkerBounds;
use super::version::LandlockVersion;
use super::{PartState, calls, files, process, verify};

/// A program to start, with nothing of this process but what the fields say: no environment, no descriptors but the
/// standard streams, no capability, no network.
///
/// It can open and change the files of the reach, as far as its user may, and read itself and the libraries of the
/// system; it can execute nothing else. It cannot make a socket, or leave its process group or session. On kernels that
/// limit signals (Linux 6.12), it can signal only its own processes; on others, none. Before Linux 6.2, it can truncate
/// only files that it has open for writing, and cannot write files that the reach only lets it append to. Of `ioctl`,
/// it can make only requests that query something or are about its own descriptors; of `prctl`, it can set only options
/// that restore no right. It cannot use queues, semaphores or memory of others (System V, POSIX queues).
#[derive(Debug)]
pub struct ProgramStart<'a> {
    /// The program itself, opened: the file that was examined is the one that starts.
    pub file: &'a OwnedFd,
    /// Its arguments, in order; the first is its name.
    pub arguments: &'a [&'a OsStr],
    /// Its whole environment.
    pub environment: &'a [(&'a OsStr, &'a OsStr)],
    /// The directory that it starts in.
    pub directory: &'a Path,
    /// Its standard input.
    pub stdin: Stdio,
    /// Its standard output.
    pub stdout: Stdio,
    /// Its standard error.
    pub stderr: Stdio,
    /// The user that it runs as; `None` for that of this process.
    pub user: Option<&'a ProgramUser>,
    /// `true` if it may make processes. They end with its group; but if *this* process is killed, only the program
    /// itself is sure to end.
    pub processes: bool,
}

/// A user, with all of its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramUser {
    /// Its number.
    pub uid: u32,
    /// The number of its own group.
    pub gid: u32,
    /// The numbers of its other groups.
    pub groups: Vec<u32>,
}

impl ProgramUser {
    /// Becomes this user, permanently.
    fn take_over(&self) -> io::Result<()> {
        let groups: Vec<_> = self.groups.iter().copied().map(Gid::from_raw).collect();
        setgroups(&groups)?;
        setgid(Gid::from_raw(self.gid))?;
        Ok(setuid(Uid::from_raw(self.uid))?)
    }
}

impl ProgramStart<'_> {
    /// Starts it. It is killed when the thread that started it ends, however that happens.
    ///
    /// # Errors
    /// If this host cannot confine it, or the system does not start it.
    pub fn start(self, reach: &Reach, bounds: &WorkerBounds) -> io::Result<RunningProgram> {
        let broken = |why: String| io::Error::new(io::ErrorKind::Unsupported, why);
        let file = self.file.try_clone()?;
        let inherited = descriptors_or_threads("/proc/self/fd")?;
        // The child must not allocate: another thread may hold the allocator's lock forever.
        let version = LandlockVersion::of_kernel().unwrap_or(LandlockVersion::NEWEST);
        let mut rulebook = Some(files::Rulebook::of_program(reach, self.file, version).map_err(broken)?);
        let filter = calls::of_program(self.processes, version);
        let resources = process::resources(bounds);
        let (mut reader, mut writer) = io::pipe()?;
        let (keep, why, parent) = (file.as_raw_fd(), writer.as_raw_fd(), getpid());
        if self.arguments.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a program needs a name"));
        }
        let arguments = self.arguments.iter().map(|word| text(&[word])).collect::<io::Result<Vec<_>>>()?;
        let pairs = self.environment.iter().map(|(name, value)| text(&[name, OsStr::new("="), value]));
        let environment = pairs.collect::<io::Result<Vec<_>>>()?;
        let user = self.user.cloned();
        let (counts, sender) = UnixStream::pair()?;
        let directory = text(&[self.directory.as_os_str()])?;
        // The closure below starts the program, by its descriptor and not by a name; this path is never started.
        let mut command = Command::new("/");
        command.stdin(self.stdin).stdout(self.stdout).stderr(self.stderr).process_group(0);
        let confine = move || {
            send_counts(&sender)?;
            // First: a change of the user would undo the steps below.
            user.as_ref().map_or(Ok(()), ProgramUser::take_over)?;
            for signal in Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP)) {
                // SAFETY: no handler is set; the program need not ignore what this process ignores.
                let _ = unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) };
            }
            set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            if getppid() != parent {
                return Err(io::Error::other("whoever started it has ended"));
            }
            let rulebook = rulebook.take().ok_or_else(|| io::Error::other("it is started once"))?;
            let confined = process::give_up_to(CapabilitySet::empty(), &resources)
                .and_then(|given| verify::privileges(&given).and_then(|()| verify::resources(&given)))
                .and_then(|()| rulebook.restrict())
                .and_then(|held| start_in(&directory).map(|()| held))
                .and_then(|held| calls::apply(&filter).map(|()| held))
                .and_then(|held| match (verify::files(&held, verify::TryingProcess::Program), verify::network()) {
                    (PartState::Missing(why), _) | (_, PartState::Missing(why)) => Err(why),
                    _ => Ok(()),
                });
            if let Err(reason) = confined {
                drop(writer.write_all(reason.as_bytes()));
                return Err(io::Error::from_raw_os_error(nix::libc::EOPNOTSUPP));
            }
            for descriptor in &inherited {
                // The standard library's own, which reports errors, is newer than the list, and closes itself.
                if *descriptor > 2 && *descriptor != keep && *descriptor != why {
                    let _ = close(*descriptor);
                }
            }
            let error = execveat(&file, c"", &arguments, &environment, AtFlags::AT_EMPTY_PATH).err();
            Err(error.map_or_else(|| io::Error::other("it was not started"), io::Error::from))
        };
        // SAFETY: the closure makes system calls and, where it fails, a short text; all else was made beforehand. The C
        // library keeps its allocator usable in a child.
        unsafe { command.pre_exec(confine) };
        let started = command.spawn();
        drop(command);
        match started {
            Ok(child) => RunningProgram::new(child, take_counts(&counts)?),
            Err(error) => {
                let mut reason = String::new();
                reader.read_to_string(&mut reason)?;
                Err(if reason.is_empty() { error } else { broken(reason) })
            }
        }
    }
}

/// Sends this process's I/O counters to the process that starts it, which may not open them once this one has ended.
fn send_counts(to: &UnixStream) -> io::Result<()> {
    let file = rustix::fs::open(c"/proc/self/io", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    // INVARIANT: there is room for one.
    control.push(SendAncillaryMessage::ScmRights(&files));
    sendmsg(to, &[IoSlice::new(b"x")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives what [`send_counts`] has sent.
fn take_counts(from: &UnixStream) -> io::Result<File> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    recvmsg(from, &mut [IoSliceMut::new(&mut [0])], &mut control, flags)?;
    let files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    files.flatten().next().map(File::from).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Enters a directory by exactly this name, if this process may still open it.
fn start_in(directory: &CStr) -> Result<(), String> {
    if directory == c"/" {
        return rustix::process::chdir(directory).map_err(|error| error.to_string());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat2(
        CWD,
        directory,
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    );
    opened.and_then(rustix::process::fchdir).map_err(|error| {
        match error {
            Errno::NOENT => "the working directory does not exist",
            Errno::NOTDIR => "the working directory is not a directory",
            Errno::LOOP => "the path of the working directory crosses a link: use the path behind it",
            _ => "it may not open the working directory",
        }
        .to_owned()
    })
}

/// Joins parts to a word for the kernel.
fn text(parts: &[&OsStr]) -> io::Result<CString> {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.as_bytes()).copied().collect();
    CString::new(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "an argument of a program contains a NUL"))
}

/// A running program. When this is dropped, it is killed with its group.
#[derive(Debug)]
pub struct RunningProgram {
    child: Child,
    end: OwnedFd,
    ended: Option<ExitStatus>,
    counts: File,
}

impl RunningProgram {
    fn new(mut child: Child, counts: File) -> io::Result<Self> {
        let pid = rustix::process::Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(end) => Ok(Self { child, end, ended: None, counts }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error.into())
            }
        }
    }

    /// Returns the child process, with those standard streams that are pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Returns the kernel's counters of its I/O; see `proc_pid_io(5)`.
    pub(in crate::host) fn counts(&self) -> io::Result<File> {
        self.counts.try_clone()
    }

    /// Returns a descriptor that becomes readable when it ends.
    #[must_use]
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }

    /// Waits until it ends, and kills the rest of its group; `None` after the timeout.
    ///
    /// # Errors
    /// If the system cannot wait for it.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
            if poll(&mut [PollFd::new(self.handle(), PollFlags::POLLIN)], timeout)? == 0 {
                return Ok(None);
            }
            self.kill();
            self.ended = Some(self.child.wait()?);
        }
        Ok(self.ended)
    }

    /// Kills it, and all of its group.
    pub fn kill(&self) {
        if self.ended.is_none() {
            // INVARIANT: it was not waited for, so the number is still its own.
            let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0));
            if pid.as_raw() > 1 {
                let _ = killpg(pid, Signal::SIGKILL).or_else(|_| kill(pid, Signal::SIGKILL));
            }
        }
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        self.kill();
        // A file system that does not answer can keep it alive despite any signal. It ends when it can.
        let _ = self.wait(PATIENCE);
    }
}

/// Maximum time that a killed program may take to end.
const PATIENCE: Duration = Duration::from_millis(200);
