//! Files in memory.

use std::collections::btree_map::Entry;
use std::io::{self, Read};

use rex_core::action::fs;
use rex_core::{AbsPath, Budget, Grant, Timestamp};

use super::MemOs;
use super::handles::{MemDirectory, MemSource, MemTaken};
use super::tree::{FileContents, FileTree, NodeBody, TreeEntries, TreeNode, Xattrs};
use crate::links::FinalLink;
use crate::os::{
    DirEntry, Directory, EntryKind, FileAccess, Files, LinkSource, Metadata, OpenDescriptor, OsError, Places,
    RenameSource, Source, WriteOptions, demand_permission,
};

/// No process is confined here.
impl Places for MemOs {
    fn open_file(&self, _: Grant<fs::Read>, _: &Budget) -> Result<OpenDescriptor, OsError> {
        Err(OsError::Refused("there are no descriptors in memory"))
    }

    fn open_directory(&self, _: Grant<fs::List>, _: &Budget) -> Result<OpenDescriptor, OsError> {
        Err(OsError::Refused("there are no descriptors in memory"))
    }

    fn remove_directory(&self, grant: Grant<fs::Remove>, _: &Budget) -> Result<(), OsError> {
        self.remove_dir(grant)
    }

    fn set_length(&self, grant: Grant<fs::Write>, room: u64, _: &Budget) -> Result<u64, OsError> {
        self.resize(grant, room)
    }
}

/// The bits that remain after this world's umask, 022.
const NEW: u32 = 0o755;

impl Files for MemOs {
    fn open(&self, grant: Grant<fs::Read>) -> Result<Box<dyn Source>, OsError> {
        self.count();
        let tree = self.tree();
        let node = tree.find(grant.resource(), FinalLink::Cross)?;
        match &node.body {
            NodeBody::File(FileContents::Here(bytes)) => {
                Ok(Box::new(MemSource { bytes: bytes.clone(), at: 0, id: node.id, access: node.access() }))
            }
            NodeBody::File(FileContents::Below { .. }) => Err(OsError::Refused("its contents are not in memory")),
            body => Err(OsError::WrongKind(kind(body))),
        }
    }

    fn list(&self, grant: Grant<fs::List>, max: u64) -> Result<Vec<DirEntry>, OsError> {
        self.count();
        match &self.tree().find(grant.resource(), FinalLink::Cross)?.body {
            NodeBody::Directory(entries) if entries.len() as u64 > max => Err(OsError::TooMany(max)),
            NodeBody::Directory(entries) => {
                let entry = |(name, node): (&Vec<u8>, &TreeNode)| DirEntry { name: name.clone(), kind: node.kind() };
                Ok(entries.iter().map(entry).collect())
            }
            _ => Err(failed(io::ErrorKind::NotADirectory)),
        }
    }

    fn directory(&self, grant: Grant<fs::List>, max: u64) -> Result<Box<dyn Directory>, OsError> {
        let path = grant.resource().clone();
        let entries = self.list(grant, max)?;
        Ok(Box::new(MemDirectory { tree: self.tree.clone(), calls: self.calls.clone(), path, entries }))
    }

    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError> {
        self.count();
        let tree = self.tree();
        tree.stat(grant.resource())
    }

    fn write(
        &self,
        grant: Grant<fs::Write>,
        contents: &mut dyn io::Read,
        options: WriteOptions,
    ) -> Result<u64, OsError> {
        self.count();
        let (path, max) = (grant.resource(), grant.action().bytes);
        let last = if options.new { FinalLink::Keep } else { FinalLink::Cross };
        destination(&mut self.tree(), path, last, options)?;
        let mut bytes = Vec::new();
        // Without locking the tree: the contents may come from another of its files.
        contents.take(u64::try_from(max).unwrap_or(0).saturating_add(1)).read_to_end(&mut bytes)?;
        if i64::try_from(bytes.len()).is_ok_and(|count| count <= max) {
            let count = bytes.len() as u64;
            let mut tree = self.tree();
            let mut file = tree.node(NodeBody::File(bytes.into()));
            let entries = tree.parent(path, last)?;
            match entries.get(&*path.name_bytes()) {
                Some(old) => file.take_over(old),
                // A file made from an executable stays executable; any other new file is not.
                None if options.like.is_some() => file.mode = if options.private { 0o600 } else { NEW },
                None if options.private => file.mode = 0o600,
                None => {}
            }
            if let Some(like) = options.like {
                file.bind(like);
            }
            entries.insert(path.name_bytes().into_owned(), file);
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
        match tree.find(path, FinalLink::Cross) {
            Err(OsError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                let file = tree.node(NodeBody::File(bytes.to_vec().into()));
                match tree.parent(path, FinalLink::Cross)?.entry(path.name_bytes().into_owned()) {
                    Entry::Vacant(free) => free.insert(file),
                    // The name is a link that leads through something missing.
                    Entry::Occupied(_) => return Err(error.into()),
                };
                Ok(())
            }
            Err(error) => Err(error),
            Ok(_) => tree.change(path, |node| match &mut node.body {
                NodeBody::File(contents) => {
                    contents.append(bytes);
                    Ok(())
                }
                body => Err(OsError::WrongKind(kind(body))),
            }),
        }
    }

    fn create_dir(&self, grant: Grant<fs::CreateDir>, like: Option<FileAccess>) -> Result<(), OsError> {
        self.count();
        let path = grant.resource();
        let mut tree = self.tree();
        let mut directory = tree.node(NodeBody::Directory(TreeEntries::new()));
        if let Some(like) = like {
            directory.bind(FileAccess { mode: like.mode | 0o700, ..like });
        }
        let entries = tree.parent(path, FinalLink::Keep)?;
        if path.is_root() || entries.contains_key(&*path.name_bytes()) {
            return Err(failed(io::ErrorKind::AlreadyExists));
        }
        entries.insert(path.name_bytes().into_owned(), directory);
        Ok(())
    }

    fn remove(&self, grant: Grant<fs::Remove>) -> Result<(), OsError> {
        self.count();
        self.remove_if(grant.resource(), |body| match body {
            NodeBody::Directory(_) => Err(io::ErrorKind::IsADirectory),
            _ => Ok(()),
        })
    }

    fn remove_dir(&self, grant: Grant<fs::Remove>) -> Result<(), OsError> {
        self.count();
        self.remove_if(grant.resource(), |body| match body {
            NodeBody::Directory(entries) if entries.is_empty() => Ok(()),
            NodeBody::Directory(_) => Err(io::ErrorKind::DirectoryNotEmpty),
            _ => Err(io::ErrorKind::NotADirectory),
        })
    }

    fn take(&self, grant: Grant<fs::Rename>) -> Result<Box<dyn RenameSource>, OsError> {
        self.count();
        let from = grant.resource().clone();
        let tree = self.tree();
        let node = tree.find(&from, FinalLink::Keep)?;
        match &node.body {
            NodeBody::File(contents) => Ok(Box::new(MemTaken {
                tree: self.tree.clone(),
                calls: self.calls.clone(),
                size: contents.size(),
                id: node.id,
                from,
            })),
            body => Err(OsError::WrongKind(kind(body))),
        }
    }

    fn resize(&self, grant: Grant<fs::Write>, room: u64) -> Result<u64, OsError> {
        let bytes = usize::try_from(grant.action().bytes);
        let bytes = bytes.map_err(|_| OsError::Refused("the size of a file is at least 0"))?;
        self.change(grant.resource(), FinalLink::Cross, |node| match &mut node.body {
            NodeBody::File(contents) => {
                let growth = (bytes as u64).saturating_sub(contents.size());
                if growth <= room {
                    contents.resize(bytes);
                }
                Ok(growth)
            }
            body => Err(OsError::WrongKind(kind(body))),
        })
    }

    fn touch(&self, grant: Grant<fs::Touch>, time: Timestamp, create: bool) -> Result<(), OsError> {
        let path = grant.resource();
        let set = |node: &mut TreeNode| {
            node.modified = time;
            Ok(())
        };
        match self.change(path, FinalLink::Cross, set) {
            Err(OsError::Io(error)) if error.kind() == io::ErrorKind::NotFound && create => {
                let mut tree = self.tree();
                let mut file = tree.node(NodeBody::File(FileContents::default()));
                file.modified = time;
                match tree.parent(path, FinalLink::Cross)?.entry(path.name_bytes().into_owned()) {
                    Entry::Vacant(free) => drop(free.insert(file)),
                    Entry::Occupied(_) => return Err(error.into()),
                }
                Ok(())
            }
            other => other,
        }
    }

    fn chmod(&self, grant: Grant<fs::Chmod>) -> Result<(), OsError> {
        let mode = u32::try_from(grant.action().mode).ok().filter(|mode| *mode <= 0o7777);
        let mode = mode.ok_or(OsError::Refused("permission bits are at most 07777"))?;
        self.change(grant.resource(), FinalLink::Cross, |node| {
            node.mode = mode;
            Ok(())
        })
    }

    fn chown(&self, grant: Grant<fs::Chown>) -> Result<(), OsError> {
        let (uid, gid) = (u32::try_from(grant.action().uid).ok(), u32::try_from(grant.action().gid).ok());
        self.change(grant.resource(), FinalLink::Keep, |node| {
            node.uid = uid.unwrap_or(node.uid);
            node.gid = gid.unwrap_or(node.gid);
            Ok(())
        })
    }

    fn symlink(&self, grant: Grant<fs::Symlink>) -> Result<(), OsError> {
        self.count();
        let path = grant.resource();
        let mut tree = self.tree();
        let link = tree.node(NodeBody::Link(grant.action().target.clone().into_bytes()));
        let entries = tree.parent(path, FinalLink::Keep)?;
        if path.is_root() || entries.contains_key(&*path.name_bytes()) {
            return Err(failed(io::ErrorKind::AlreadyExists));
        }
        entries.insert(path.name_bytes().into_owned(), link);
        Ok(())
    }

    fn hold(&self, grant: Grant<fs::HardLink>) -> Result<Box<dyn LinkSource>, OsError> {
        self.count();
        let from = grant.resource().clone();
        let tree = self.tree();
        let node = tree.find(&from, FinalLink::Keep)?;
        match &node.body {
            NodeBody::File(contents) => Ok(Box::new(MemTaken {
                tree: self.tree.clone(),
                calls: self.calls.clone(),
                size: contents.size(),
                id: node.id,
                from,
            })),
            body => Err(OsError::WrongKind(kind(body))),
        }
    }

    fn xattrs(&self, grant: Grant<fs::GetXattr>) -> Result<Vec<String>, OsError> {
        self.attributes(grant.resource(), |xattrs| Ok(xattrs.keys().cloned().collect()))
    }

    fn xattr(&self, grant: Grant<fs::GetXattr>) -> Result<Vec<u8>, OsError> {
        let value = |xattrs: &mut Xattrs| xattrs.get(&grant.action().name).cloned();
        self.attributes(grant.resource(), |xattrs| value(xattrs).ok_or_else(|| failed(io::ErrorKind::NotFound)))
    }

    fn set_xattr(
        &self,
        grant: Grant<fs::SetXattr>,
        permissions: Option<Grant<fs::Chmod>>,
        value: Option<&[u8]>,
    ) -> Result<(), OsError> {
        demand_permission(&grant, permissions.as_ref())?;
        let name = grant.action().name.clone();
        self.attributes(grant.resource(), |xattrs| match value {
            Some(value) => {
                xattrs.insert(name, value.to_vec());
                Ok(())
            }
            None => xattrs.remove(&name).map(drop).ok_or_else(|| failed(io::ErrorKind::NotFound)),
        })
    }
}

impl MemOs {
    /// Performs a call that reads or changes a node in place.
    fn change<T>(
        &self,
        path: &AbsPath,
        last: FinalLink,
        work: impl FnOnce(&mut TreeNode) -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        self.count();
        let mut tree = self.tree();
        tree.find(path, last)?;
        tree.change(path, work)
    }

    /// Performs a call about the extended attributes of a file or a directory.
    fn attributes<T>(
        &self,
        path: &AbsPath,
        work: impl FnOnce(&mut Xattrs) -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        self.change(path, FinalLink::Cross, |node| match node.body {
            NodeBody::Special(kind) => Err(OsError::WrongKind(kind)),
            _ => work(&mut node.xattrs),
        })
    }

    fn remove_if(&self, path: &AbsPath, may: fn(&NodeBody) -> Result<(), io::ErrorKind>) -> Result<(), OsError> {
        if path.is_root() {
            return Err(failed(io::ErrorKind::ResourceBusy));
        }
        let mut tree = self.tree();
        let entries = tree.parent(path, FinalLink::Keep)?;
        let node = entries.get(&*path.name_bytes()).ok_or_else(|| failed(io::ErrorKind::NotFound))?;
        may(&node.body).map_err(failed)?;
        entries.remove(&*path.name_bytes());
        Ok(())
    }
}

/// Checks that a name is free or that of a regular file. Anything else may not be replaced.
pub(super) fn destination(
    tree: &mut FileTree,
    path: &AbsPath,
    last: FinalLink,
    options: WriteOptions,
) -> Result<(), OsError> {
    if path.is_root() {
        return Err(OsError::WrongKind(EntryKind::Directory));
    }
    match tree.parent(path, last)?.get(&*path.name_bytes()) {
        None => Ok(()),
        Some(_) if options.new => Err(failed(io::ErrorKind::AlreadyExists)),
        Some(TreeNode { body: NodeBody::File(_), .. }) => Ok(()),
        Some(TreeNode { body: NodeBody::Link(_), .. }) if last == FinalLink::Cross => Err(tree.crossed(path, last)),
        Some(node) => Err(OsError::WrongKind(node.kind())),
    }
}

pub(super) fn kind(body: &NodeBody) -> EntryKind {
    match body {
        NodeBody::File(_) => EntryKind::File,
        NodeBody::Directory(_) => EntryKind::Directory,
        NodeBody::Link(_) => EntryKind::Symlink,
        NodeBody::Special(kind) => *kind,
    }
}

pub(super) fn failed(kind: io::ErrorKind) -> OsError {
    io::Error::from(kind).into()
}
