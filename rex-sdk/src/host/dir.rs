//! Lists directories.

use std::os::fd::{AsFd, OwnedFd};

use nix::dir::{Dir, Entry, Type};
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::fstatat;
use rex_core::AbsPath;

use super::open::{WARY, kind};
use super::resolve;
use crate::links::Last;
use crate::os::{DirEntry, EntryKind, OsError};

/// The entries of a directory, at most `max`, in the order of their names.
pub(super) fn list(path: &AbsPath, max: u64) -> Result<Vec<DirEntry>, OsError> {
    let directory: OwnedFd = resolve::open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | WARY, Last::Cross)?;
    let mut directory = Dir::from_fd(directory).map_err(resolve::system)?;
    let mut named = Vec::new();
    for entry in directory.iter() {
        let entry = entry.map_err(resolve::system)?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        if named.len() as u64 == max {
            return Err(OsError::TooMany(max));
        }
        named.push(entry);
    }
    let mut entries: Vec<_> = named.iter().map(|entry| describe(&directory, entry)).collect();
    entries.sort_unstable();
    Ok(entries)
}

fn describe(directory: &Dir, entry: &Entry) -> DirEntry {
    let kind = match entry.file_type() {
        Some(Type::File) => EntryKind::File,
        Some(Type::Directory) => EntryKind::Directory,
        Some(Type::Symlink) => EntryKind::Symlink,
        Some(Type::Fifo) => EntryKind::Fifo,
        Some(Type::Socket) => EntryKind::Socket,
        Some(Type::BlockDevice | Type::CharacterDevice) => EntryKind::Device,
        // Some file systems keep no kinds in their directories.
        None => fstatat(directory.as_fd(), entry.file_name(), AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_or(EntryKind::Unknown, |status| kind(&status)),
    };
    DirEntry { name: entry.file_name().to_bytes().to_vec(), kind }
}
