//! Listing of directories.

use std::os::fd::{AsFd, OwnedFd};

use nix::dir::{Dir, Entry, Type};
use nix::fcntl::{AtFlags, OFlag, readlinkat};
use nix::sys::stat::{fstat, fstatat};
use rex_core::action::fs;
use rex_core::{AbsPath, Grant};

use super::open::{WARY, access, kind, metadata};
use super::resolve;
use crate::links::FinalLink;
use crate::os::{DirEntry, Directory, EntryKind, FileAccess, Metadata, OsError};

/// An open directory.
pub(super) struct HostDirectory {
    path: AbsPath,
    directory: Dir,
    entries: Vec<DirEntry>,
}

/// Opens a directory with its entries, at most `max`, in the order of their names.
pub(super) fn open(path: &AbsPath, max: u64) -> Result<HostDirectory, OsError> {
    given(path.clone(), descriptor(path)?, max)
}

/// Opens a directory.
pub(super) fn descriptor(path: &AbsPath) -> Result<OwnedFd, OsError> {
    resolve::open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | WARY, FinalLink::Cross)
}

/// Reads the entries of an open directory, at most `max`, in the order of their names.
pub(super) fn given(path: AbsPath, directory: OwnedFd, max: u64) -> Result<HostDirectory, OsError> {
    let mut directory = Dir::from_fd(directory).map_err(resolve::system)?;
    let mut entries = Vec::new();
    for entry in directory.iter() {
        let entry = entry.map_err(resolve::system)?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        if entries.len() as u64 == max {
            return Err(OsError::TooMany(max));
        }
        entries.push(DirEntry { name: entry.file_name().to_bytes().to_vec(), kind: listed(&entry) });
    }
    for entry in entries.iter_mut().filter(|entry| entry.kind == EntryKind::Unknown) {
        let status = fstatat(directory.as_fd(), &*entry.name, AtFlags::AT_SYMLINK_NOFOLLOW);
        entry.kind = status.map_or(EntryKind::Unknown, |status| kind(&status));
    }
    entries.sort_unstable();
    Ok(HostDirectory { path, directory, entries })
}

impl Directory for HostDirectory {
    fn path(&self) -> &AbsPath {
        &self.path
    }

    fn take_entries(&mut self) -> Vec<DirEntry> {
        std::mem::take(&mut self.entries)
    }

    fn access(&self) -> Result<FileAccess, OsError> {
        fstat(self.directory.as_fd()).map(|status| access(&status)).map_err(resolve::system)
    }

    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError> {
        let path = grant.resource();
        path.name_in(&self.path).ok_or(OsError::Changed)?;
        let name = &*path.name_bytes();
        let status = fstatat(self.directory.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(resolve::system)?;
        let link = kind(&status) == EntryKind::Symlink;
        let target = || readlinkat(self.directory.as_fd(), name).ok()?.into_string().ok();
        Ok(metadata(&status, if link { target() } else { None }))
    }
}

/// Returns the kind that the directory itself stores for an entry.
fn listed(entry: &Entry) -> EntryKind {
    match entry.file_type() {
        Some(Type::File) => EntryKind::File,
        Some(Type::Directory) => EntryKind::Directory,
        Some(Type::Symlink) => EntryKind::Symlink,
        Some(Type::Fifo) => EntryKind::Fifo,
        Some(Type::Socket) => EntryKind::Socket,
        Some(Type::BlockDevice | Type::CharacterDevice) => EntryKind::Device,
        // Some file systems store no kinds in their directories.
        None => EntryKind::Unknown,
    }
}
