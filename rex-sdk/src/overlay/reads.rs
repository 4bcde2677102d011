//! The results of reads of the system below, recorded so that a later run can be required to find the same.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use blake3::Hasher;

use crate::os::{DirEntry, EntryKind, FileAccess, Metadata, Source, SourceState};

/// Maximum number of separate entries; later reads are added to the last one.
const MOST: usize = 10_000;

/// A read of the system below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct OverlayRead {
    /// The kind of read: `read`, `list`, `stat`, ...
    pub what: String,
    /// The id of the resource.
    pub resource: String,
    /// The BLAKE3 hash of the result, which excludes access times, process numbers and amounts of use.
    pub hash: String,
}

type SharedHasher = Arc<Mutex<Hasher>>;

/// All reads so far.
#[derive(Default)]
pub(super) struct OverlayReads(Vec<(String, String, SharedHasher)>);

impl OverlayReads {
    /// Returns the hasher for the result of a read.
    fn of(&mut self, what: &str, resource: &str) -> SharedHasher {
        if let Some((.., last)) = self.0.last().filter(|_| self.0.len() >= MOST) {
            return last.clone();
        }
        let hasher = SharedHasher::default();
        self.0.push((what.to_owned(), resource.to_owned(), hasher.clone()));
        hasher
    }

    /// Adds a read with its whole result.
    pub(super) fn add(&mut self, what: &str, resource: &str, gave: &[u8]) {
        add(&self.of(what, resource), gave);
    }

    /// Adds the metadata of a name.
    pub(super) fn stat(&mut self, resource: &str, metadata: &Metadata) {
        let Metadata { kind, mode, uid, gid, .. } = metadata;
        // The size and modification time of a directory depend on the file system.
        let own = (*kind != EntryKind::Directory).then_some((metadata.size, metadata.modified));
        self.add("stat", resource, format!("{kind:?} {mode} {uid} {gid} {own:?} {:?}", metadata.target).as_bytes());
    }

    /// Adds a directory with its entries.
    pub(super) fn list(&mut self, resource: &str, entries: &[DirEntry]) {
        let hasher = self.of("list", resource);
        for DirEntry { name, kind } in entries {
            add(&hasher, name);
            add(&hasher, b"/");
            add(&hasher, kind.as_str().as_bytes());
            add(&hasher, b"\0");
        }
    }

    /// Adds an open file, and hashes what is read from it. In the plan, its permission bits may differ from those
    /// below.
    pub(super) fn source(
        &mut self,
        resource: &str,
        source: Box<dyn Source>,
        access: Option<FileAccess>,
    ) -> Box<dyn Source> {
        Box::new(HashedSource { source, access, hasher: self.of("read", resource) })
    }

    pub(super) fn told(&self) -> Vec<OverlayRead> {
        let hash = |hasher: &SharedHasher| hasher.lock().unwrap_or_else(PoisonError::into_inner).finalize().to_string();
        let seen = |(what, resource, hasher): &(String, String, SharedHasher)| OverlayRead {
            what: what.clone(),
            resource: resource.clone(),
            hash: hash(hasher),
        };
        self.0.iter().map(seen).collect()
    }
}

fn add(hasher: &SharedHasher, bytes: &[u8]) {
    hasher.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
}

struct HashedSource {
    source: Box<dyn Source>,
    access: Option<FileAccess>,
    hasher: SharedHasher,
}

impl Read for HashedSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        add(&self.hasher, buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Source for HashedSource {
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
