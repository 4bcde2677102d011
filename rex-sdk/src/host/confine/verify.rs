//! Tries from inside what must not work any more. What was asked of the kernel is not yet what the kernel does.

use landlock::AccessFs;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::resource::getrlimit;
use nix::sys::signal::kill;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, execv};
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

/// Opens something that lies outside.
pub(super) fn files(held: &Held) -> State {
    let Some((path, _)) = THERE.into_iter().find(|(path, access)| !held.lets(path, *access)) else {
        return State::Unbounded;
    };
    match open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) {
        // Landlock says the one, a kernel without the system call (seccomp) the other.
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
