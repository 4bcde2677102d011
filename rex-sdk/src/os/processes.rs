//! The state of processes.

use std::collections::BTreeMap;

use rex_core::Timestamp;
use rex_core::process::Process;
use serde::{Deserialize, Serialize};

/// The processes that the listing process may see.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessList {
    /// The processes, in the order of their numbers.
    pub processes: Vec<ProcessStatus>,
    /// `true` if the machine may hide other processes from Rex.
    pub hidden: bool,
}

/// A process in a list; see `proc_pid_stat(5)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// The process with its identity.
    pub process: Process,
    /// The number of the user whose rights it has.
    pub uid: u32,
    /// The number of its parent process; 0 if it has none.
    pub parent: u32,
    /// `running`, `sleeping`, `disk-sleep`, `stopped`, `traced`, `zombie`, `dead`, `idle`, or another letter of the kernel's.
    pub state: String,
    /// Memory that it holds, in bytes, including what it shares.
    pub memory: u64,
    /// Its address space, in bytes.
    pub virtual_memory: u64,
    /// Processor time of all its threads, in seconds.
    pub cpu: f64,
    /// Its use of one processor in the interval, in percent; `None` without an interval.
    pub cpu_percent: Option<f64>,
    /// The time of its start.
    pub started: Timestamp,
    /// The number of its threads.
    pub threads: u64,
    /// Its nice value.
    pub nice: i64,
}

/// The start of a process and what it uses. A value that Rex may not read is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessDetails {
    /// The command line, starting with the program's name, as the process shows it; empty for a kernel thread.
    pub arguments: Vec<String>,
    /// Its working directory.
    pub directory: Option<String>,
    /// Its root directory.
    pub root: Option<String>,
    /// Its control group, below the root of the hierarchy.
    pub cgroup: Option<String>,
    /// Its namespaces: the kind, and the number that identifies the namespace.
    pub namespaces: BTreeMap<String, u64>,
    /// Its resource limits.
    pub limits: Vec<ProcessLimit>,
    /// Bytes read from and written to disks.
    pub io: Option<(u64, u64)>,
}

/// A limit of a process; see `getrlimit(2)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimit {
    /// Its name, such as `Max open files`.
    pub name: String,
    /// The limit in effect; `None` if unlimited.
    pub soft: Option<u64>,
    /// The maximum that the process may set it to; `None` if unlimited.
    pub hard: Option<u64>,
}

/// A file, socket or similar that a process has open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFile {
    /// The number of its descriptor; `None` for what it uses without one: its program, directories and mapped files.
    pub descriptor: Option<u32>,
    /// The path, or the kernel's name for it: `socket:[4711]`, `/tmp/f (deleted)`.
    pub name: String,
    /// Its size in bytes, if it is a file that could be examined.
    pub size: Option<u64>,
    /// `true` if it is a file that has no name any more.
    pub deleted: bool,
}

/// The suffix that the kernel adds to the name of a deleted file.
pub(crate) const DELETED: &str = " (deleted)";

impl OpenFile {
    /// Returns its name, or its last one if it was deleted.
    #[must_use]
    pub fn path(&self) -> &str {
        self.name.strip_suffix(DELETED).filter(|_| self.deleted).unwrap_or(&self.name)
    }
}

/// The parameters of a program's start that are not in its grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartOptions {
    /// The text on its standard input.
    pub stdin: Option<String>,
    /// Maximum of standard output, and of standard error, to keep, in bytes. The rest is only counted.
    pub output_bytes: u64,
    /// The timeout, in milliseconds. After that, its whole process group is killed.
    pub timeout_ms: u64,
    /// Maximum that it may write to files, in bytes. Beyond that, its whole process group is killed.
    pub written_bytes: u64,
}

/// The result of a program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FinishedProgram {
    /// Its exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it, `SIGKILL`.
    pub signal: Option<String>,
    /// `true` if it was killed because it took too long.
    pub timed_out: bool,
    /// Captured standard output, with U+FFFD for what is not UTF-8.
    pub stdout: String,
    /// Captured standard error.
    pub stderr: String,
    /// Number of bytes of standard output that were not kept.
    pub stdout_discarded: u64,
    /// Number of bytes of standard error that were not kept.
    pub stderr_discarded: u64,
    /// Number of bytes written to files.
    pub written_bytes: u64,
    /// If it failed, the files that it was allowed to open, since its own message may not mention a file that it could
    /// not see. `None` if it succeeded.
    pub help: Option<String>,
}
