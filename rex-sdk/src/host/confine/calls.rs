//! The system calls that a worker can still make: a seccomp filter from what the reach needs.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    apply_filter,
};

use super::Needs;

/// What every run needs: memory, threads, time, the descriptors that it has.
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
    // Refused below with the error that makes the C library take `clone`, whose flags can be looked at.
    libc::SYS_clone3,
    // For the filters that are added after this one, the last of which refuses it.
    libc::SYS_seccomp,
];
/// What finding, reading and looking at files needs. Landlock says which.
const FILES: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_fadvise64,
];
/// What changing files needs besides.
const WRITES: &[c_long] = &[
    libc::SYS_pwrite64,
    libc::SYS_renameat2,
    // What the C library makes of it where there are no flags.
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
/// What the machine is asked with.
const MACHINE: &[c_long] = &[libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_uname, libc::SYS_sysinfo];
/// The same calls by older names, which some machines still have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[libc::SYS_poll, libc::SYS_readlink];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];
/// What a process that means well has no use for here, whatever the policy: it is ended.
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

/// Restricts this thread, and all that it starts; `Err` says what the kernel lacks.
pub(super) fn restrict(needs: &Needs) -> Result<(), String> {
    // The kernel asks every filter and does what the strictest says. For each that is added it tries all system calls
    // that the ones before it allow, so the one that allows the fewest comes first.
    let programs = [
        // What is not listed fails, so that a library that only tries something finds out.
        allowed(needs).and_then(|rules| filter(rules, refuse(libc::EPERM), SeccompAction::Allow)),
        filter(one(libc::SYS_clone3), SeccompAction::Allow, refuse(libc::ENOSYS)),
        // The last one: none can be added after it.
        filter(never(), SeccompAction::Allow, SeccompAction::KillProcess),
    ];
    for program in programs {
        apply(&program.map_err(|error| format!("seccomp: {error}"))?)?;
    }
    Ok(())
}

/// What a program that a script starts must not do, and what Landlock does not hold.
const NOT_BY_PROGRAMS: &[c_long] = &[
    // The network, and everybody who listens on this host.
    libc::SYS_socket,
    // A group or session of its own would outlive the group that is ended with the run.
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // Attributes of files, whichever they are.
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
    // What happens to files, whichever they are.
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    // Memory, queues and semaphores that others share.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Other processes.
    libc::SYS_pidfd_send_signal,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
];
/// The same by older names.
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
/// What signals others, where Landlock does not hold signals.
const SIGNALS: &[c_long] =
    &[libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];
/// What makes a process without flags that could be looked at.
#[cfg(target_arch = "x86_64")]
const FORKS: &[c_long] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: &[c_long] = &[];
/// The newest system call that was thought of. What comes after it is unknown, and refused.
const NEWEST: c_long = libc::SYS_mseal;

/// The filters for a program that a script starts: all system calls that are known, less those that it must not make.
pub(super) fn of_program(processes: bool, signals_held: bool) -> Result<Vec<BpfProgram>, BackendError> {
    let forks = if processes { &[] } else { FORKS };
    let signals = if signals_held { &[] } else { SIGNALS };
    let refused = |call: &c_long| {
        [NEVER, NOT_BY_PROGRAMS, NOT_BY_PROGRAMS_OLDER, forks, signals].iter().any(|list| list.contains(call))
    };
    let mut rules: Rules = (0..=NEWEST).filter(|call| !refused(call)).map(|call| (call, Vec::new())).collect();
    let masked = |mask, value| SeccompCondition::new(0, Qword, MaskedEq(mask), value);
    let clone = if processes { masked(spaces(), 0)? } else { masked(thread() | spaces(), thread())? };
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![clone])?]);
    // Bounds of its own, and of no other process.
    for call in [libc::SYS_prlimit64, libc::SYS_sched_setaffinity] {
        rules.insert(call, vec![SeccompRule::new(vec![SeccompCondition::new(0, Dword, Eq, 0)?])?]);
    }
    // Typing at a terminal in place of whoever sits there.
    let types = |request| SeccompCondition::new(1, Dword, Ne, request);
    let types = vec![types(libc::TIOCSTI)?, types(libc::TIOCLINUX)?];
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(types)?]);
    Ok(vec![
        filter(one(libc::SYS_clone3), SeccompAction::Allow, refuse(libc::ENOSYS))?,
        // The last one: none can be added after it.
        filter(rules, refuse(libc::EPERM), SeccompAction::Allow)?,
    ])
}

/// Holds this thread, and all that it starts, to a filter.
pub(super) fn apply(program: &BpfProgram) -> Result<(), String> {
    apply_filter(program).map_err(|error| format!("seccomp: {error}"))
}

/// The flags of `clone` that make a thread.
fn thread() -> u64 {
    bits(libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND)
}

/// Those that make a namespace.
fn spaces() -> u64 {
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

fn bits(value: libc::c_int) -> u64 {
    u64::from(value.unsigned_abs())
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

fn filter(rules: Rules, otherwise: SeccompAction, listed: SeccompAction) -> Result<BpfProgram, BackendError> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, otherwise, listed, machine)?.try_into()
}

fn refuse(error: libc::c_int) -> SeccompAction {
    SeccompAction::Errno(error.unsigned_abs())
}

fn never() -> Rules {
    NEVER.iter().map(|call| (*call, Vec::new())).collect()
}

fn one(call: c_long) -> Rules {
    BTreeMap::from([(call, Vec::new())])
}

fn allowed(needs: &Needs) -> Result<Rules, BackendError> {
    let groups =
        [(true, ALWAYS), (true, OLDER), (needs.opens(), FILES), (needs.writes, WRITES), (needs.machine, MACHINE)];
    let calls = groups.into_iter().filter(|(wanted, _)| *wanted).flat_map(|(_, calls)| calls);
    let mut rules: Rules = calls.map(|call| (*call, Vec::new())).collect();
    let mut only = |call, conditions: &[(u8, SeccompCmpOp, u64)]| -> Result<(), BackendError> {
        let condition = |(argument, op, value): &(u8, _, _)| {
            SeccompCondition::new(*argument, Qword, SeccompCmpOp::clone(op), *value)
        };
        let rule = SeccompRule::new(conditions.iter().map(condition).collect::<Result<_, _>>()?)?;
        rules.entry(call).or_default().push(rule);
        Ok(())
    };
    // No memory that is written and then run.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        only(call, &[(2, MaskedEq(bits(libc::PROT_EXEC)), 0)])?;
    }
    // Threads, and no processes.
    only(libc::SYS_clone, &[(0, MaskedEq(thread() | spaces()), thread())])?;
    // `abort` signals its own thread.
    only(libc::SYS_tgkill, &[(0, Eq, u64::from(std::process::id()))])?;
    // The second is asked for with each filter, and takes nothing back.
    for option in [libc::PR_SET_NAME, libc::PR_SET_NO_NEW_PRIVS] {
        only(libc::SYS_prctl, &[(0, Eq, bits(option))])?;
    }
    // Its own limits can be read.
    only(libc::SYS_prlimit64, &[(0, Eq, 0), (2, Eq, 0)])?;
    for command in [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD_CLOEXEC] {
        only(libc::SYS_fcntl, &[(1, Eq, bits(command))])?;
    }
    Ok(rules)
}
