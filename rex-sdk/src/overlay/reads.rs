//! What reads of the system below gave, so that a later run can be told to find the same.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use blake3::Hasher;

use crate::os::{Access, DirEntry, EntryKind, Metadata, Source, SourceState};

/// How many are kept apart. Those after them are one.
const MOST: usize = 10_000;

/// Something that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    /// What was done: `read`, `list`, `stat`, ...
    pub what: String,
    /// To what.
    pub resource: String,
    /// The BLAKE3 of what it gave. Times of reading, numbers of processes and how much was used are no part of it.
    pub hash: String,
}

type Shared = Arc<Mutex<Hasher>>;

/// All that was read.
#[derive(Default)]
pub(super) struct Reads(Vec<(String, String, Shared)>);

impl Reads {
    /// Where what comes of a read is added up.
    fn of(&mut self, what: &str, resource: &str) -> Shared {
        if let Some((.., last)) = self.0.last().filter(|_| self.0.len() >= MOST) {
            return last.clone();
        }
        let hasher = Shared::default();
        self.0.push((what.to_owned(), resource.to_owned(), hasher.clone()));
        hasher
    }

    /// Something that was read at once.
    pub(super) fn add(&mut self, what: &str, resource: &str, gave: &[u8]) {
        add(&self.of(what, resource), gave);
    }

    /// Something that was looked at.
    pub(super) fn stat(&mut self, resource: &str, metadata: &Metadata) {
        let Metadata { kind, mode, uid, gid, .. } = metadata;
        // The size of a directory, and when it changed, is up to the file system.
        let own = (*kind != EntryKind::Directory).then_some((metadata.size, metadata.modified));
        self.add("stat", resource, format!("{kind:?} {mode} {uid} {gid} {own:?} {:?}", metadata.target).as_bytes());
    }

    /// A directory that was listed.
    pub(super) fn list(&mut self, resource: &str, entries: &[DirEntry]) {
        let hasher = self.of("list", resource);
        for DirEntry { name, kind } in entries {
            add(&hasher, name);
            add(&hasher, b"/");
            add(&hasher, kind.as_str().as_bytes());
            add(&hasher, b"\0");
        }
    }

    /// A file that was opened: what is read of it is added up. In the plan it may have other bits than the one below has.
    pub(super) fn source(
        &mut self,
        resource: &str,
        source: Box<dyn Source>,
        access: Option<Access>,
    ) -> Box<dyn Source> {
        Box::new(Counted { source, access, hasher: self.of("read", resource) })
    }

    pub(super) fn told(&self) -> Vec<Seen> {
        let hash = |hasher: &Shared| hasher.lock().unwrap_or_else(PoisonError::into_inner).finalize().to_string();
        let seen = |(what, resource, hasher): &(String, String, Shared)| Seen {
            what: what.clone(),
            resource: resource.clone(),
            hash: hash(hasher),
        };
        self.0.iter().map(seen).collect()
    }
}

fn add(hasher: &Shared, bytes: &[u8]) {
    hasher.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
}

struct Counted {
    source: Box<dyn Source>,
    access: Option<Access>,
    hasher: Shared,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        add(&self.hasher, buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Source for Counted {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.source.read_at(buffer, offset)?;
        add(&self.hasher, buffer.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn state(&self) -> io::Result<SourceState> {
        let state = self.source.state()?;
        Ok(SourceState { access: self.access.unwrap_or(state.access), ..state })
    }

    fn read_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let before = bytes.len();
        let count = self.source.read_into(bytes)?;
        add(&self.hasher, bytes.get(before..).unwrap_or_default());
        Ok(count)
    }
}
