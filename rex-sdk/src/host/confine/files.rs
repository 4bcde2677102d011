//! Landlock rules derived from a reach.
//!
//! A rule applies to a file, or to a directory with everything below it. To create, replace or remove a name is to
//! change the directory that contains it, so the rule is for that directory, which makes the kernel's bound wider.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use rex_core::action::fs;
use rex_core::{AbsPath, Action, ActionSpec, Extent, Reach, ReachPlace};

use super::super::resolve;
use super::version::LandlockVersion;
use crate::links::FinalLink;

/// The Landlock rules that restrict a thread.
pub(super) struct LandlockRules {
    rules: BTreeMap<String, BitFlags<AccessFs>>,
    /// The version whose rights were requested.
    pub(super) version: LandlockVersion,
    /// The version of the kernel, which may be newer.
    pub(super) number: u32,
}

impl LandlockRules {
    /// Checks whether the rules allow this access to a path.
    pub(super) fn lets(&self, path: &str, access: AccessFs) -> bool {
        let holds = |root: &str| {
            root == "/" || path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.rules.iter().any(|(root, accesses)| accesses.contains(access) && holds(root))
    }
}

/// Restricts this thread to the files of a reach; `Err` says what the kernel lacks.
pub(super) fn restrict(reach: &Reach, version: LandlockVersion) -> Result<LandlockRules, String> {
    Rulebook::new(rules(reach), version)?.restrict()
}

/// Rules that the kernel knows, and that restrict no thread yet.
pub(super) struct Rulebook {
    rules: BTreeMap<String, BitFlags<AccessFs>>,
    kernel: RulesetCreated,
    version: LandlockVersion,
}

impl Rulebook {
    fn new(rules: BTreeMap<String, BitFlags<AccessFs>>, version: LandlockVersion) -> Result<Self, String> {
        Ok(Self { kernel: tell(&rules, version).map_err(failed)?, rules, version })
    }

    /// Creates the rules of a program that a script starts: the reach, and the program itself with its libraries.
    ///
    /// If the kernel does not limit which files are truncated, a process that can write a file can truncate it. So a
    /// file that may be appended to but not truncated cannot be opened for writing.
    pub(super) fn of_program(reach: &Reach, program: &OwnedFd, version: LandlockVersion) -> Result<Self, String> {
        let mut rules = rules(reach);
        if !version.holds_cuts() {
            for access in rules.values_mut().filter(|access| !access.contains(AccessFs::Truncate)) {
                access.remove(AccessFs::WriteFile);
            }
        }
        let Self { rules, mut kernel, .. } = Self::new(rules, version)?;
        let run = AccessFs::Execute | AccessFs::ReadFile;
        // Landlock has no rules for files that are only in memory, and allows them; a program makes none itself.
        if !is_sealed(program) {
            kernel = kernel.add_rule(PathBeneath::new(program, run)).map_err(failed)?;
        }
        let shared = LOADERS
            .iter()
            .map(|path| (path, run))
            .chain(LIBRARIES.iter().map(|path| (path, AccessFs::ReadFile | AccessFs::ReadDir)));
        let devices = [(&"/dev/null", AccessFs::ReadFile | AccessFs::WriteFile)];
        for (path, access) in shared.chain(devices) {
            // Fixed names of the system, some of which each host has; most are links.
            if let Ok(place) = nix::fcntl::open(*path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()) {
                let directory = super::super::open::is_directory(&place);
                let access = if directory { access } else { access & of_a_file() };
                kernel = kernel.add_rule(PathBeneath::new(place, access)).map_err(failed)?;
            }
        }
        Ok(Self { rules, kernel, version })
    }

    /// Restricts this thread, and all that it starts.
    pub(super) fn restrict(self) -> Result<LandlockRules, String> {
        let status = self.kernel.restrict_self().map_err(failed)?;
        let status =
            if status.ruleset == RulesetStatus::NotEnforced { LandlockStatus::NotImplemented } else { status.landlock };
        found(&status).map(|number| LandlockRules { rules: self.rules, version: self.version, number })
    }
}

/// Checks whether this is a copy in memory that is sealed against writing.
fn is_sealed(file: &OwnedFd) -> bool {
    let seals = nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_GET_SEALS);
    seals.is_ok_and(|seals| seals & nix::libc::F_SEAL_WRITE != 0)
}

/// Programs that the kernel starts to load others: the dynamic loaders of the GNU and musl C libraries.
const LOADERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-riscv64-lp64d.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];
/// Files that programs use besides their own. Only the loaders can start something there.
const LIBRARIES: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/usr/share/locale",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/dev/zero",
    "/dev/urandom",
];

/// Checks whether a program confined to a reach can change a file, or replace it.
pub(in crate::host) fn may_change(reach: &Reach, file: &Path) -> bool {
    let changes = !(AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute);
    rules(reach).iter().any(|(path, access)| access.intersects(changes) && file.starts_with(path))
}

/// Describes what a program confined to a reach can open, for people who wonder why it failed.
pub(in crate::host) fn in_words(reach: &Reach) -> String {
    /// Maximum number of names in a list.
    const MOST: usize = 8;
    let rules = rules(reach);
    let list = |accesses: BitFlags<AccessFs>| {
        let held: Vec<_> = rules.iter().filter(|(_, access)| access.intersects(accesses)).collect();
        let mut names: Vec<_> = held.iter().take(MOST).map(|(path, _)| format!("`{}`", path.escape_debug())).collect();
        if held.len() > MOST {
            names.push(format!("{} more", held.len() - MOST));
        }
        if names.is_empty() { "no file".to_owned() } else { names.join(", ") }
    };
    let reads = AccessFs::ReadFile | AccessFs::ReadDir;
    let (read, changed) = (list(reads), list(LandlockVersion::NEWEST.files() & !(reads | AccessFs::Execute)));
    format!(
        "the program was confined to what the policy permits: besides itself and the libraries of the system, it could read {read} and change {changed}"
    )
}

fn failed(error: RulesetError) -> String {
    format!("Landlock: {error}")
}

/// Returns the Landlock version of the kernel.
fn found(status: &LandlockStatus) -> Result<u32, String> {
    match status {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            Ok(u32::try_from(kernel_abi.unwrap_or(*effective_abi as i32)).unwrap_or(0))
        }
        LandlockStatus::NotEnabled => {
            Err("Landlock is not enabled: add it to the kernel's `lsm=` parameter".to_owned())
        }
        _ => Err("the kernel has no Landlock: Linux 5.13 with CONFIG_SECURITY_LANDLOCK".to_owned()),
    }
}

/// Returns the rights that apply to anything but a directory.
fn of_a_file() -> BitFlags<AccessFs> {
    AccessFs::from_file(ABI::V6)
}

fn tell(
    rules: &BTreeMap<String, BitFlags<AccessFs>>,
    version: LandlockVersion,
) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(version.files())?;
    if !version.network().is_empty() {
        ruleset = ruleset.handle_access(version.network())?;
    }
    if !version.scopes().is_empty() {
        ruleset = ruleset.scope(version.scopes())?;
    }
    let mut ruleset = ruleset.create()?;
    for (path, access) in rules {
        // A path that is missing, or crosses a link, has no rule: the name behind a link has its own.
        if let Some((place, directory)) = open(path) {
            let access = if directory { *access } else { *access & of_a_file() } & version.files();
            if !access.is_empty() {
                ruleset = ruleset.add_rule(PathBeneath::new(place, access))?;
            }
        }
    }
    Ok(ruleset)
}

fn open(path: &str) -> Option<(OwnedFd, bool)> {
    let path = AbsPath::parse(path).ok()?;
    let place = resolve::open(&path, OFlag::O_PATH, FinalLink::Cross).ok()?;
    let directory = super::super::open::is_directory(&place);
    Some((place, directory))
}

/// Returns the access that each path needs.
fn rules(reach: &Reach) -> BTreeMap<String, BitFlags<AccessFs>> {
    let mut rules = ReachRules { reach, map: BTreeMap::new() };
    rules.on_the_thing(fs::Read::SPEC, AccessFs::ReadFile.into());
    rules.on_the_thing(fs::List::SPEC, AccessFs::ReadDir.into());
    rules.on_the_thing_or_its_directory(fs::Append::SPEC, AccessFs::WriteFile | AccessFs::MakeReg);
    rules.on_its_directory(fs::CreateDir::SPEC, AccessFs::MakeDir.into());
    rules.on_its_directory(fs::Remove::SPEC, AccessFs::RemoveFile | AccessFs::RemoveDir);
    // Rex writes beside the old file and renames over it, which removes the name as well. Programs write in place.
    let write = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let reaches = |spec: &ActionSpec| reach.extent(spec).is_some_and(|extent| !extent.is_empty());
    let renames = reaches(fs::Rename::SPEC) || reaches(fs::HardLink::SPEC);
    rules.on_its_directory(fs::Write::SPEC, if renames { write | AccessFs::Refer } else { write });
    rules.on_its_directory(fs::Rename::SPEC, AccessFs::RemoveFile | AccessFs::Refer);
    rules.on_its_directory(fs::HardLink::SPEC, AccessFs::Refer.into());
    rules.on_its_directory(fs::Symlink::SPEC, AccessFs::MakeSym.into());
    rules.on_the_thing_or_its_directory(fs::Touch::SPEC, AccessFs::WriteFile | AccessFs::MakeReg);
    // Extended attributes are accessed through an open file. Permission bits and owners are not limited.
    rules.on_the_thing(fs::GetXattr::SPEC, AccessFs::ReadFile | AccessFs::ReadDir);
    rules.on_the_thing(fs::SetXattr::SPEC, AccessFs::ReadFile | AccessFs::ReadDir);
    rules.map
}

struct ReachRules<'r> {
    reach: &'r Reach,
    map: BTreeMap<String, BitFlags<AccessFs>>,
}

impl ReachRules<'_> {
    /// Adds access to a path. For a missing directory that the script may make, the access is for the one in which it
    /// will be made: a kernel knows only what exists.
    fn add(&mut self, path: &str, access: BitFlags<AccessFs>) {
        let makes = |path: &str| {
            AbsPath::parse(path).is_ok_and(|name| self.reach.covers(fs::CreateDir::SPEC, &name)) && open(path).is_none()
        };
        let mut path = path;
        while path != "/" && makes(path) {
            path = parent(path);
        }
        *self.map.entry(path.to_owned()).or_default() |= access;
    }

    /// Adds access to the thing itself. A file that the script may replace is another file afterwards, so the access is
    /// for its directory.
    fn on_the_thing(&mut self, spec: &ActionSpec, access: BitFlags<AccessFs>) {
        for place in self.places(spec) {
            match place {
                ReachPlace::Exactly(path) if self.is_replaced(&path) => self.add(parent(&path), access),
                ReachPlace::Exactly(path) | ReachPlace::Below(path) => self.add(&path, access),
                ReachPlace::Prefix(text) => self.add(parent(&text), access),
            }
        }
    }

    /// Adds access to a thing that exists, or to the directory in which the act makes it.
    fn on_the_thing_or_its_directory(&mut self, spec: &ActionSpec, access: BitFlags<AccessFs>) {
        for place in self.places(spec) {
            match place {
                ReachPlace::Exactly(path) if !self.is_replaced(&path) && open(&path).is_some() => {
                    self.add(&path, access)
                }
                place => self.add_directory(place, access),
            }
        }
    }

    /// Adds access to the directory that contains a name.
    fn on_its_directory(&mut self, spec: &ActionSpec, access: BitFlags<AccessFs>) {
        for place in self.places(spec) {
            self.add_directory(place, access);
        }
    }

    fn add_directory(&mut self, place: ReachPlace, access: BitFlags<AccessFs>) {
        match place {
            ReachPlace::Below(path) if is_directory(&path) => self.add(&path, access),
            ReachPlace::Exactly(path) | ReachPlace::Below(path) | ReachPlace::Prefix(path) => {
                self.add(self.above(&path), access)
            }
        }
    }

    /// Returns the directory that contains a path. A missing one that the script may create is itself a change of the
    /// directory above, as is everything in it, so that one is returned.
    fn above<'p>(&self, path: &'p str) -> &'p str {
        let mut directory = parent(path);
        while directory != "/" && open(directory).is_none() && self.creates(directory) {
            directory = parent(directory);
        }
        directory
    }

    fn creates(&self, path: &str) -> bool {
        AbsPath::parse(path).is_ok_and(|name| self.reach.covers(fs::CreateDir::SPEC, &name))
    }

    fn places(&self, spec: &ActionSpec) -> Vec<ReachPlace> {
        match self.reach.extent(spec) {
            None => Vec::new(),
            Some(Extent::Anything) => vec![ReachPlace::Below("/".to_owned())],
            Some(Extent::Within(places)) => places.iter().cloned().collect(),
        }
    }

    fn is_replaced(&self, path: &str) -> bool {
        let Ok(name) = AbsPath::parse(path) else { return true };
        let covers = |spec: &&ActionSpec| self.reach.covers(spec, &name);
        [fs::Write::SPEC, fs::Rename::SPEC, fs::Remove::SPEC].iter().any(covers)
            || (covers(&fs::Append::SPEC) && open(path).is_none())
    }
}

fn is_directory(path: &str) -> bool {
    open(path).is_some_and(|(_, directory)| directory)
}

/// Returns the directory that contains a path, or the beginning of one.
fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}
