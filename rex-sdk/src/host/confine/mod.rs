//! The confinement of a worker: before it looks at a script, it gives up in the kernel, permanently, whatever the
//! policy could not permit.
//!
//! The bound is a [`Reach`], compiled from the same policy that decides each act. A kernel's sandbox cannot subtract,
//! so only the decision in user space enforces `forbid` and conditions. Where both apply, both would have to fail.

mod calls;
mod files;
mod filter;
mod process;
mod program;
mod requests;
mod verify;
mod version;

use std::fmt;

use nix::unistd::getppid;
use rex_core::action::fs;
use rex_core::{Action, ActionSpec, Reach};

use super::worker::other_threads;

pub(super) use files::{in_words, may_change};
pub use process::WorkerBounds;
pub use program::{ProgramStart, ProgramUser, RunningProgram};
pub(super) use version::{LandlockVersion, own};

/// The parts of the confinement that a run may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConfinementMode {
    /// No part: if the kernel lacks one, the run is refused.
    #[default]
    Require,
    /// Any part that this kernel lacks.
    Available,
    /// All parts.
    Off,
}

impl ConfinementMode {
    /// Returns the word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Available => "available",
            Self::Off => "off",
        }
    }
}

/// A part of the confinement, which the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConfinementPart {
    /// A limit on opening and changing files: Landlock; before Linux 6.2, seccomp and the supervisor limit which are
    /// truncated.
    Files,
    /// A ban on starting programs and making processes: seccomp.
    Programs,
    /// A ban on making sockets: seccomp.
    Network,
    /// A ban on signaling and tracing other processes: seccomp.
    Signals,
    /// A restriction to the system calls that the permitted operations need: seccomp.
    Calls,
    /// A ban on holding and gaining privileges: capabilities, `no_new_privs`, not dumpable.
    Privileges,
    /// Limits on memory, descriptors and file sizes, and no core files: resource limits.
    Resources,
}

impl ConfinementPart {
    /// Every part.
    pub const ALL: [Self; 7] =
        [Self::Files, Self::Programs, Self::Network, Self::Signals, Self::Calls, Self::Privileges, Self::Resources];

    /// Returns the word for it in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Programs => "programs",
            Self::Network => "network",
            Self::Signals => "signals",
            Self::Calls => "calls",
            Self::Privileges => "privileges",
            Self::Resources => "resources",
        }
    }

    /// Returns the part with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == word)
    }

    /// Describes that it does not hold, for this reason, and the consequence.
    #[must_use]
    pub fn missing(self, why: &str) -> String {
        format!("`{}` does not hold ({why}): {}", self.as_str(), self.without())
    }

    /// Describes the consequence of running without it.
    #[must_use]
    pub fn without(self) -> &'static str {
        match self {
            Self::Files => "a compromised worker could open every file that its user can",
            Self::Programs => "a compromised worker could start programs",
            Self::Network => "a compromised worker could use the network",
            Self::Signals => "a compromised worker could signal and trace other processes of its user",
            Self::Calls => "a compromised worker could reach every system call of the kernel, with its defects",
            Self::Privileges => "a compromised worker would have the privileges of its user, and could gain others",
            Self::Resources => "a compromised worker could use up the memory of the host",
        }
    }
}

impl ConfinementPart {
    /// Describes what a host needs for it.
    #[must_use]
    pub fn needs(self) -> &'static str {
        match self {
            Self::Files => {
                "Linux 5.13 or later, built with CONFIG_SECURITY_LANDLOCK and started with `landlock` among its `lsm=`; \
                 in a container, a seccomp profile that lets `landlock_create_ruleset`, `landlock_add_rule` and \
                 `landlock_restrict_self` through"
            }
            Self::Programs | Self::Network | Self::Signals | Self::Calls => {
                "a kernel built with CONFIG_SECCOMP_FILTER; in a container, a profile that lets `seccomp` through"
            }
            Self::Privileges => "a `prctl` and a `capset` that nothing in between blocks",
            Self::Resources => "`/proc` where it belongs, and a `prlimit64` that nothing in between blocks",
        }
    }
}

/// The state of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartState {
    /// It was tried from inside, and the kernel refused.
    Verified,
    /// The policy could permit anything there, so there is nothing to enforce.
    Unbounded,
    /// It does not hold, for this reason.
    Missing(String),
}

impl PartState {
    /// Returns the word for it in reports.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Verified => "VERIFIED",
            Self::Unbounded => "UNBOUNDED",
            Self::Missing(_) => "MISSING",
        }
    }
}

/// The parts of the confinement, each with the state that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confinement {
    /// Each part with its state, in the order of [`ConfinementPart::ALL`].
    pub parts: Vec<(ConfinementPart, PartState)>,
    /// The version of the kernel's Landlock; `None` if it is missing, or was not requested.
    pub landlock: Option<u32>,
}

impl Confinement {
    /// Returns the mechanisms that enforce a part on this kernel, each with its share if that is not the whole part.
    #[must_use]
    pub fn holders(&self, part: ConfinementPart) -> Vec<String> {
        let texts: &[&str] = match part {
            ConfinementPart::Files => return self.landlock.map(of_files).unwrap_or_default(),
            ConfinementPart::Programs
            | ConfinementPart::Network
            | ConfinementPart::Signals
            | ConfinementPart::Calls => &["seccomp"],
            ConfinementPart::Privileges => &["capabilities", "no_new_privs", "not dumpable"],
            ConfinementPart::Resources => &["resource limits"],
        };
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    /// Returns the parts that do not hold, with the reason.
    pub fn missing(&self) -> impl Iterator<Item = (ConfinementPart, &str)> {
        self.parts.iter().filter_map(|(part, state)| match state {
            PartState::Missing(why) => Some((*part, &**why)),
            _ => None,
        })
    }
}

/// Returns the mechanisms that protect files with this version of Landlock.
fn of_files(landlock: u32) -> Vec<String> {
    let mut holders = vec![format!("Landlock, version {landlock}")];
    if landlock < 3 {
        holders.push(
            "seccomp: no call of the worker truncates a file, which this version of Landlock does not restrict"
                .to_owned(),
        );
        holders.push("the supervisor: changes the length of a file, where the policy permits it".to_owned());
    }
    if landlock < 2 {
        holders.push("the kernel: no file moves to another directory, and none is linked there".to_owned());
    }
    holders
}

/// The parts that do not hold, although all were required.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnconfinedParts(pub Confinement);

impl fmt::Display for UnconfinedParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: Vec<_> = self.0.missing().collect();
        match missing.as_slice() {
            [(_, why), ..]
                if missing.len() == ConfinementPart::ALL.len() && missing.iter().all(|(_, other)| other == why) =>
            {
                write!(f, "there is no confinement: {why}")
            }
            _ => f.write_str(&missing.iter().map(|(part, why)| part.missing(why)).collect::<Vec<_>>().join("; ")),
        }
    }
}

impl std::error::Error for UnconfinedParts {}

/// The kinds of access to files that a reach includes.
struct AccessNeeds {
    /// `true` if files are read, listed or examined.
    reads: bool,
    /// `true` if files are changed.
    writes: bool,
    /// `true` if times, permission bits or owners are set.
    attributes: bool,
    /// `true` if links are made.
    links: bool,
    /// `true` if extended attributes are read.
    xattrs: bool,
    /// `true` if existing files are appended to.
    appends: bool,
}

impl AccessNeeds {
    fn new(reach: &Reach) -> Self {
        let any = |specs: &[&ActionSpec]| reach.iter().any(|(spec, _)| specs.contains(&spec));
        Self {
            reads: any(&[fs::Read::SPEC, fs::List::SPEC, fs::Stat::SPEC, fs::GetXattr::SPEC]),
            writes: reach.iter().any(|(spec, _)| spec.namespace == "fs" && spec.groups.contains(&"Mutating")),
            attributes: any(&[fs::Touch::SPEC, fs::Chmod::SPEC, fs::Chown::SPEC]),
            links: any(&[fs::Symlink::SPEC, fs::HardLink::SPEC]),
            xattrs: any(&[fs::GetXattr::SPEC]),
            appends: any(&[fs::Append::SPEC]),
        }
    }

    fn opens(&self) -> bool {
        self.reads || self.writes
    }
}

/// Checks whether a process confined to a reach can change any file.
pub(super) fn changes_files(reach: &Reach) -> bool {
    AccessNeeds::new(reach).writes
}

/// Confines this thread, and all that it starts, to a reach, permanently. Then tries from inside what must not work.
///
/// Afterwards it cannot make sockets, so another process must ask the service manager; see
/// [`HostOs::with_broker`](super::HostOs::with_broker).
///
/// Before Linux 6.2, it cannot truncate files either: that broker sets the length of a file.
///
/// The process must have no other thread: the kernel applies the confinement to one thread, but resource limits to all
/// of them.
///
/// # Errors
/// If the process has other threads, which the error names; then nothing is given up. With [`ConfinementMode::Require`], if a part
/// does not hold; then the thread may be partly confined.
pub fn confine(reach: &Reach, bounds: &WorkerBounds, mode: ConfinementMode) -> Result<Confinement, UnconfinedParts> {
    if mode == ConfinementMode::Off {
        return Ok(Confinement::default());
    }
    if let Err(why) = alone() {
        let parts = ConfinementPart::ALL.map(|part| (part, PartState::Missing(why.clone())));
        return Err(UnconfinedParts(Confinement { parts: parts.into(), landlock: None }));
    }
    let needs = AccessNeeds::new(reach);
    let supervisor = getppid();
    let version = LandlockVersion::of_kernel();
    version.into_iter().for_each(version::remember);
    // In this order: each step takes away what the one before it needs.
    let given = process::give_up(&needs, bounds);
    let files = files::restrict(reach, version.unwrap_or(LandlockVersion::NEWEST));
    let privileges = given.as_ref().map_err(Clone::clone).and_then(verify::privileges);
    let resources = given.as_ref().map_err(Clone::clone).and_then(verify::resources);
    let calls = calls::restrict(&needs, version.is_none_or(LandlockVersion::holds_cuts));
    let tried =
        |found: &dyn Fn() -> PartState| calls.as_ref().map_or_else(|why| PartState::Missing(why.clone()), |()| found());
    let parts = ConfinementPart::ALL.map(|part| {
        let state = match part {
            ConfinementPart::Files => files.as_ref().map_or_else(
                |why| PartState::Missing(why.clone()),
                |held| verify::files(held, verify::TryingProcess::Worker),
            ),
            ConfinementPart::Programs => tried(&verify::programs),
            ConfinementPart::Network => tried(&verify::network),
            ConfinementPart::Signals => tried(&|| verify::signals(supervisor)),
            ConfinementPart::Calls => tried(&verify::calls),
            ConfinementPart::Privileges => state(&privileges),
            ConfinementPart::Resources => state(&resources),
        };
        (part, state)
    });
    let confinement = Confinement { parts: parts.into(), landlock: files.ok().map(|held| held.number) };
    if mode == ConfinementMode::Require && confinement.missing().next().is_some() {
        return Err(UnconfinedParts(confinement));
    }
    Ok(confinement)
}

/// Checks that this is the only thread of the process. The kernel does not confine threads that existed before.
fn alone() -> Result<(), String> {
    let others = other_threads().map_err(|error| format!("the threads of the process are unknown: {error}"))?;
    if others.is_empty() {
        return Ok(());
    }
    Err(format!("the process has other threads, which would stay unconfined: {}", others.join(", ")))
}

fn state(result: &Result<(), String>) -> PartState {
    result.as_ref().map_or_else(|why| PartState::Missing(why.clone()), |()| PartState::Verified)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Returns what a thread meets under an older version of Landlock, with its seccomp filter or without. The process
    /// itself stays unconfined.
    fn held(version: i32, filtered: bool) -> PartState {
        let reach = Reach::default();
        thread::spawn(move || {
            let held = files::restrict(&reach, LandlockVersion::numbered(version)).unwrap();
            if filtered {
                // The filter needs this. `process::give_up` sets it as well, but also limits the whole process.
                rustix::thread::set_no_new_privs(true).unwrap();
                let needs = AccessNeeds { reads: true, writes: true, ..AccessNeeds::new(&reach) };
                calls::restrict(&needs, held.version.holds_cuts()).unwrap();
            }
            verify::files(&held, verify::TryingProcess::Worker)
        })
        .join()
        .unwrap()
    }

    #[test]
    fn a_process_with_other_threads_is_not_confined() {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let (started, has_its_name) = std::sync::mpsc::channel();
        let other = move || {
            started.send(()).unwrap();
            wait.recv()
        };
        let other = thread::Builder::new().name("not-held".to_owned()).spawn(other).unwrap();
        has_its_name.recv().unwrap();
        for mode in [ConfinementMode::Require, ConfinementMode::Available] {
            let unconfined = confine(&Reach::default(), &WorkerBounds::default(), mode).unwrap_err();
            assert!(unconfined.0.parts.iter().all(|(_, state)| matches!(state, PartState::Missing(_))), "{unconfined}");
            assert!(unconfined.to_string().contains("`not-held` ("), "{unconfined}");
        }
        drop(end);
        other.join().unwrap().unwrap_err();
        assert!(std::fs::File::open("/proc/self/stat").is_ok(), "nothing was given up");
    }

    #[test]
    fn an_older_landlock_holds_with_its_filter_and_is_found_out_without() {
        let newest = LandlockVersion::of_kernel().unwrap();
        for version in [1, 2] {
            assert!(LandlockVersion::numbered(version) <= newest && !LandlockVersion::numbered(version).holds_cuts());
            assert_eq!(held(version, true), PartState::Verified, "{version}");
            assert!(matches!(held(version, false), PartState::Missing(why) if why.contains("cut")), "{version}");
        }
        assert_eq!(held(3, true), PartState::Verified);
    }

    #[test]
    fn what_holds_a_part_is_told() {
        let holders = |landlock| {
            let confinement = Confinement { landlock, ..Confinement::default() };
            confinement
                .holders(ConfinementPart::Files)
                .iter()
                .map(|text| text.split(':').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(holders(Some(7)), ["Landlock, version 7"]);
        assert_eq!(holders(Some(2)), ["Landlock, version 2", "seccomp", "the supervisor"]);
        assert_eq!(holders(Some(1)), ["Landlock, version 1", "seccomp", "the supervisor", "the kernel"]);
        assert_eq!(holders(None), Vec::<String>::new());
        assert!(ConfinementPart::ALL.iter().skip(1).all(|part| !Confinement::default().holders(*part).is_empty()));
    }
}
