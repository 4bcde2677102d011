//! Open files and directories in memory.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use rex_core::action::fs;
use rex_core::{AbsPath, Grant};

use super::files::destination;
use super::tree::{FileTree, NodeBody, TreeNode};
use crate::links::FinalLink;
use crate::os::{
    DirEntry, Directory, FileAccess, LinkSource, Metadata, OsError, RenameSource, Source, SourceState, WriteOptions,
};

/// A file as it was when it was opened.
pub(super) struct MemSource {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) at: u64,
    pub(super) id: u64,
    pub(super) access: FileAccess,
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
        Ok(SourceState { id: (0, self.id), size: self.size(), access: self.access })
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

pub(super) struct MemDirectory {
    pub(super) tree: Arc<Mutex<FileTree>>,
    pub(super) calls: Arc<AtomicU64>,
    pub(super) path: AbsPath,
    pub(super) entries: Vec<DirEntry>,
}

impl Directory for MemDirectory {
    fn path(&self) -> &AbsPath {
        &self.path
    }

    fn take_entries(&mut self) -> Vec<DirEntry> {
        std::mem::take(&mut self.entries)
    }

    fn access(&self) -> Result<FileAccess, OsError> {
        let tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(tree.get(&self.path)?.access())
    }

    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError> {
        self.calls.fetch_add(1, Relaxed);
        if grant.resource().name_in(&self.path).is_none() {
            return Err(OsError::Changed);
        }
        let tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        tree.stat(grant.resource())
    }
}

impl LinkSource for MemTaken {
    fn size(&self) -> u64 {
        self.size
    }

    fn link(&self, to: Grant<fs::Write>) -> Result<(), OsError> {
        self.calls.fetch_add(1, Relaxed);
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let new = WriteOptions { new: true, ..WriteOptions::default() };
        destination(&mut tree, to.resource(), FinalLink::Keep, new)?;
        let file = match tree.get(&self.from) {
            Ok(node @ TreeNode { id, body: NodeBody::File(_), .. }) if *id == self.id => node.clone(),
            _ => return Err(OsError::Changed),
        };
        tree.link(file, to.resource())
    }
}

pub(super) struct MemTaken {
    pub(super) tree: Arc<Mutex<FileTree>>,
    pub(super) calls: Arc<AtomicU64>,
    pub(super) from: AbsPath,
    pub(super) id: u64,
    pub(super) size: u64,
}

impl RenameSource for MemTaken {
    fn size(&self) -> u64 {
        self.size
    }

    fn rename(&self, to: Grant<fs::Write>, options: WriteOptions) -> Result<(), OsError> {
        self.calls.fetch_add(1, Relaxed);
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        destination(&mut tree, to.resource(), FinalLink::Keep, options)?;
        match tree.get(&self.from) {
            Ok(TreeNode { id, body: NodeBody::File(contents), .. }) if *id == self.id => {
                if i64::try_from(contents.size()).map_or(true, |size| size > to.action().bytes) {
                    return Err(OsError::TooMuch(to.action().bytes));
                }
            }
            _ => return Err(OsError::Changed),
        }
        if tree.get(to.resource()).is_ok_and(|replaced| replaced.id == self.id && tree.links(replaced) > 1) {
            return Err(OsError::Refused(crate::os::SAME_FILE));
        }
        let taken = tree.parent(&self.from, FinalLink::Keep)?.remove(&*self.from.name_bytes());
        let node = taken.ok_or(OsError::Changed)?;
        tree.parent(to.resource(), FinalLink::Keep)?.insert(to.resource().name().into(), node);
        Ok(())
    }
}
