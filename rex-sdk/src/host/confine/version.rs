//! Versions of Landlock: the rights that a kernel has, and what enforces the others.
//!
//! | version | Linux | what it added | what enforces it before |
//! |---|---|---|---|
//! | 1 | 5.13 | which files are opened, made and removed | nothing: the run is refused |
//! | 2 | 5.19 | which files are moved or linked to another directory | the kernel refuses every such move |
//! | 3 | 6.2 | which files are truncated | seccomp; for a worker, the supervisor changes lengths |
//! | 4 | 6.7 | TCP | seccomp: no process makes a socket |
//! | 5 | 6.10 | which devices are controlled | seccomp: a worker has no `ioctl`, a program only queries |
//! | 6 | 6.12 | signals, abstract sockets | seccomp: no process signals or makes a socket |

use std::sync::OnceLock;

use landlock::{ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};

/// A version of Landlock, of those that differ in what they enforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct LandlockVersion(ABI);

impl LandlockVersion {
    /// The newest version that was tried with this code.
    pub(super) const NEWEST: Self = Self(ABI::V6);

    /// Returns the version of this kernel; `None` where Landlock is missing or not enabled.
    pub(super) fn of_kernel() -> Option<Self> {
        let newest = [ABI::V6, ABI::V5, ABI::V4, ABI::V3, ABI::V2, ABI::V1];
        newest.into_iter().map(Self).find(|version| version.is_complete())
    }

    /// Checks whether the kernel has every right of this version.
    fn is_complete(self) -> bool {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let ruleset = ruleset.handle_access(self.files());
        let ruleset = ruleset.and_then(|rules| match self.network() {
            none if none.is_empty() => Ok(rules),
            network => rules.handle_access(network),
        });
        let ruleset = ruleset.and_then(|rules| match self.scopes() {
            none if none.is_empty() => Ok(rules),
            scopes => rules.scope(scopes),
        });
        ruleset.and_then(Ruleset::create).is_ok()
    }

    /// Returns the rights to files.
    pub(super) fn files(self) -> BitFlags<AccessFs> {
        AccessFs::from_all(self.0)
    }

    /// Returns the rights to the network.
    pub(super) fn network(self) -> BitFlags<AccessNet> {
        AccessNet::from_all(self.0)
    }

    /// Returns the scopes.
    pub(super) fn scopes(self) -> BitFlags<Scope> {
        Scope::from_all(self.0)
    }

    /// Checks whether it can let a file move to another directory. Earlier versions let none.
    pub(in super::super) fn holds_moves(self) -> bool {
        self.0 >= ABI::V2
    }

    /// Checks whether it limits which files are truncated.
    pub(in super::super) fn holds_cuts(self) -> bool {
        self.0 >= ABI::V3
    }

    /// Checks whether it keeps a restricted process from signaling others.
    pub(super) fn holds_signals(self) -> bool {
        self.0 >= ABI::V6
    }

    #[cfg(test)]
    pub(super) fn numbered(number: i32) -> Self {
        Self(ABI::from(number))
    }
}

static OWN: OnceLock<LandlockVersion> = OnceLock::new();

/// Remembers the version that this process was confined with.
pub(super) fn remember(version: LandlockVersion) {
    let _ = OWN.set(version);
}

/// Returns the version that this process was confined with; `None` if it is not confined.
pub(in super::super) fn own() -> Option<LandlockVersion> {
    OWN.get().copied()
}
