//! Checks from inside that what must not work fails. A request to the kernel does not prove that the kernel enforces
//! it.

use landlock::AccessFs;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, openat, openat2};
use nix::sys::resource::getrlimit;
use nix::sys::signal::kill;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, execv, ftruncate, truncate};
use rustix::process::{DumpableBehavior, dumpable_behavior, getpriority_process};
use rustix::thread::{capabilities, no_new_privs};

use super::PartState;
use super::files::LandlockRules;
use super::process::RemainingRights;

/// Paths that every host has, with the access to open them for reading.
const THERE: [(&str, AccessFs); 4] = [
    ("/", AccessFs::ReadDir),
    ("/proc", AccessFs::ReadDir),
    ("/proc/version", AccessFs::ReadFile),
    ("/etc/passwd", AccessFs::ReadFile),
];

/// Tries to open something outside the rules, and to truncate something invalid if the kernel's Landlock does not limit
/// that.
pub(super) fn files(held: &LandlockRules, who: TryingProcess) -> PartState {
    let outside = outside(held);
    match if held.version.holds_cuts() { Ok(()) } else { cuts(who) } {
        Err(why) if !matches!(outside, PartState::Missing(_)) => PartState::Missing(why),
        _ => outside,
    }
}

/// The process that tries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TryingProcess {
    /// A worker, which may truncate no file.
    Worker,
    /// A program, which may truncate the files that it can write.
    Program,
}

/// Tries each way to truncate a file that Landlock does not limit. The name is empty and the descriptor invalid: a
/// kernel that lets the call through reports that, so nothing is truncated even then.
fn cuts(who: TryingProcess) -> Result<(), String> {
    // An access mode of 3 exists, to open a device only to control it.
    let modes = [(OFlag::O_RDONLY, "reading"), (OFlag::O_ACCMODE, "nothing")];
    for (mode, what) in modes {
        let opened = openat(AT_FDCWD, "", mode | OFlag::O_TRUNC | OFlag::O_CLOEXEC, Mode::empty());
        is_refused(opened.err(), || format!("a file that is opened for {what} could be cut"))?;
    }
    let opened = openat2(AT_FDCWD, "", OpenHow::new().flags(OFlag::O_TRUNC | OFlag::O_CLOEXEC));
    if opened.as_ref().err() != Some(&Errno::ENOSYS) {
        is_refused(opened.err(), || "a file could be cut by `openat2`".to_owned())?;
    }
    is_refused(truncate("", 0).err(), || "a file could be cut by its name".to_owned())?;
    if who == TryingProcess::Worker {
        is_refused(ftruncate(AT_FDCWD, 0).err(), || "a file could be cut by a descriptor".to_owned())?;
    }
    Ok(())
}

fn is_refused(error: Option<Errno>, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if error == Some(Errno::EPERM) { Ok(()) } else { Err(otherwise()) }
}

fn outside(held: &LandlockRules) -> PartState {
    let Some((path, _)) = THERE.into_iter().find(|(path, access)| !held.lets(path, *access)) else {
        return PartState::Unbounded;
    };
    // By the call that the filter of a worker lists, whichever one the C library uses for `open`.
    match openat(AT_FDCWD, path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) {
        // Landlock returns the first; the filter of a worker that opens nothing returns the second.
        Err(Errno::EACCES | Errno::EPERM) => PartState::Verified,
        Err(error) => PartState::Missing(format!("opening `{path}` failed for another reason: {error}")),
        Ok(_) => PartState::Missing(format!("`{path}` could be opened")),
    }
}

/// Tries to start a program with an empty name, so that a kernel that lets the call through starts nothing.
pub(super) fn programs() -> PartState {
    match execv(c"", &[c""]) {
        Err(error) => refused(error, "a program"),
        Ok(never) => match never {},
    }
}

pub(super) fn network() -> PartState {
    let tcp = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    tcp.map_or_else(|error| refused(error, "a socket"), |_| PartState::Missing("a socket could be made".to_owned()))
}

/// Tries to send the supervisor, which has the same user, signal 0: it only checks whether a signal could be sent.
pub(super) fn signals(supervisor: Pid) -> PartState {
    let sent = kill(supervisor, None);
    sent.map_or_else(|error| refused(error, "a signal"), |()| PartState::Missing("a signal could be sent".to_owned()))
}

/// Makes a harmless system call that nothing here needs.
pub(super) fn calls() -> PartState {
    match getpriority_process(None) {
        Err(error) if error == rustix::io::Errno::PERM => PartState::Verified,
        Err(error) => PartState::Missing(format!("a system call failed for another reason: {error}")),
        Ok(_) => PartState::Missing("a system call that was not listed could be made".to_owned()),
    }
}

fn refused(error: Errno, what: &str) -> PartState {
    match error {
        Errno::EPERM => PartState::Verified,
        error => PartState::Missing(format!("{what} failed for another reason: {error}")),
    }
}

pub(super) fn privileges(given: &RemainingRights) -> Result<(), String> {
    let left = capabilities(None).map_err(|error| error.to_string())?;
    if left.permitted != given.capabilities || left.effective != given.capabilities || !left.inheritable.is_empty() {
        return Err(format!("more capabilities are left than {:?}: {:?}", given.capabilities, left.permitted));
    }
    if !no_new_privs().is_ok_and(|set| set) {
        return Err("a program could gain privileges".to_owned());
    }
    match dumpable_behavior() {
        Ok(DumpableBehavior::NotDumpable) => Ok(()),
        other => Err(format!("it could be traced by its user: {other:?}")),
    }
}

pub(super) fn resources(given: &RemainingRights) -> Result<(), String> {
    for (resource, bound) in &given.resources {
        match getrlimit(*resource) {
            Ok((soft, hard)) if soft <= *bound && hard <= *bound => {}
            other => return Err(format!("{resource:?} is not bounded by {bound}: {other:?}")),
        }
    }
    Ok(())
}
