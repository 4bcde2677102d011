//! The system calls that a worker can still make: a seccomp filter derived from the reach.

use libc::{c_int, c_long};
use seccompiler::{BpfProgram, apply_filter};

use super::AccessNeeds;
use super::filter::{ArgumentTest, FilterAction, FilterProgram};
use super::requests::{OF_OTHERS, OPTIONS, OWNERS, REQUESTS};
use super::version::LandlockVersion;

/// Calls that every run needs: memory, threads, time, its own descriptors.
const ALWAYS: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_ppoll,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
];
/// Calls that open files. Landlock limits which.
const OPENS: &[c_long] = &[libc::SYS_openat, libc::SYS_openat2];
/// Calls that read and examine files.
const FILES: &[c_long] = &[
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_fadvise64,
];
/// More calls that change files.
const WRITES: &[c_long] = &[
    libc::SYS_pwrite64,
    libc::SYS_renameat2,
    // The C library calls this one instead if there are no flags.
    libc::SYS_renameat,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_fsetxattr,
    libc::SYS_fremovexattr,
];
/// Calls that change the length of a file. Landlock limits of which.
const CUTS: &[c_long] = &[libc::SYS_ftruncate];
/// Calls of a process that opens names without `openat2`: to recognize a magic link.
const STEPS: &[c_long] = &[libc::SYS_fstatfs];
/// Calls that set times, permission bits and owners. Landlock does not limit them.
const ATTRIBUTES: &[c_long] = &[libc::SYS_utimensat, libc::SYS_fchmodat, libc::SYS_fchmodat2, libc::SYS_fchownat];
/// Calls that make links.
const LINKS: &[c_long] = &[libc::SYS_symlinkat, libc::SYS_linkat];
/// Calls that read extended attributes.
const XATTRS: &[c_long] = &[libc::SYS_fgetxattr, libc::SYS_flistxattr];
/// Older names of some of these calls, which some machines still have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[libc::SYS_poll, libc::SYS_readlink];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];
/// Calls that no well-meaning process makes here, whatever the policy: they end the process.
const NEVER: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_open_by_handle_at,
    libc::SYS_io_uring_setup,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_pidfd_getfd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_seccomp,
];

/// Restricts this thread, and all that it starts; `Err` says what the kernel lacks. With `cuts`, another mechanism
/// limits which files are truncated; without, no call truncates one.
pub(super) fn restrict(needs: &AccessNeeds, cuts: bool) -> Result<(), String> {
    apply(&of_worker(needs, cuts))
}

/// Applies a filter to this thread, and to all that it starts.
pub(super) fn apply(program: &BpfProgram) -> Result<(), String> {
    apply_filter(program).map_err(|error| format!("seccomp: {error}"))
}

/// The action for an unlisted call: it fails, so that a library that only tries it notices.
const REFUSED: FilterAction = FilterAction::Refuse(libc::EPERM);

fn of_worker(needs: &AccessNeeds, cuts: bool) -> BpfProgram {
    let mut filter = FilterProgram::new();
    if !cuts && needs.opens() {
        // The flags of `openat2` are in memory, where no filter sees them.
        filter.when(libc::SYS_openat, &[&[ArgumentTest::Masked(2, bits(libc::O_TRUNC), 0)]], REFUSED);
    }
    let groups = [
        (true, ALWAYS),
        (true, OLDER),
        (needs.opens(), FILES),
        (needs.opens(), if cuts { OPENS } else { STEPS }),
        (needs.writes, WRITES),
        (needs.writes && cuts, CUTS),
        (needs.attributes, ATTRIBUTES),
        (needs.links, LINKS),
        (needs.xattrs, XATTRS),
    ];
    let wanted = groups.into_iter().filter(|(wanted, _)| *wanted);
    filter.among(&wanted.flat_map(|(_, calls)| calls).copied().collect::<Vec<_>>(), FilterAction::Allow);
    // No memory that is written and then executed.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        filter.when(call, &[&[ArgumentTest::Masked(2, bits(libc::PROT_EXEC), 0)]], REFUSED);
    }
    // Commands on its own descriptors.
    let commands = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD_CLOEXEC];
    let commands = commands.map(|command| [equals(1, command)]);
    filter.when(libc::SYS_fcntl, &commands.each_ref().map(|list| &list[..]), REFUSED);
    // Threads, and no processes. Only the flags of `clone` can be checked; the C library uses it if `clone3` does not
    // exist.
    filter.when(libc::SYS_clone, &[&[ArgumentTest::Masked(0, thread() | spaces(), thread())]], REFUSED);
    filter.among(&[libc::SYS_clone3], FilterAction::Refuse(libc::ENOSYS));
    // `abort` signals its own thread.
    filter.when(libc::SYS_tgkill, &[&[ArgumentTest::Masked(0, u32::MAX, std::process::id())]], REFUSED);
    filter.when(libc::SYS_prctl, &[&[equals(0, libc::PR_SET_NAME)]], REFUSED);
    // Its own limits can be read, but not set.
    filter.when(libc::SYS_prlimit64, &[&[ArgumentTest::Zero(0), ArgumentTest::Zero(2)]], REFUSED);
    filter.among(NEVER, FilterAction::Kill);
    filter.finish(REFUSED)
}

/// Calls that a program started by a script must not make, and that Landlock does not limit.
const NOT_BY_PROGRAMS: &[c_long] = &[
    // The network, including whatever listens on this host.
    libc::SYS_socket,
    // A group or session of its own would outlive the group that is killed with the run.
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // Attributes of any file.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_utimensat,
    // Events of any file.
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    // Memory, queues and semaphores that others share. A number is enough to use one, so it is not enough to refuse the
    // calls that make one.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmdt,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_notify,
    libc::SYS_mq_getsetattr,
    // Other processes.
    libc::SYS_process_mrelease,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_pidfd_send_signal,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
];
/// Older names of some of these calls.
#[cfg(target_arch = "x86_64")]
const NOT_BY_PROGRAMS_OLDER: &[c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_inotify_init,
];
#[cfg(not(target_arch = "x86_64"))]
const NOT_BY_PROGRAMS_OLDER: &[c_long] = &[];
/// Calls whose writes are not counted: asynchronous writes, and transfers through pipes.
const UNCOUNTED: &[c_long] =
    &[libc::SYS_io_setup, libc::SYS_io_submit, libc::SYS_splice, libc::SYS_tee, libc::SYS_vmsplice];
/// Calls that signal others, if Landlock does not limit signals.
const SIGNALS: &[c_long] =
    &[libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];
/// Calls that open files, with the argument that holds the flags.
#[cfg(target_arch = "x86_64")]
const OPENS_BY_NAME: &[(c_long, u8)] = &[(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
const OPENS_BY_NAME: &[(c_long, u8)] = &[(libc::SYS_openat, 2)];
/// Calls that make a process and have no flags to check.
#[cfg(target_arch = "x86_64")]
const FORKS: &[c_long] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: &[c_long] = &[];
/// The newest known system call. Later ones are refused.
const NEWEST: c_long = libc::SYS_mseal;

/// Returns the filter for a program that a script starts: all known system calls, except those that it must not make,
/// and those that this version of Landlock does not limit.
pub(super) fn of_program(processes: bool, version: LandlockVersion) -> BpfProgram {
    let mut filter = FilterProgram::new();
    filter.above(NEWEST, REFUSED);
    let forks = if processes { &[] } else { FORKS };
    let signals = if version.holds_signals() { &[] } else { SIGNALS };
    let refused = [NEVER, NOT_BY_PROGRAMS, NOT_BY_PROGRAMS_OLDER, forks, signals].concat();
    filter.among(&refused, REFUSED);
    // Calls that have an alternative, and those whose writes the kernel does not count.
    filter.among(&[libc::SYS_clone3], FilterAction::Refuse(libc::ENOSYS));
    filter.among(UNCOUNTED, FilterAction::Refuse(libc::ENOSYS));
    let (mask, value) = if processes { (spaces(), 0) } else { (thread() | spaces(), thread()) };
    filter.when(libc::SYS_clone, &[&[ArgumentTest::Masked(0, mask, value)]], REFUSED);
    // Limits of its own, and of no other process.
    for call in [libc::SYS_prlimit64, libc::SYS_sched_setaffinity] {
        filter.when(call, &[&[equals(0, 0)]], REFUSED);
    }
    if !version.holds_cuts() {
        cut_by_whoever_writes(&mut filter);
    }
    let owners = if version.holds_signals() { &[][..] } else { &OWNERS };
    let commands =
        OF_OTHERS.iter().chain(owners).map(|command| ArgumentTest::Not(1, bits(*command))).collect::<Vec<_>>();
    filter.when(libc::SYS_fcntl, &[&commands], REFUSED);
    filter.only(libc::SYS_ioctl, 1, &REQUESTS, REFUSED);
    filter.only(libc::SYS_prctl, 0, OPTIONS, REFUSED);
    filter.finish(FilterAction::Allow)
}

/// Limits truncation to descriptors that are open for writing, since Landlock limits which files are opened so.
/// Otherwise a file could be truncated that is open for reading, or (with an access mode of 3) for nothing.
fn cut_by_whoever_writes(filter: &mut FilterProgram) {
    filter.among(&[libc::SYS_truncate], REFUSED);
    filter.among(&[libc::SYS_openat2], FilterAction::Refuse(libc::ENOSYS));
    for &(call, flags) in OPENS_BY_NAME {
        let mode = |mode| [ArgumentTest::Masked(flags, bits(libc::O_ACCMODE), bits(mode))];
        let keeps = [ArgumentTest::Masked(flags, bits(libc::O_TRUNC), 0)];
        filter.when(call, &[&keeps, &mode(libc::O_WRONLY), &mode(libc::O_RDWR)], REFUSED);
    }
}

/// Returns the flags of `clone` that make a thread.
fn thread() -> u32 {
    bits(libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND)
}

/// Returns the flags of `clone` that make a namespace.
fn spaces() -> u32 {
    bits(
        libc::CLONE_NEWNS
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUSER
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWCGROUP,
    )
}

fn bits(value: c_int) -> u32 {
    value.unsigned_abs()
}

fn equals(argument: u8, value: c_int) -> ArgumentTest {
    ArgumentTest::Masked(argument, u32::MAX, bits(value))
}
