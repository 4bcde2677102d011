//! Calls that do different things by a number: the `fcntl`, `ioctl` and `prctl` of a program that a script starts.

use libc::c_int;

/// Commands of `fcntl` that affect a file that may be open only for reading, or report on it: leases, hints, changes of
/// a directory.
pub(super) const OF_OTHERS: [c_int; 4] = [libc::F_SETLEASE, libc::F_NOTIFY, F_SET_RW_HINT, F_SET_FILE_RW_HINT];
const F_SET_RW_HINT: c_int = 1036;
const F_SET_FILE_RW_HINT: c_int = 1038;
/// Commands that signal another process when a descriptor is ready.
pub(super) const OWNERS: [c_int; 2] = [libc::F_SETOWN, F_SETOWN_EX];
const F_SETOWN_EX: c_int = 15;
/// Allowed requests of `ioctl`: those about the program's own descriptors, and queries. Landlock does not limit what
/// others do to a file that is open for reading (FS_IOC_SETFLAGS, FS_IOC_SETVERSION, FS_IOC_FSSETXATTR, ...), and each
/// file system has some of its own.
pub(super) const REQUESTS: [u32; 23] = [
    0x5451,      // FIOCLEX
    0x5450,      // FIONCLEX
    0x5421,      // FIONBIO
    0x5452,      // FIOASYNC
    0x541B,      // FIONREAD
    0x5460,      // FIOQSIZE
    0x0002,      // FIGETBSZ
    0xC020_660B, // FS_IOC_FIEMAP
    0x8008_6601, // FS_IOC_GETFLAGS
    0x8004_6601, // FS_IOC32_GETFLAGS
    0x8008_7601, // FS_IOC_GETVERSION
    0x801C_581F, // FS_IOC_FSGETXATTR
    // Copies into a file that is open for writing, and shares data that is equal already.
    0x4004_9409, // FICLONE
    0x4020_940D, // FICLONERANGE
    0xC018_9436, // FIDEDUPERANGE
    // Queries whether something is a terminal, and which.
    0x5401,      // TCGETS
    0x802C_542A, // TCGETS2
    0x5405,      // TCGETA
    0x5413,      // TIOCGWINSZ
    0x5411,      // TIOCOUTQ
    0x540F,      // TIOCGPGRP
    0x5429,      // TIOCGSID
    0x8004_5430, // TIOCGPTN
];
/// Allowed options of `prctl`: those that a program sets for itself, and queries. Others weaken its confinement: it
/// would not end with the process that started it (PR_SET_PDEATHSIG), could be traced (PR_SET_PTRACER), or could hide
/// from that process how much it writes (PR_SET_DUMPABLE).
pub(super) const OPTIONS: &[u32] = &[
    2,  // PR_GET_PDEATHSIG
    3,  // PR_GET_DUMPABLE
    7,  // PR_GET_KEEPCAPS
    15, // PR_SET_NAME
    16, // PR_GET_NAME
    21, // PR_GET_SECCOMP
    23, // PR_CAPBSET_READ
    25, // PR_GET_TSC
    27, // PR_GET_SECUREBITS
    29, // PR_SET_TIMERSLACK
    30, // PR_GET_TIMERSLACK
    34, // PR_MCE_KILL_GET
    37, // PR_GET_CHILD_SUBREAPER
    38, // PR_SET_NO_NEW_PRIVS
    39, // PR_GET_NO_NEW_PRIVS
    40, // PR_GET_TID_ADDRESS
    41, // PR_SET_THP_DISABLE
    42, // PR_GET_THP_DISABLE
    // Features of processors: vectors, signed pointers, tagged memory, speculation.
    50,          // PR_SVE_SET_VL
    51,          // PR_SVE_GET_VL
    52,          // PR_GET_SPECULATION_CTRL
    53,          // PR_SET_SPECULATION_CTRL
    54,          // PR_PAC_RESET_KEYS
    55,          // PR_SET_TAGGED_ADDR_CTRL
    56,          // PR_GET_TAGGED_ADDR_CTRL
    60,          // PR_PAC_SET_ENABLED_KEYS
    61,          // PR_PAC_GET_ENABLED_KEYS
    63,          // PR_SME_SET_VL
    64,          // PR_SME_GET_VL
    65,          // PR_SET_MDWE
    66,          // PR_GET_MDWE
    69,          // PR_RISCV_V_SET_CONTROL
    70,          // PR_RISCV_V_GET_CONTROL
    71,          // PR_RISCV_SET_ICACHE_FLUSH_CTX
    0x4155_5856, // PR_GET_AUXV
    0x5356_4D41, // PR_SET_VMA, by which runtimes name their memory
];
