//! The state of the machine.

use serde::{Deserialize, Serialize};

macro_rules! files {
    ($($(#[doc = $doc:literal])* $name:ident = $path:literal,)*) => {
        /// A file in which the kernel or the distribution describes the machine.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum SystemFile { $($(#[doc = $doc])* $name,)* }

        impl SystemFile {
            /// Returns its path.
            #[must_use]
            pub fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }
        }
    };
}

files! {
    /// Memory; `proc_meminfo(5)`.
    Memory = "/proc/meminfo",
    /// Load averages; `proc_loadavg(5)`.
    Load = "/proc/loadavg",
    /// Seconds since the start; `proc_uptime(5)`.
    Uptime = "/proc/uptime",
    /// Processors and counts; `proc_stat(5)`.
    Stat = "/proc/stat",
    /// Counts of virtual memory; `proc_vmstat(5)`.
    Vmstat = "/proc/vmstat",
    /// Swap areas; `proc_swaps(5)`.
    Swaps = "/proc/swaps",
    /// Time lost waiting for processors; `proc_pressure(5)`.
    PressureCpu = "/proc/pressure/cpu",
    /// Time lost waiting for memory.
    PressureMemory = "/proc/pressure/memory",
    /// Time lost waiting for disks.
    PressureIo = "/proc/pressure/io",
    /// Disks; `proc_diskstats(5)`.
    Disks = "/proc/diskstats",
    /// Modules of the kernel; `proc_modules(5)`.
    Modules = "/proc/modules",
    /// Caches of the kernel; `slabinfo(5)`.
    Slab = "/proc/slabinfo",
    /// Entropy, in bits.
    Entropy = "/proc/sys/kernel/random/entropy_avail",
    /// The name of the machine.
    Hostname = "/proc/sys/kernel/hostname",
    /// The name of the kernel.
    KernelName = "/proc/sys/kernel/ostype",
    /// The release of the kernel.
    KernelRelease = "/proc/sys/kernel/osrelease",
    /// The version of the kernel.
    KernelVersion = "/proc/sys/kernel/version",
    /// The kind of machine.
    Machine = "/proc/sys/kernel/arch",
    /// The distribution; `os-release(5)`.
    OsRelease = "/etc/os-release",
    /// The time zone, as stored by Debian.
    TimeZone = "/etc/timezone",
    /// Shared memory; `proc_sysvipc_shm(5)`.
    SharedMemory = "/proc/sysvipc/shm",
    /// Semaphores; `proc_sysvipc_sem(5)`.
    Semaphores = "/proc/sysvipc/sem",
    /// The control groups of this process; `cgroups(7)`.
    OwnGroup = "/proc/self/cgroup",
}

/// One mounted file system. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The mount point.
    pub target: String,
    /// The device or word that is mounted.
    pub source: String,
    /// `ext4`, `tmpfs`, ...
    pub kind: String,
    /// Size of the file system.
    pub total: u64,
    /// Free space, including the part reserved for the superuser.
    pub free: u64,
    /// Free space for ordinary users.
    pub available: u64,
    /// Maximum number of files; 0 if the file system has no such maximum.
    pub inodes: u64,
    /// Number of files that can still be created.
    pub inodes_free: u64,
}
