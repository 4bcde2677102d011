//! What is known of processes.

use std::collections::BTreeMap;

use rex_core::Timestamp;
use rex_core::process::Process;
use serde::{Deserialize, Serialize};

/// The processes that whoever lists them may see.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessList {
    /// The processes, in the order of their numbers.
    pub processes: Vec<ProcessStatus>,
    /// Whether there may be others, which the machine hides from Rex.
    pub hidden: bool,
}

/// A process, as whoever lists processes sees it; see `proc_pid_stat(5)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// The process with its identity.
    pub process: Process,
    /// The number of the user whose rights it has.
    pub uid: u32,
    /// The number of the process that made it, or took it over; 0 if there is none.
    pub parent: u32,
    /// `running`, `sleeping`, `disk-sleep`, `stopped`, `traced`, `zombie`, `dead`, `idle`, or another letter of the kernel's.
    pub state: String,
    /// Memory that it holds, in bytes, what it shares with others included.
    pub memory: u64,
    /// What it may address, in bytes.
    pub virtual_memory: u64,
    /// Processor time of all its threads, in seconds.
    pub cpu: f64,
    /// How much of one processor it used in the interval, in percent; `None` without an interval.
    pub cpu_percent: Option<f64>,
    /// When it was started.
    pub started: Timestamp,
    /// How many threads it has.
    pub threads: u64,
    /// Its nice value.
    pub nice: i64,
}

/// What a process was started with and works with. What Rex may not look at is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessDetails {
    /// The command line, the program's name first, as the process shows it; empty for a thread of the kernel.
    pub arguments: Vec<String>,
    /// Where it works.
    pub directory: Option<String>,
    /// What it takes for the root directory.
    pub root: Option<String>,
    /// Its control group, below the root of the hierarchy.
    pub cgroup: Option<String>,
    /// Its namespaces: kind, and the number that processes in the same one share.
    pub namespaces: BTreeMap<String, u64>,
    /// What it may use at most.
    pub limits: Vec<ProcessLimit>,
    /// What it has read from and written to disks, in bytes.
    pub io: Option<(u64, u64)>,
}

/// A limit of a process; see `getrlimit(2)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimit {
    /// Its name, `Max open files`.
    pub name: String,
    /// The limit that holds; `None` if there is none.
    pub soft: Option<u64>,
    /// The most that the process may set it to; `None` if there is none.
    pub hard: Option<u64>,
}

/// Something that a process has open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFile {
    /// The number of its descriptor; `None` for what it uses without one: its program, its directories, what it has mapped.
    pub descriptor: Option<u32>,
    /// The path, or what the kernel calls it: `socket:[4711]`, `/tmp/f (deleted)`.
    pub name: String,
    /// Its size in bytes, if it is a file and could be looked at.
    pub size: Option<u64>,
    /// Whether it is a file that has no name any more.
    pub deleted: bool,
}

/// What the kernel adds to the name of a file that has none any more.
pub(crate) const DELETED: &str = " (deleted)";

impl OpenFile {
    /// The name that it has, or had before it was deleted.
    #[must_use]
    pub fn path(&self) -> &str {
        self.name.strip_suffix(DELETED).filter(|_| self.deleted).unwrap_or(&self.name)
    }
}

/// How a program is started, besides what its grant says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// What it reads.
    pub stdin: Option<String>,
    /// How much of its output, and how much of its complaints, is kept, in bytes. The rest is counted.
    pub output_bytes: u64,
    /// How long it may take, in milliseconds. After that it is ended, with all its group.
    pub timeout_ms: u64,
    /// How much it may write to files, in bytes. Past that it is ended, with all its group.
    pub written_bytes: u64,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Finished {
    /// Its exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it, `SIGKILL`.
    pub signal: Option<String>,
    /// Whether it was ended because it took too long.
    pub timed_out: bool,
    /// What it wrote, with U+FFFD for what is not UTF-8.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
    /// How many bytes of what it wrote were not kept.
    pub stdout_discarded: u64,
    /// How many bytes of what it complained were not kept.
    pub stderr_discarded: u64,
    /// How many bytes it wrote to files.
    pub written_bytes: u64,
    /// Where it failed, what it was let to open: a program that may not see a file need not say so. `None` where it succeeded.
    pub help: Option<String>,
}
