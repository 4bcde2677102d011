//! Files in memory.

use std::collections::btree_map::Entry;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use rex_core::action::fs;
use rex_core::{AbsPath, Grant};

use super::MemOs;
use super::tree::{Body, Entries, Node, Tree};
use crate::links::Last;
use crate::os::{DirEntry, EntryKind, Files, Metadata, OsError, Source, SourceState, Taken, WriteOptions};

impl Files for MemOs {
    fn open(&self, grant: Grant<fs::Read>) -> Result<Box<dyn Source>, OsError> {
        self.count();
        let tree = self.tree();
        let node = tree.find(grant.resource(), Last::Cross)?;
        match &node.body {
            Body::File(bytes) => Ok(Box::new(MemSource { bytes: bytes.clone(), at: 0, id: node.id })),
            body => Err(OsError::WrongKind(kind(body))),
        }
    }

    fn list(&self, grant: Grant<fs::List>, max: u64) -> Result<Vec<DirEntry>, OsError> {
        self.count();
        match &self.tree().find(grant.resource(), Last::Cross)?.body {
            Body::Directory(entries) if entries.len() as u64 > max => Err(OsError::TooMany(max)),
            Body::Directory(entries) => {
                let entry = |(name, node): (&Vec<u8>, &Node)| DirEntry { name: name.clone(), kind: node.kind() };
                Ok(entries.iter().map(entry).collect())
            }
            _ => Err(failed(io::ErrorKind::NotADirectory)),
        }
    }

    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError> {
        self.count();
        Ok(metadata(self.tree().find(grant.resource(), Last::Keep)?))
    }

    fn write(
        &self,
        grant: Grant<fs::Write>,
        contents: &mut dyn io::Read,
        options: WriteOptions,
    ) -> Result<u64, OsError> {
        self.count();
        let (path, max) = (grant.resource(), grant.action().bytes);
        let last = if options.new { Last::Keep } else { Last::Cross };
        let old = destination(&mut self.tree(), path, last, options)?;
        let mut bytes = Vec::new();
        // Not while the tree is locked: the contents may come from another file of it.
        contents.take(u64::try_from(max).unwrap_or(0).saturating_add(1)).read_to_end(&mut bytes)?;
        if i64::try_from(bytes.len()).is_ok_and(|count| count <= max) {
            let count = bytes.len() as u64;
            let mut tree = self.tree();
            let mut file = tree.node(Body::File(Arc::new(bytes)));
            file.mode = old.unwrap_or(file.mode);
            tree.parent(path, last)?.insert(path.name().into(), file);
            return Ok(count);
        }
        Err(OsError::TooMuch(max))
    }

    fn append(&self, grant: Grant<fs::Append>, bytes: &[u8]) -> Result<(), OsError> {
        self.count();
        let (path, max) = (grant.resource(), grant.action().bytes);
        if i64::try_from(bytes.len()).map_or(true, |count| count > max) {
            return Err(OsError::TooMuch(max));
        }
        let mut tree = self.tree();
        match tree.find(path, Last::Cross) {
            Err(OsError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                let file = tree.node(Body::File(Arc::new(bytes.to_vec())));
                match tree.parent(path, Last::Cross)?.entry(path.name().into()) {
                    Entry::Vacant(free) => free.insert(file),
                    // A link that leads through what does not exist.
                    Entry::Occupied(_) => return Err(error.into()),
                };
                Ok(())
            }
            Err(error) => Err(error),
            Ok(_) => match &mut tree.get_mut(path)?.body {
                Body::File(contents) => {
                    Arc::make_mut(contents).extend_from_slice(bytes);
                    Ok(())
                }
                body => Err(OsError::WrongKind(kind(body))),
            },
        }
    }

    fn create_dir(&self, grant: Grant<fs::CreateDir>) -> Result<(), OsError> {
        self.count();
        let path = grant.resource();
        let mut tree = self.tree();
        let directory = tree.node(Body::Directory(Entries::new()));
        let entries = tree.parent(path, Last::Keep)?;
        if path.is_root() || entries.contains_key(path.name().as_bytes()) {
            return Err(failed(io::ErrorKind::AlreadyExists));
        }
        entries.insert(path.name().into(), directory);
        Ok(())
    }

    fn remove(&self, grant: Grant<fs::Remove>) -> Result<(), OsError> {
        self.count();
        self.remove_if(grant.resource(), |body| match body {
            Body::Directory(_) => Err(io::ErrorKind::IsADirectory),
            _ => Ok(()),
        })
    }

    fn remove_dir(&self, grant: Grant<fs::Remove>) -> Result<(), OsError> {
        self.count();
        self.remove_if(grant.resource(), |body| match body {
            Body::Directory(entries) if entries.is_empty() => Ok(()),
            Body::Directory(_) => Err(io::ErrorKind::DirectoryNotEmpty),
            _ => Err(io::ErrorKind::NotADirectory),
        })
    }

    fn take(&self, grant: Grant<fs::Rename>) -> Result<Box<dyn Taken>, OsError> {
        self.count();
        let from = grant.resource().clone();
        let tree = self.tree();
        let node = tree.find(&from, Last::Keep)?;
        match &node.body {
            Body::File(bytes) => Ok(Box::new(MemTaken {
                tree: self.tree.clone(),
                calls: self.calls.clone(),
                size: bytes.len() as u64,
                id: node.id,
                from,
            })),
            body => Err(OsError::WrongKind(kind(body))),
        }
    }
}

impl MemOs {
    fn remove_if(&self, path: &AbsPath, may: fn(&Body) -> Result<(), io::ErrorKind>) -> Result<(), OsError> {
        if path.is_root() {
            return Err(failed(io::ErrorKind::ResourceBusy));
        }
        let mut tree = self.tree();
        let entries = tree.parent(path, Last::Keep)?;
        let node = entries.get(path.name().as_bytes()).ok_or_else(|| failed(io::ErrorKind::NotFound))?;
        may(&node.body).map_err(failed)?;
        entries.remove(path.name().as_bytes());
        Ok(())
    }
}

/// The mode of the regular file that is there; `None` if nothing is. Anything else may not be replaced.
fn destination(tree: &mut Tree, path: &AbsPath, last: Last, options: WriteOptions) -> Result<Option<u32>, OsError> {
    if path.is_root() {
        return Err(OsError::WrongKind(EntryKind::Directory));
    }
    match tree.parent(path, last)?.get(path.name().as_bytes()) {
        None => Ok(None),
        Some(_) if options.new => Err(failed(io::ErrorKind::AlreadyExists)),
        Some(Node { body: Body::File(_), mode, .. }) => Ok(Some(*mode)),
        Some(Node { body: Body::Link(_), .. }) if last == Last::Cross => Err(tree.crossed(path, last)),
        Some(node) => Err(OsError::WrongKind(node.kind())),
    }
}

fn kind(body: &Body) -> EntryKind {
    match body {
        Body::File(_) => EntryKind::File,
        Body::Directory(_) => EntryKind::Directory,
        Body::Link(_) => EntryKind::Symlink,
        Body::Special(kind) => *kind,
    }
}

fn metadata(node: &Node) -> Metadata {
    let (size, target) = match &node.body {
        Body::File(bytes) => (bytes.len(), None),
        Body::Link(target) => (target.len(), String::from_utf8(target.clone()).ok()),
        Body::Directory(_) | Body::Special(_) => (0, None),
    };
    Metadata {
        kind: node.kind(),
        size: size as u64,
        modified: node.modified,
        accessed: node.modified,
        changed: node.modified,
        mode: node.mode,
        uid: 0,
        gid: 0,
        links: 1,
        target,
    }
}

fn failed(kind: io::ErrorKind) -> OsError {
    io::Error::from(kind).into()
}

/// A file as it was when it was opened.
struct MemSource {
    bytes: Arc<Vec<u8>>,
    at: u64,
    id: u64,
}

impl Read for MemSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Source for MemSource {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut rest = usize::try_from(offset).ok().and_then(|at| self.bytes.get(at..)).unwrap_or_default();
        rest.read(buffer)
    }

    fn state(&self) -> io::Result<SourceState> {
        Ok(SourceState { id: (0, self.id), size: self.size() })
    }

    fn read_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let room = bytes.capacity() - bytes.len();
        let rest = usize::try_from(self.at).ok().and_then(|at| self.bytes.get(at..)).unwrap_or_default();
        let read = rest.get(..room).unwrap_or(rest);
        bytes.extend_from_slice(read);
        self.at += read.len() as u64;
        Ok(read.len())
    }
}

struct MemTaken {
    tree: Arc<Mutex<Tree>>,
    calls: Arc<AtomicU64>,
    from: AbsPath,
    id: u64,
    size: u64,
}

impl Taken for MemTaken {
    fn size(&self) -> u64 {
        self.size
    }

    fn rename(&self, to: Grant<fs::Write>, options: WriteOptions) -> Result<(), OsError> {
        self.calls.fetch_add(1, Relaxed);
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        destination(&mut tree, to.resource(), Last::Keep, options)?;
        match tree.get(&self.from) {
            Ok(Node { id, body: Body::File(bytes), .. }) if *id == self.id => {
                if i64::try_from(bytes.len()).map_or(true, |size| size > to.action().bytes) {
                    return Err(OsError::TooMuch(to.action().bytes));
                }
            }
            _ => return Err(OsError::Changed),
        }
        let taken = tree.parent(&self.from, Last::Keep)?.remove(self.from.name().as_bytes());
        let node = taken.ok_or(OsError::Changed)?;
        tree.parent(to.resource(), Last::Keep)?.insert(to.resource().name().into(), node);
        Ok(())
    }
}
