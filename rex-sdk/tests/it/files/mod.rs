//! Files: real ones in a temporary directory, and those of the system in memory.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look at the disk behind Rex's back")]

mod changes;
mod denied;
mod derived;
mod differential;
mod follow;
mod kinds;
mod links;
mod metadata;
mod names;
mod race;
mod writes;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rex_core::action::fs as act;
use rex_core::journal::Event;
use rex_core::{
    AbsPath, Action, Authorize, Call, Code, Decision, Error, Grant, Limits, MemoryJournal, Principal, Request, Run,
    Subject, Value,
};
use rex_sdk::host::{HostOptions, JournalFiles};
use rex_sdk::os::{DirEntry, EntryKind, Files, Metadata, OsError, WriteOptions};
use rex_sdk::{HostOs, Os, Session};
use tempfile::TempDir;

/// A rule: may this action (`read`) be done on this path?
type Rule = Box<dyn Fn(&str, &str) -> bool + Send + Sync>;

struct Rules(Rule);

impl Authorize for Rules {
    fn decide(&self, request: &Request<'_>) -> Decision {
        if (self.0)(request.action.spec().name, request.resource.id()) {
            Decision::allow(&["rule"])
        } else {
            Decision::deny(None)
        }
    }
}

/// A system, a policy and a journal.
struct World<O> {
    os: O,
    run: Run,
    root: AbsPath,
    journal: Arc<MemoryJournal>,
}

impl<O: Os> World<O> {
    fn new(os: O, root: AbsPath, rule: Rule) -> Self {
        Self::limited(os, root, rule, Limits { wall_ms: u64::MAX, ..Limits::default() })
    }

    fn limited(os: O, root: AbsPath, rule: Rule, limits: Limits) -> Self {
        let journal = Arc::new(MemoryJournal::new(1_000));
        let subject = Subject::new(Principal::agent("tester"));
        let run = Run::new("test", subject, Arc::new(Rules(rule)), journal.clone(), limits);
        Self { os, run, root, journal }
    }

    fn session(&self) -> Session<'_> {
        Session::new(&self.run, &self.os, &self.root)
    }

    /// Returns a path below the root, or any absolute one.
    fn path(&self, name: &str) -> AbsPath {
        self.root.resolve(name).unwrap()
    }

    fn grant<A: Action<Resource = AbsPath>>(&self, action: A, name: &str) -> Grant<A> {
        self.run.gate(Call::default()).permit(action, self.path(name)).unwrap()
    }

    /// Returns the requests in the journal: `read /x`, with a leading `!` for denied ones.
    fn asked(&self) -> Vec<String> {
        let (records, _) = self.journal.take();
        let line = |event| match event {
            Event::Decision { action, resource, effect, .. } => {
                let denied = if effect == rex_core::Effect::Deny { "!" } else { "" };
                let resource = resource.strip_prefix(self.root.as_str()).unwrap_or(&resource).to_owned();
                Some(format!("{denied}{} {}", action.name, resource.trim_start_matches('/')))
            }
            _ => None,
        };
        records.into_iter().filter_map(|record| line(record.event)).collect()
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        self.session().open(self.path(name))?.read_all()
    }

    fn text(&self, name: &str) -> Result<String, Error> {
        Ok(String::from_utf8(self.read(name)?).unwrap())
    }

    fn write(&self, name: &str, contents: &[u8]) -> Result<u64, Error> {
        self.write_as(name, contents, WriteOptions::default())
    }

    fn write_as(&self, name: &str, contents: &[u8], options: WriteOptions) -> Result<u64, Error> {
        let action = act::Write { bytes: contents.len() as i64 };
        self.session().act(action, self.path(name), |grant| self.os.write(grant, &mut &*contents, options))
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let action = act::Append { bytes: bytes.len() as i64 };
        self.session().act(action, self.path(name), |grant| self.os.append(grant, bytes))
    }

    fn list(&self, name: &str) -> Result<Vec<DirEntry>, Error> {
        self.session().act(act::List {}, self.path(name), |grant| self.os.list(grant, 1_000))
    }

    fn stat(&self, name: &str) -> Result<Metadata, Error> {
        self.session().act(act::Stat {}, self.path(name), |grant| self.os.stat(grant))
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.session().act(act::Remove {}, self.path(name), |grant| self.os.remove(grant))
    }

    fn remove_dir(&self, name: &str) -> Result<(), Error> {
        self.session().act(act::Remove {}, self.path(name), |grant| self.os.remove_dir(grant))
    }

    fn create_dir(&self, name: &str) -> Result<(), Error> {
        self.session().act(act::CreateDir {}, self.path(name), |grant| self.os.create_dir(grant, None))
    }

    fn rename(&self, from: &str, to: &str, options: WriteOptions) -> Result<(), Error> {
        let session = self.session();
        let taken = session.act(act::Rename {}, self.path(from), |grant| self.os.take(grant))?;
        let action = act::Write { bytes: taken.size() as i64 };
        session.act(action, self.path(to), |grant| taken.rename(grant, options))
    }
}

/// A world on disk.
struct Disk {
    world: World<HostOs>,
    dir: TempDir,
}

impl std::ops::Deref for Disk {
    type Target = World<HostOs>;
    fn deref(&self) -> &World<HostOs> {
        &self.world
    }
}

impl Disk {
    /// Creates a disk that permits everything.
    fn new() -> Self {
        Self::ruled(|_, _| true)
    }

    /// Creates a disk on which a rule decides on actions on names below the root (`read`, `open/f`); nothing else is
    /// permitted.
    fn ruled(rule: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        Self::optioned(rule, HostOptions::default())
    }

    fn optioned(rule: impl Fn(&str, &str) -> bool + Send + Sync + 'static, options: HostOptions) -> Self {
        Self::at_dir(tempfile::tempdir().unwrap(), rule, options)
    }

    fn at_dir(dir: TempDir, rule: impl Fn(&str, &str) -> bool + Send + Sync + 'static, options: HostOptions) -> Self {
        // The umask of the world in memory, for every user who runs the tests.
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        let root = AbsPath::parse(fs::canonicalize(dir.path()).unwrap().to_str().unwrap()).unwrap();
        let prefix = format!("{root}/");
        let below = move |action: &str, path: &str| rule(action, path.strip_prefix(&prefix).unwrap_or(path));
        Self { world: World::new(HostOs::new(options), root, Box::new(below)), dir }
    }

    /// Returns the location of a name on disk.
    fn at(&self, name: &str) -> PathBuf {
        PathBuf::from(self.path(name).as_str())
    }

    /// Creates a file, and the directories above it.
    fn put(&self, name: &str, contents: impl AsRef<[u8]>) -> &Self {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
        self
    }

    fn link(&self, name: &str, target: &str) -> &Self {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    /// Returns the contents of a file.
    fn on_disk(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// Returns the names in a directory.
    fn names(&self, name: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.at(name))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// Returns the code, and for a denial the denied resource.
fn failure<T: std::fmt::Debug>(result: Result<T, Error>) -> (Code, Option<String>) {
    let error = result.unwrap_err();
    (error.code, error.denial.map(|denial| denial.resource))
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Code {
    failure(result).0
}
