//! Landlock rules from a reach.
//!
//! A rule holds for a file or for a directory with all below it. What creates, replaces or removes a name changes the
//! directory that the name is in, so there the rule is for that directory: the kernel's bound is that much wider.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::fcntl::OFlag;
use rex_core::action::{fs, sys};
use rex_core::{AbsPath, Action, ActionSpec, Extent, Place, Reach};

use super::super::resolve;
use crate::links::Last;

/// The newest interface that was tried with this code. What an older kernel lacks of it is found out by trying.
const NEWEST: ABI = ABI::V7;
/// The oldest that holds what is asked of it: before, files could be truncated by whoever could not write them.
const OLDEST: ABI = ABI::V3;

/// What is held.
pub(super) struct Held {
    rules: BTreeMap<String, BitFlags<AccessFs>>,
}

impl Held {
    /// Whether the rules let a path be opened so.
    pub(super) fn lets(&self, path: &str, access: AccessFs) -> bool {
        let holds = |root: &str| {
            root == "/" || path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.rules.iter().any(|(root, accesses)| accesses.contains(access) && holds(root))
    }
}

/// Restricts this thread to the files of a reach; `Err` says what the kernel lacks.
pub(super) fn restrict(reach: &Reach) -> Result<Held, String> {
    let rules = rules(reach);
    let restricted = apply(&rules).map_err(|error| format!("Landlock: {error}"))?;
    match restricted {
        LandlockStatus::Available { effective_abi, .. } if effective_abi >= OLDEST => Ok(Held { rules }),
        LandlockStatus::Available { effective_abi, .. } => {
            Err(format!("Landlock is of version {}, {} is needed: Linux 6.2", effective_abi as i32, OLDEST as i32))
        }
        LandlockStatus::NotEnabled => {
            Err("Landlock is not enabled: add it to the kernel's `lsm=` parameter".to_owned())
        }
        _ => Err("the kernel has no Landlock: Linux 6.2 with CONFIG_SECURITY_LANDLOCK".to_owned()),
    }
}

fn apply(rules: &BTreeMap<String, BitFlags<AccessFs>>) -> Result<LandlockStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for (path, access) in rules {
        // What is not there, or is reached through a link, has no rule: the name behind a link has its own.
        if let Some((place, directory)) = open(path) {
            let access = if directory { *access } else { *access & AccessFs::from_file(NEWEST) };
            if !access.is_empty() {
                ruleset = ruleset.add_rule(PathBeneath::new(place, access))?;
            }
        }
    }
    let status = ruleset.restrict_self()?;
    Ok(if status.ruleset == RulesetStatus::NotEnforced { LandlockStatus::NotImplemented } else { status.landlock })
}

fn open(path: &str) -> Option<(OwnedFd, bool)> {
    let path = AbsPath::parse(path).ok()?;
    let place = resolve::open(&path, OFlag::O_PATH, Last::Cross).ok()?;
    let directory = super::super::open::is_directory(&place);
    Some((place, directory))
}

/// Which access each path needs.
fn rules(reach: &Reach) -> BTreeMap<String, BitFlags<AccessFs>> {
    let mut rules = Rules { reach, map: BTreeMap::new() };
    rules.on_the_thing(fs::Read::SPEC, AccessFs::ReadFile.into());
    rules.on_the_thing(fs::List::SPEC, AccessFs::ReadDir.into());
    rules.on_its_directory(fs::Append::SPEC, AccessFs::WriteFile | AccessFs::MakeReg);
    rules.on_its_directory(fs::CreateDir::SPEC, AccessFs::MakeDir.into());
    rules.on_its_directory(fs::Remove::SPEC, AccessFs::RemoveFile | AccessFs::RemoveDir);
    // Written beside the old file and renamed over it, so the name is removed too.
    let write = AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile;
    let renames = reach.extent(fs::Rename::SPEC).is_some_and(|extent| !extent.is_empty());
    rules.on_its_directory(fs::Write::SPEC, if renames { write | AccessFs::Refer } else { write });
    rules.on_its_directory(fs::Rename::SPEC, AccessFs::RemoveFile | AccessFs::Refer);
    for (spec, files) in [
        (sys::Disk::SPEC, &["/proc/self/mountinfo"][..]),
        // The last two bound the number of processors.
        (
            sys::Inspect::SPEC,
            &["/proc/meminfo", "/proc/loadavg", "/proc/uptime", "/proc/self/cgroup", "/sys/fs/cgroup"],
        ),
    ] {
        if reach.extent(spec).is_some_and(|extent| !extent.is_empty()) {
            // `/proc/self` is a link.
            let own = format!("/proc/{}/", std::process::id());
            files.iter().for_each(|file| rules.add(&file.replace("/proc/self/", &own), AccessFs::ReadFile.into()));
        }
    }
    rules.map
}

struct Rules<'r> {
    reach: &'r Reach,
    map: BTreeMap<String, BitFlags<AccessFs>>,
}

impl Rules<'_> {
    fn add(&mut self, path: &str, access: BitFlags<AccessFs>) {
        *self.map.entry(path.to_owned()).or_default() |= access;
    }

    /// What is done to a thing itself. A file that the script may replace is another file afterwards, so that its directory is
    /// meant.
    fn on_the_thing(&mut self, spec: &ActionSpec, access: BitFlags<AccessFs>) {
        for place in self.places(spec) {
            match place {
                Place::Exactly(path) if self.is_replaced(&path) => self.add(parent(&path), access),
                Place::Exactly(path) | Place::Below(path) => self.add(&path, access),
                Place::Prefix(text) => self.add(parent(&text), access),
            }
        }
    }

    /// What is done to a name in a directory.
    fn on_its_directory(&mut self, spec: &ActionSpec, access: BitFlags<AccessFs>) {
        for place in self.places(spec) {
            match place {
                Place::Below(path) if is_directory(&path) => self.add(&path, access),
                Place::Exactly(path) | Place::Below(path) | Place::Prefix(path) => self.add(parent(&path), access),
            }
        }
    }

    fn places(&self, spec: &ActionSpec) -> Vec<Place> {
        match self.reach.extent(spec) {
            None => Vec::new(),
            Some(Extent::Anything) => vec![Place::Below("/".to_owned())],
            Some(Extent::Within(places)) => places.iter().cloned().collect(),
        }
    }

    fn is_replaced(&self, path: &str) -> bool {
        let Ok(path) = AbsPath::parse(path) else { return true };
        [fs::Write::SPEC, fs::Append::SPEC].into_iter().any(|spec| self.reach.covers(spec, &path))
    }
}

fn is_directory(path: &str) -> bool {
    open(path).is_some_and(|(_, directory)| directory)
}

/// The directory that a path, or the beginning of one, is in.
fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}
