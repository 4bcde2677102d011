//! The number of bytes that a program writes to files, as the kernel counts them for each process.
//!
//! The count includes the bytes passed to `write` and similar calls, less those read from the pipes to Rex. So it omits
//! writes to memory-mapped files, and includes writes to pipes between the program's processes.

#![expect(clippy::disallowed_methods, reason = "the files of `/proc` are the kernel's own words, under fixed names")]

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use rex_core::Error;
use rex_core::limits::exhausted;

use super::confine::{ProgramUser, RunningProgram};
use crate::os::OsError;
use crate::pid::{self, ProcessStat};

/// Interval between looks at the count, if much more may be written.
const SELDOM: Duration = Duration::from_millis(50);
/// Interval between looks at the count, if little more may be written.
const OFTEN: Duration = Duration::from_millis(1);
/// Number of bytes a millisecond that no writer to a disk exceeds.
const FAST: u64 = 2_000_000;
/// The share of time that looking may take, as a divisor: at most one part in 20.
const SHARE: u32 = 20;

/// The limit of a program's writes, and their count.
pub(super) struct WriteLimit {
    leader: u32,
    counts: File,
    /// The user that it runs as, if not that of this process.
    user: Option<ProgramUser>,
    processes: bool,
    most: u64,
    bytes: u64,
    next: Instant,
}

impl WriteLimit {
    /// Creates the count of a program that has just started. If it may make `processes`, those of its group count, too.
    pub(super) fn new(
        running: &mut RunningProgram,
        user: Option<ProgramUser>,
        processes: bool,
        most: u64,
    ) -> io::Result<Self> {
        let (leader, counts) = (running.child().id(), running.counts()?);
        Ok(Self { leader, counts, user, processes, most, bytes: 0, next: Instant::now() })
    }

    /// Returns the number of bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Checks whether it has written more than it may.
    pub(super) fn is_too_much(&self) -> bool {
        self.bytes > self.most
    }

    /// Returns the time until the next look.
    pub(super) fn rest(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Returns all bytes that it has written so far, including those to pipes. Call it before emptying its pipes; the
    /// result is then [noted](Self::note).
    pub(super) fn look(&mut self) -> Result<u64, OsError> {
        let start = Instant::now();
        // If the count is unknown, all that was left counts as written.
        let unknown = |error| {
            let limit = exhausted("written_bytes", self.most, "bytes written");
            let message =
                format!("the kernel does not say how much the program has written: {error}; {}", limit.message);
            OsError::Stopped(Error { message, ..limit })
        };
        let handed = self.handed().map_err(unknown)?;
        let left = Duration::from_millis(self.most.saturating_sub(self.bytes) / FAST);
        let least = start.elapsed().saturating_mul(SHARE).clamp(OFTEN, SELDOM);
        self.next = Instant::now() + left.clamp(least, SELDOM);
        Ok(handed)
    }

    /// Notes the result of a look, and the number of bytes read from its pipes by then.
    pub(super) fn note(&mut self, handed: u64, piped: u64) {
        // Keeps the bytes of a process that ended without being waited for.
        self.bytes = self.bytes.max(handed.saturating_sub(piped));
    }

    /// Returns the bytes that it, or its whole group, passed to the kernel to be written. Those of a process that was
    /// waited for are included in its parent's.
    fn handed(&self) -> io::Result<u64> {
        let mut all = Vec::new();
        if self.processes {
            for entry in std::fs::read_dir("/proc")? {
                let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                let others = stat(pid).filter(|stat| stat.group == self.leader && pid != self.leader);
                all.extend(others.map(|stat| (stat.started, pid)));
            }
            // Parents before children, so that no process counts twice.
            all.sort_unstable();
        }
        let mut sum = self.count(&self.counts)?;
        for (_, pid) in all {
            match File::open(format!("/proc/{pid}/io")).and_then(|file| self.count(&file)) {
                Ok(bytes) => sum = sum.saturating_add(bytes),
                // Its bytes are included in its parent's once that has waited for it.
                Err(_) if stat(pid).is_none_or(|stat| stat.has_ended()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sum)
    }

    /// Reads the kernel's count for a process, with the rights of its user.
    fn count(&self, mut file: &File) -> io::Result<u64> {
        file.rewind()?;
        let mut text = String::new();
        let count = |text: &str| pid::handed(text).ok_or_else(|| io::Error::from(ErrorKind::InvalidData));
        let Some(user) = &self.user else { return file.read_to_string(&mut text).and_then(|_| count(&text)) };
        // Changes only this thread, and only for this read.
        let own = (setfsgid(Gid::from_raw(user.gid)), setfsuid(Uid::from_raw(user.uid)));
        let read = file.read_to_string(&mut text);
        setfsuid(own.1);
        setfsgid(own.0);
        read.and_then(|_| count(&text))
    }
}

/// Returns the kernel's status of a process, if it exists.
fn stat(pid: u32) -> Option<ProcessStat> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    ProcessStat::parse(&String::from_utf8_lossy(&text))
}
