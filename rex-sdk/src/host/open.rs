//! Opening of regular files, and metadata of names.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FileStat, SFlag, fstat, fstatat};
use rex_core::{AbsPath, Timestamp};
use rustix::buffer::spare_capacity;

use super::HostOptions;
use super::resolve;
use crate::links::FinalLink;
use crate::os::{EntryKind, FileAccess, Metadata, OsError, Source, SourceState};

/// Flags to open something of unknown kind, without waiting for the other end of a pipe, and without a terminal
/// becoming the controlling terminal of this process.
pub(super) const WARY: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOCTTY);

/// Opens a regular file for reading.
pub(super) fn read(path: &AbsPath, options: &HostOptions) -> Result<HostSource, OsError> {
    let (file, status) = regular(path, OFlag::O_RDONLY, options)?;
    Ok(HostSource { file, size: u64::try_from(status.st_size).unwrap_or(0) })
}

/// Takes over a regular file that another process has opened.
pub(super) fn given(descriptor: OwnedFd, options: &HostOptions) -> Result<HostSource, OsError> {
    let status = fstat(&descriptor).map_err(resolve::system)?;
    demand_regular(&status, options)?;
    demand_name(&descriptor, None, &status, options)?;
    Ok(HostSource { file: File::from(descriptor), size: u64::try_from(status.st_size).unwrap_or(0) })
}

/// Opens exactly this name, if it is a regular file.
pub(super) fn regular(path: &AbsPath, flags: OFlag, options: &HostOptions) -> Result<(File, FileStat), OsError> {
    // Opening a device can act on it (a watchdog starts, a tape rewinds), and opening a pipe wakes a process that waits
    // at its other end, so Rex looks first. This is a courtesy and not a check: nothing depends on it. `stat` may cross
    // links, so it reveals nothing but that something is a regular file, in one system call instead of three.
    if !fstatat(AT_FDCWD, &*path.bytes(), AtFlags::empty()).is_ok_and(|status| kind(&status) == EntryKind::File) {
        demand_regular(
            &fstat(resolve::open(path, OFlag::O_PATH, FinalLink::Cross)?).map_err(resolve::system)?,
            options,
        )?;
    }
    let file = resolve::open(path, flags | WARY, FinalLink::Cross).map_err(|error| explain(error, path))?;
    let status = fstat(&file).map_err(resolve::system)?;
    demand_regular(&status, options)?;
    if options.deny_hard_links {
        settled(path)?;
    }
    demand_name(&file, Some(&path.name_bytes()), &status, options)?;
    Ok((File::from(file), status))
}

/// Waits until a name that is being removed is gone. The kernel lowers the count of names before that. It removes names
/// under a lock of their directory, which the lookup of a name that was never looked up takes, too.
fn settled(path: &AbsPath) -> Result<(), OsError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Some(directory) = resolve::open_parent_of(path, FinalLink::Cross)? else { return Ok(()) };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    let name = format!(".rex-{}-{number}-{now}", std::process::id());
    match fstatat(&directory, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(resolve::system(error)),
    }
}

/// Refuses a file that has lost the name under which it was opened, where files with several names are refused: the one
/// name that is counted is then a different one. The kernel knows whether the name of an open file was removed since,
/// even if it exists again.
fn demand_name(file: impl AsFd, name: Option<&[u8]>, status: &FileStat, options: &HostOptions) -> Result<(), OsError> {
    const REMOVED: &[u8] = b" (deleted)";
    if !options.deny_hard_links {
        return Ok(());
    }
    let place = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let place = readlinkat(AT_FDCWD, place.as_str()).map_err(resolve::system)?.into_vec();
    let found = place.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_there = name.map_or_else(|| !found.ends_with(REMOVED), |name| found == name);
    if is_there { Ok(()) } else { Err(OsError::HardLinks(status.st_nlink.saturating_add(1))) }
}

/// Refuses anything but a regular file, and a file with more names than the operator allows.
pub(super) fn demand_regular(status: &FileStat, options: &HostOptions) -> Result<(), OsError> {
    match kind(status) {
        EntryKind::File if options.deny_hard_links && status.st_nlink > 1 => Err(OsError::HardLinks(status.st_nlink)),
        EntryKind::File => Ok(()),
        other => Err(OsError::WrongKind(other)),
    }
}

/// Replaces the error of opening a directory, a pipe or a device like a file by one with the kind.
fn explain(error: OsError, path: &AbsPath) -> OsError {
    let telling = match &error {
        OsError::Io(error) => error.raw_os_error().map(Errno::from_raw),
        _ => None,
    };
    if !matches!(telling, Some(Errno::EISDIR | Errno::ENXIO | Errno::ENODEV)) {
        return error;
    }
    let found = resolve::open(path, OFlag::O_PATH, FinalLink::Cross).ok().and_then(|file| fstat(file).ok());
    match found.as_ref().map(kind) {
        None | Some(EntryKind::File) => error,
        Some(other) => OsError::WrongKind(other),
    }
}

/// Returns the metadata of the name itself.
pub(super) fn stat(path: &AbsPath) -> Result<Metadata, OsError> {
    let entry = resolve::open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW, FinalLink::Keep)?;
    let status = fstat(&entry).map_err(resolve::system)?;
    let target = if kind(&status) == EntryKind::Symlink { target(&entry) } else { None };
    Ok(metadata(&status, target))
}

/// Converts the system's metadata.
pub(super) fn metadata(status: &FileStat, target: Option<String>) -> Metadata {
    Metadata {
        kind: kind(status),
        size: u64::try_from(status.st_size).unwrap_or(0),
        modified: time(status.st_mtime, status.st_mtime_nsec),
        accessed: time(status.st_atime, status.st_atime_nsec),
        changed: time(status.st_ctime, status.st_ctime_nsec),
        mode: status.st_mode & 0o7777,
        uid: status.st_uid,
        gid: status.st_gid,
        links: status.st_nlink,
        device: status.st_dev,
        inode: status.st_ino,
        // In units of 512 bytes, whatever the block size of the file system.
        allocated: u64::try_from(status.st_blocks).unwrap_or(0).saturating_mul(512),
        target,
    }
}

fn target(link: &OwnedFd) -> Option<String> {
    readlinkat(link.as_fd(), "").ok().and_then(|target| String::from_utf8(target.into_vec()).ok())
}

/// Refuses a file of the journal, which only Rex may change.
pub(super) fn demand_changeable(status: &FileStat, options: &HostOptions) -> Result<(), OsError> {
    match &options.journal {
        Some(journal) if journal.contain((status.st_dev, status.st_ino)) => {
            Err(OsError::Refused("it is the journal of this run, which only Rex writes"))
        }
        _ => Ok(()),
    }
}

/// Checks whether a descriptor is that of a directory.
pub(super) fn is_directory(thing: &OwnedFd) -> bool {
    fstat(thing).is_ok_and(|status| kind(&status) == EntryKind::Directory)
}

/// Returns the permission bits with their owner.
pub(super) fn access(status: &FileStat) -> FileAccess {
    FileAccess { mode: status.st_mode & 0o7777, uid: status.st_uid, gid: status.st_gid }
}

/// Returns the kind.
pub(super) fn kind(status: &FileStat) -> EntryKind {
    match SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => EntryKind::File,
        SFlag::S_IFDIR => EntryKind::Directory,
        SFlag::S_IFLNK => EntryKind::Symlink,
        SFlag::S_IFIFO => EntryKind::Fifo,
        SFlag::S_IFSOCK => EntryKind::Socket,
        SFlag::S_IFBLK | SFlag::S_IFCHR => EntryKind::Device,
        _ => EntryKind::Unknown,
    }
}

fn time(seconds: i64, nanoseconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000).saturating_add(nanoseconds / 1_000))
}

/// A regular file that is open for reading.
pub(super) struct HostSource {
    file: File,
    size: u64,
}

impl Read for HostSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        again(|| (&self.file).read(buffer))
    }
}

impl Source for HostSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // Nothing lies beyond what the system can count.
        let last = offset.saturating_add(buffer.len() as u64);
        if i64::try_from(last).is_err() {
            return Ok(0);
        }
        again(|| self.file.read_at(buffer, offset))
    }

    fn state(&self) -> io::Result<SourceState> {
        let status = fstat(&self.file)?;
        let size = u64::try_from(status.st_size).unwrap_or(0);
        Ok(SourceState { id: (status.st_dev, status.st_ino), size, access: access(&status) })
    }

    /// Reads without filling the buffer with zeros first, which for large files takes as long as reading.
    fn read_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        again(|| Ok(rustix::io::read(&self.file, spare_capacity(bytes))?))
    }
}

/// Repeats an act that a signal interrupted.
fn again<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
