//! Processes, read from `/proc`, and acted on by descriptors that refer to one process and never to a later one.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the files of `/proc` are the kernel's own words, under fixed names"
)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::getpid;
use rex_core::action::process;
use rex_core::bounds;
use rex_core::process::Process;
use rex_core::{AbsPath, Budget, Grant, Reach, Timestamp};
use rustix::process::{Pid, PidfdFlags, getpriority_process, pidfd_open, pidfd_send_signal, setpriority_process};

use super::{JournalFiles, accounts, confine, hidden, run};
use crate::os::{
    DELETED, FinishedProgram, OpenFile, OsError, ProcessDetails, ProcessList, ProcessStatus, Processes, StartOptions,
};
use crate::pid::{self, MachineClock, ProcessContext, ProcessStat};

/// Interval between checks whether the run may continue, while it waits.
const POLL: Duration = Duration::from_millis(50);
/// Maximum size of a file of `/proc/PID` that is read, in bytes. No command line or environment is longer by default.
const FILE_BYTES: u64 = rex_core::bounds::PROCESS_TEXT_BYTES as u64;

/// The processes of this host.
#[derive(Default)]
pub(super) struct LocalProcesses {
    /// The reach that programs are confined to.
    pub(super) reach: Option<Reach>,
    /// The journal of the run, which no program may change.
    pub(super) journal: Option<JournalFiles>,
}

impl Processes for LocalProcesses {
    fn processes(
        &self,
        _: Grant<process::List>,
        only: Option<u32>,
        interval_ms: Option<u64>,
        budget: &Budget,
    ) -> Result<ProcessList, OsError> {
        let before = list(only, budget)?;
        let Some(interval) = interval_ms.map(Duration::from_millis) else { return Ok(before) };
        let start = Instant::now();
        while start.elapsed() < interval {
            budget.check()?;
            std::thread::sleep(interval.saturating_sub(start.elapsed()).min(POLL));
        }
        let elapsed = start.elapsed().as_secs_f64();
        let used: HashMap<_, _> = before
            .processes
            .iter()
            .map(|status| ((status.process.pid(), status.process.identity().started), status.cpu))
            .collect();
        let mut after = list(only, budget)?;
        for status in &mut after.processes {
            // A process that is new has used all of its time since then.
            let before = used.get(&(status.process.pid(), status.process.identity().started)).unwrap_or(&0.0);
            status.cpu_percent = Some((status.cpu - before).max(0.0) * 100.0 / elapsed.max(0.001));
        }
        Ok(after)
    }
    fn details(&self, grant: Grant<process::Inspect>, _: &Budget) -> Result<ProcessDetails, OsError> {
        details(&grant)
    }
    fn open_files(
        &self,
        grant: Grant<process::Inspect>,
        max: u64,
        all: bool,
        _: &Budget,
    ) -> Result<Vec<OpenFile>, OsError> {
        open_files(&grant, max, all)
    }
    fn environ(&self, grant: Grant<process::Environ>, _: &Budget) -> Result<Vec<String>, OsError> {
        Ok(pid::parts(&ProcessDirectory::same(grant.resource())?.read("environ")?))
    }
    fn signal(&self, grant: Grant<process::Signal>, _: &Budget) -> Result<(), OsError> {
        signal(&grant)
    }
    fn set_priority(&self, grant: Grant<process::SetPriority>, _: &Budget) -> Result<i64, OsError> {
        set_priority(&grant)
    }
    fn wait(&self, grant: Grant<process::Inspect>, timeout_ms: u64, budget: &Budget) -> Result<bool, OsError> {
        wait(&grant, Duration::from_millis(timeout_ms), budget)
    }
    fn run(
        &self,
        grant: Grant<process::Run>,
        start: StartOptions,
        budget: &Budget,
    ) -> Result<FinishedProgram, OsError> {
        // Only the kernel confines a program, and it does not know about a journal.
        let changes = |journal: &JournalFiles| {
            self.reach.as_ref().is_some_and(|reach| confine::may_change(reach, journal.path()))
        };
        if self.journal.as_ref().is_some_and(changes) {
            return Err(OsError::Refused(
                "it could change the journal of this run, since the policy lets files in that directory be changed: keep the journal in a directory of its own, as with `--journal /var/log/rex/journal.jsonl`",
            ));
        }
        run::run(&grant, &start, self.reach.as_ref(), budget)
    }
}

/// Returns the running processes: all, or only one.
fn list(only: Option<u32>, budget: &Budget) -> Result<ProcessList, OsError> {
    let around = ProcessLookup::new()?;
    let max = budget.limits().entries;
    let mut pids = match only {
        Some(pid) => vec![pid],
        None => {
            numbers(Dir::open("/proc", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(io::Error::from)?)?
        }
    };
    if pids.len() as u64 > max {
        return Err(OsError::TooMany(max));
    }
    pids.sort_unstable();
    let mut processes = Vec::with_capacity(pids.len());
    let mut hidden = hidden::others(only);
    for pid in pids {
        budget.check()?;
        match ProcessDirectory::open(pid).and_then(|entry| entry.status(&around)) {
            Ok(status) => processes.push(status),
            // A process that ended meanwhile is left out.
            Err(OsError::Io(error)) if error.kind() == ErrorKind::NotFound => {}
            // The process exists, but Rex may not look at it.
            Err(_) => hidden = true,
        }
    }
    Ok(ProcessList { processes, hidden })
}

/// Returns how a process was started, and what it uses.
fn details(grant: &Grant<process::Inspect>) -> Result<ProcessDetails, OsError> {
    let entry = ProcessDirectory::same(grant.resource())?;
    let text = |name: &str| entry.text(name).unwrap_or_default();
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
    let links = kinds.iter().filter_map(|kind| Some(((*kind).to_owned(), entry.link(&format!("ns/{kind}")).ok()?)));
    Ok(ProcessDetails {
        arguments: pid::parts(&entry.read("cmdline")?),
        directory: entry.link("cwd").ok(),
        root: entry.link("root").ok(),
        cgroup: pid::control_group(&text("cgroup")),
        namespaces: pid::namespaces(links),
        limits: pid::limits(&text("limits")),
        io: pid::io(&text("io")),
    })
}

/// Returns the open files of a process.
fn open_files(grant: &Grant<process::Inspect>, max: u64, all: bool) -> Result<Vec<OpenFile>, OsError> {
    let entry = ProcessDirectory::same(grant.resource())?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let list = openat(&entry.directory, "fd", flags, Mode::empty()).map_err(gone)?;
    let mut descriptors = numbers(Dir::from_fd(list).map_err(gone)?)?;
    if descriptors.len() as u64 > max {
        return Err(OsError::TooMany(max));
    }
    descriptors.sort_unstable();
    // A descriptor that was closed meanwhile is left out.
    let open = |descriptor: u32| entry.used(Some(descriptor), &format!("fd/{descriptor}"));
    let mut used: Vec<_> = descriptors.into_iter().filter_map(open).collect();
    if all {
        used.extend(["exe", "cwd", "root"].into_iter().filter_map(|name| entry.used(None, name)));
        let mapped = pid::mapped(&entry.text("maps")?).into_iter();
        used.extend(mapped.map(|name| OpenFile {
            descriptor: None,
            deleted: name.ends_with(DELETED),
            size: None,
            name,
        }));
        if used.len() as u64 > max {
            return Err(OsError::TooMany(max));
        }
    }
    Ok(used)
}

/// Sends a signal.
fn signal(grant: &Grant<process::Signal>) -> Result<(), OsError> {
    let name = &grant.action().signal;
    let number: Signal = format!("SIG{name}").parse().map_err(|_| OsError::Refused("there is no such signal"))?;
    let number = rustix::process::Signal::from_named_raw(number as i32);
    let (_, handle) = held(grant.resource())?;
    let number = number.ok_or(OsError::Refused("there is no such signal"))?;
    pidfd_send_signal(&handle, number).map_err(|error| gone(Errno::from_raw(error.raw_os_error())))
}

/// Sets the nice value and returns the old one.
fn set_priority(grant: &Grant<process::SetPriority>) -> Result<i64, OsError> {
    let nice = i32::try_from(grant.action().nice).map_err(|_| OsError::Refused("a nice value is from -20 to 19"))?;
    let (pid, handle) = held(grant.resource())?;
    let failed = |error: rustix::io::Errno| gone(Errno::from_raw(error.raw_os_error()));
    let before = getpriority_process(Some(pid)).map_err(failed)?;
    setpriority_process(Some(pid), nice).map_err(failed)?;
    // The call takes a number, which was still that of this process if the process has not ended.
    if ended(&handle, Duration::ZERO)? {
        return Err(OsError::Changed);
    }
    Ok(before.into())
}

/// Waits until a process has ended, and returns whether it has.
fn wait(grant: &Grant<process::Inspect>, timeout: Duration, budget: &Budget) -> Result<bool, OsError> {
    let start = Instant::now();
    let (_, handle) = match hold(grant.resource()) {
        Ok(held) => held,
        // A process that ended before counts, too.
        Err(OsError::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    loop {
        budget.check()?;
        let left = timeout.saturating_sub(start.elapsed());
        if ended(&handle, left.min(POLL))? {
            return Ok(true);
        }
        if left.is_zero() {
            return Ok(false);
        }
    }
}

/// Returns a handle of the process that was decided on; refuses Rex's own processes.
fn held(process: &Process) -> Result<(Pid, OwnedFd), OsError> {
    let own = u32::try_from(getpid().as_raw()).unwrap_or(0);
    let ours = process.pid() == own || ProcessDirectory::open(process.pid())?.stat()?.parent == own;
    if ours {
        return Err(OsError::Refused("it is a process of Rex itself"));
    }
    hold(process)
}

fn hold(process: &Process) -> Result<(Pid, OwnedFd), OsError> {
    let number = i32::try_from(process.pid()).ok().and_then(Pid::from_raw).ok_or_else(missing)?;
    let handle =
        pidfd_open(number, PidfdFlags::empty()).map_err(|error| gone(Errno::from_raw(error.raw_os_error())))?;
    // INVARIANT: checked after the handle exists: until the process of the handle ends, the number is its own.
    ProcessDirectory::same(process)?;
    Ok((number, handle))
}

fn ended(handle: &OwnedFd, timeout: Duration) -> Result<bool, OsError> {
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(handle.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Values shared by all processes that are looked at together.
struct ProcessLookup {
    machine: MachineClock,
    /// The names of users that were looked up.
    users: RefCell<HashMap<u32, Option<String>>>,
}

impl ProcessLookup {
    fn new() -> Result<Self, OsError> {
        let uptime = std::fs::read_to_string("/proc/uptime")?;
        let up: f64 = uptime.split(' ').next().and_then(|text| text.parse().ok()).ok_or_else(unclear)?;
        let up = i64::try_from(Duration::from_secs_f64(up.max(0.0)).as_micros()).unwrap_or(0);
        let machine = MachineClock {
            ticks: rustix::param::clock_ticks_per_second(),
            page: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
            boot: Timestamp::from_micros(Timestamp::now().as_micros() - up),
        };
        Ok(Self { machine, users: RefCell::default() })
    }

    fn user(&self, uid: u32) -> Option<String> {
        self.users.borrow_mut().entry(uid).or_insert_with(|| accounts::name_of(uid)).clone()
    }
}

/// The directory of one process in `/proc`: reads through it never return data of a later process with its number.
struct ProcessDirectory {
    pid: u32,
    directory: OwnedFd,
}

impl ProcessDirectory {
    fn open(pid: u32) -> Result<Self, OsError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(&*format!("/proc/{pid}"), flags, Mode::empty()).map_err(gone)?;
        Ok(Self { pid, directory })
    }

    /// Opens the process that was decided on, if its number is still its own.
    fn same(process: &Process) -> Result<Self, OsError> {
        let entry = Self::open(process.pid())?;
        let status = entry.status(&ProcessLookup::new()?)?;
        if status.process.identity() == process.identity() { Ok(entry) } else { Err(OsError::Changed) }
    }

    fn status(&self, around: &ProcessLookup) -> Result<ProcessStatus, OsError> {
        let (uid, group) = pid::user_and_group(&self.text("status")?).ok_or_else(unclear)?;
        if group != self.pid {
            // A thread has a directory, too, but no listing shows it.
            return Err(missing());
        }
        let known = ProcessContext { uid, user: around.user(uid), exe: self.exe()?, unit: self.unit()? };
        Ok(around.machine.process(self.pid, self.stat()?, known))
    }

    /// Returns the path of its program; empty for a kernel thread, `None` if Rex may not read it or a policy could not
    /// name it.
    fn exe(&self) -> Result<Option<String>, OsError> {
        match readlinkat(&self.directory, "exe") {
            // The kernel adds this to the path of a program whose file was replaced or removed.
            Ok(path) => Ok(path.to_str().map(|path| path.strip_suffix(DELETED).unwrap_or(path).to_owned())),
            Err(Errno::ENOENT) => Ok(Some(String::new())),
            Err(Errno::ESRCH) => Err(missing()),
            Err(_) => Ok(None),
        }
    }

    /// Returns its unit; empty if it has none, `None` if it is unknown.
    fn unit(&self) -> Result<Option<String>, OsError> {
        match self.read("cgroup") {
            Ok(text) => Ok(std::str::from_utf8(&text).ok().and_then(pid::unit)),
            // Without control groups there are no units.
            Err(OsError::Io(error))
                if error.kind() == ErrorKind::NotFound && !Path::new("/proc/self/cgroup").exists() =>
            {
                Ok(Some(String::new()))
            }
            Err(OsError::Io(error)) if error.kind() == ErrorKind::NotFound => Err(missing()),
            Err(_) => Ok(None),
        }
    }

    /// Returns the file that one of its links leads to; `None` if the link is gone.
    fn used(&self, descriptor: Option<u32>, link: &str) -> Option<OpenFile> {
        // In Rex's one spelling of a path, so that a file with another name is not taken for it.
        let bytes = readlinkat(&self.directory, link).ok()?.into_vec();
        let name = AbsPath::of_bytes(&bytes)
            .map_or_else(|_| String::from_utf8_lossy(&bytes).into_owned(), |path| path.to_string());
        let file = fstatat(&self.directory, link, AtFlags::empty()).ok();
        let file = file.filter(|file| SFlag::from_bits_truncate(file.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG);
        Some(OpenFile {
            descriptor,
            // Things that never had a name, such as memory, only carry the kernel's mark.
            deleted: file.as_ref().is_some_and(|file| file.st_nlink == 0) || name.ends_with(DELETED),
            size: file.and_then(|file| u64::try_from(file.st_size).ok()),
            name,
        })
    }

    fn stat(&self) -> Result<ProcessStat, OsError> {
        ProcessStat::parse(&self.text("stat")?).ok_or_else(unclear)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, OsError> {
        let file = openat(&self.directory, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(gone)?;
        let mut bytes = Vec::with_capacity(2048);
        match File::from(file).take(FILE_BYTES + 1).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > FILE_BYTES => {
                let instead = "look at another process, or ask it itself";
                Err(OsError::Stopped(bounds::exceeded(
                    "process_text_bytes",
                    "bytes of what the kernel tells of a process",
                    instead,
                )))
            }
            Ok(_) => Ok(bytes),
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }

    fn text(&self, name: &str) -> Result<String, OsError> {
        self.read(name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn link(&self, name: &str) -> Result<String, OsError> {
        readlinkat(&self.directory, name).map(|link| link.to_string_lossy().into_owned()).map_err(gone)
    }
}

/// Returns the entries of a directory that are numbers.
fn numbers(mut directory: Dir) -> Result<Vec<u32>, OsError> {
    let mut numbers = Vec::new();
    for entry in directory.iter() {
        numbers.extend(entry.map_err(gone)?.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(numbers)
}

fn missing() -> OsError {
    io::Error::from(ErrorKind::NotFound).into()
}

fn unclear() -> OsError {
    io::Error::new(ErrorKind::InvalidData, "its entry in `/proc` is not as expected").into()
}

/// Converts an error; a process that has ended does not exist.
fn gone(error: Errno) -> OsError {
    if error == Errno::ESRCH { missing() } else { io::Error::from(error).into() }
}
