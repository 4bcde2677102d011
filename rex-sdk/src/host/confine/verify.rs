//! Tries from inside what must not work any more. What was asked of the kernel is not yet what the kernel does.

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

use super::State;
use super::files::Held;
use super::process::Given;

/// Things that every host has, with what opening them for reading needs.
const THERE: [(&str, AccessFs); 4] = [
    ("/", AccessFs::ReadDir),
    ("/proc", AccessFs::ReadDir),
    ("/proc/version", AccessFs::ReadFile),
    ("/etc/passwd", AccessFs::ReadFile),
];

/// Opens something that lies outside, and cuts what is nothing, where the kernel's Landlock does not hold that.
pub(super) fn files(held: &Held, who: Who) -> State {
    let outside = outside(held);
    match if held.version.holds_cuts() { Ok(()) } else { cuts(who) } {
        Err(why) if !matches!(outside, State::Missing(_)) => State::Missing(why),
        _ => outside,
    }
}

/// Who tries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// A worker, which cuts no file.
    Worker,
    /// A program, which cuts those that it can write.
    Program,
}

/// Tries each way to cut a file that Landlock does not hold. The name is empty and the descriptor is none, which a kernel would say
/// that lets the call through, so that nothing is cut here even then.
fn cuts(who: Who) -> Result<(), String> {
    // An access mode of 3 is one, for those who open a device only to control it.
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
    if who == Who::Worker {
        is_refused(ftruncate(AT_FDCWD, 0).err(), || "a file could be cut by a descriptor".to_owned())?;
    }
    Ok(())
}

fn is_refused(error: Option<Errno>, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if error == Some(Errno::EPERM) { Ok(()) } else { Err(otherwise()) }
}

fn outside(held: &Held) -> State {
    let Some((path, _)) = THERE.into_iter().find(|(path, access)| !held.lets(path, *access)) else {
        return State::Unbounded;
    };
    // By the call that the filter of a worker lists, whatever the C library makes of `open`.
    match openat(AT_FDCWD, path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) {
        // Landlock says the one, the filter of a worker that opens nothing the other.
        Err(Errno::EACCES | Errno::EPERM) => State::Verified,
        Err(error) => State::Missing(format!("opening `{path}` failed for another reason: {error}")),
        Ok(_) => State::Missing(format!("`{path}` could be opened")),
    }
}

/// Starts nothing: the empty name names no program, which another kernel would say.
pub(super) fn programs() -> State {
    match execv(c"", &[c""]) {
        Err(error) => refused(error, "a program"),
        Ok(never) => match never {},
    }
}

pub(super) fn network() -> State {
    let tcp = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    tcp.map_or_else(|error| refused(error, "a socket"), |_| State::Missing("a socket could be made".to_owned()))
}

/// Signal 0 asks only whether a signal could be sent, here to the supervisor, which is of the same user.
pub(super) fn signals(supervisor: Pid) -> State {
    let sent = kill(supervisor, None);
    sent.map_or_else(|error| refused(error, "a signal"), |()| State::Missing("a signal could be sent".to_owned()))
}

/// Makes a harmless system call that nothing here needs.
pub(super) fn calls() -> State {
    match getpriority_process(None) {
        Err(error) if error == rustix::io::Errno::PERM => State::Verified,
        Err(error) => State::Missing(format!("a system call failed for another reason: {error}")),
        Ok(_) => State::Missing("a system call that was not listed could be made".to_owned()),
    }
}

fn refused(error: Errno, what: &str) -> State {
    match error {
        Errno::EPERM => State::Verified,
        error => State::Missing(format!("{what} failed for another reason: {error}")),
    }
}

pub(super) fn privileges(given: &Given) -> Result<(), String> {
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

pub(super) fn resources(given: &Given) -> Result<(), String> {
    for (resource, bound) in &given.resources {
        match getrlimit(*resource) {
            Ok((soft, hard)) if soft <= *bound && hard <= *bound => {}
            other => return Err(format!("{resource:?} is not bounded by {bound}: {other:?}")),
        }
    }
    Ok(())
}
