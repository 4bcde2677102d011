//! How much a program writes to files, as the kernel counts it for each process.
//!
//! Counted are the bytes that the program hands to `write` and its like, less those that came out of the pipes that Rex reads. So what it
//! writes to memory that is a file is not counted, and what its processes write to pipes between them is.

#![expect(clippy::disallowed_methods, reason = "the files of `/proc` are the kernel's own words, under fixed names")]

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use rex_core::Error;
use rex_core::limits::exhausted;

use super::confine::{Running, User};
use crate::os::OsError;
use crate::pid::{self, Stat};

/// How often it is looked how much there is, if much more may be written.
const SELDOM: Duration = Duration::from_millis(50);
/// The same, if little may be.
const OFTEN: Duration = Duration::from_millis(1);
/// So many bytes a millisecond are written by nobody who writes to a disk.
const FAST: u64 = 2_000_000;
/// Of the time, no more than one part in so many goes into looking.
const SHARE: u32 = 20;

/// What a program may write, and has written.
pub(super) struct Written {
    leader: u32,
    counts: File,
    /// Whose rights it has, if not those of this process.
    user: Option<User>,
    processes: bool,
    most: u64,
    bytes: u64,
    next: Instant,
}

impl Written {
    /// Of a program that has just started. If it may make `processes`, those of its group count too.
    pub(super) fn new(running: &mut Running, user: Option<User>, processes: bool, most: u64) -> io::Result<Self> {
        let (leader, counts) = (running.child().id(), running.counts()?);
        Ok(Self { leader, counts, user, processes, most, bytes: 0, next: Instant::now() })
    }

    /// The bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether these are more than it may write.
    pub(super) fn is_too_much(&self) -> bool {
        self.bytes > self.most
    }

    /// How long until it is to be looked again.
    pub(super) fn rest(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// All that it has written so far, wherever to. To be asked before its pipes are emptied, and then [noted](Self::note).
    pub(super) fn look(&mut self) -> Result<u64, OsError> {
        let start = Instant::now();
        // What may have been written is taken for all that was left.
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

    /// Notes what there was at a look, and what has come out of its pipes by now.
    pub(super) fn note(&mut self, handed: u64, piped: u64) {
        // What a process that nobody waited for had written is not forgotten.
        self.bytes = self.bytes.max(handed.saturating_sub(piped));
    }

    /// The bytes that it, or all of its group, have handed to the kernel to be written. Those of a process that was waited for are its
    /// parent's by then.
    fn handed(&self) -> io::Result<u64> {
        let mut all = Vec::new();
        if self.processes {
            for entry in std::fs::read_dir("/proc")? {
                let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                let others = stat(pid).filter(|stat| stat.group == self.leader && pid != self.leader);
                all.extend(others.map(|stat| (stat.started, pid)));
            }
            // A parent before its children, so that none counts twice.
            all.sort_unstable();
        }
        let mut sum = self.count(&self.counts)?;
        for (_, pid) in all {
            match File::open(format!("/proc/{pid}/io")).and_then(|file| self.count(&file)) {
                Ok(bytes) => sum = sum.saturating_add(bytes),
                // What it had written is its parent's once that has waited for it.
                Err(_) if stat(pid).is_none_or(|stat| stat.has_ended()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sum)
    }

    /// What the kernel says of a process, to whoever has its rights.
    fn count(&self, mut file: &File) -> io::Result<u64> {
        file.rewind()?;
        let mut text = String::new();
        let count = |text: &str| pid::handed(text).ok_or_else(|| io::Error::from(ErrorKind::InvalidData));
        let Some(user) = &self.user else { return file.read_to_string(&mut text).and_then(|_| count(&text)) };
        // Of this thread alone, and for as long as this takes.
        let own = (setfsgid(Gid::from_raw(user.gid)), setfsuid(Uid::from_raw(user.uid)));
        let read = file.read_to_string(&mut text);
        setfsuid(own.1);
        setfsgid(own.0);
        read.and_then(|_| count(&text))
    }
}

/// What the kernel says of a process, if it is there.
fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    Stat::parse(&String::from_utf8_lossy(&text))
}
