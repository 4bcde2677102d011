//! Changes of metadata: times, permission bits, owners, attributes, length.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{FileStat, fstat};
use nix::unistd::{Gid, Uid, fchownat};
use rex_core::action::fs;
use rex_core::{AbsPath, Grant, Timestamp};
use rustix::fs::{Timespec, Timestamps, XattrFlags};

use super::change::NEW_FILE;
use super::open::{WARY, demand_changeable, kind, regular};
use super::resolve::{self, open_entry, open_parent};
use super::{HostOptions, kernel};
use crate::links::FinalLink;
use crate::os::{EntryKind, OsError};

/// Sets the length of a regular file to that of the grant, if it grows by at most `room`; returns by how much.
pub(super) fn resize(grant: &Grant<fs::Write>, room: u64, options: &HostOptions) -> Result<u64, OsError> {
    let (file, status) = regular(grant.resource(), OFlag::O_WRONLY, options)?;
    demand_changeable(&status, options)?;
    let bytes =
        u64::try_from(grant.action().bytes).map_err(|_| OsError::Refused("the size of a file is at least 0"))?;
    let growth = bytes.saturating_sub(u64::try_from(status.st_size).unwrap_or(0));
    if growth <= room {
        file.set_len(bytes)?;
    }
    Ok(growth)
}

/// Refuses a length beyond the resource limits of this process, although another process sets it.
pub(super) fn demand_room(bytes: i64) -> Result<(), OsError> {
    let (most, _) = getrlimit(Resource::RLIMIT_FSIZE).map_err(resolve::system)?;
    if u64::try_from(bytes).is_ok_and(|bytes| bytes > most) { Err(resolve::system(Errno::EFBIG)) } else { Ok(()) }
}

/// Sets times, or creates an empty file.
pub(super) fn touch(
    grant: &Grant<fs::Touch>,
    time: Timestamp,
    create: bool,
    options: &HostOptions,
) -> Result<(), OsError> {
    let path = grant.resource();
    let entry = match entry(path, FinalLink::Cross, options) {
        Err(OsError::Io(error)) if error.kind() == io::ErrorKind::NotFound && create => make(path)?,
        found => found?.0,
    };
    let time =
        Timespec { tv_sec: time.as_secs(), tv_nsec: time.as_micros().rem_euclid(1_000_000).saturating_mul(1_000) };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(&entry, c"", &times, rustix::fs::AtFlags::EMPTY_PATH).map_err(failed)
}

/// Creates an empty file.
fn make(path: &AbsPath) -> Result<OwnedFd, OsError> {
    let Some((parent, name)) = open_parent(path, FinalLink::Cross)? else {
        return Err(OsError::WrongKind(EntryKind::Directory));
    };
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | WARY;
    open_entry(&parent, name, flags, NEW_FILE).map_err(|error| match error {
        // The name is a link that leads through something missing.
        Errno::EEXIST => resolve::system(Errno::ENOENT),
        error => kernel::told(resolve::system(error), path),
    })
}

/// Sets permission bits.
pub(super) fn chmod(grant: &Grant<fs::Chmod>, options: &HostOptions) -> Result<(), OsError> {
    let (entry, _) = entry(grant.resource(), FinalLink::Cross, options)?;
    let mode = u32::try_from(grant.action().mode).ok().filter(|mode| *mode <= 0o7777);
    let mode = mode.ok_or(OsError::Refused("permission bits are at most 07777"))?;
    let mode = rustix::fs::Mode::from_bits_truncate(mode);
    // By the file itself if the kernel can (Linux 6.6), otherwise by its name among the descriptors.
    match rustix::fs::chmodat(&entry, c"", mode, rustix::fs::AtFlags::EMPTY_PATH) {
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::INVAL) => {
            let name = format!("/proc/self/fd/{}", entry.as_raw_fd());
            rustix::fs::chmodat(rustix::fs::CWD, name, mode, rustix::fs::AtFlags::empty()).map_err(failed)
        }
        other => other.map_err(failed),
    }
}

/// Sets owner and group.
pub(super) fn chown(grant: &Grant<fs::Chown>, options: &HostOptions) -> Result<(), OsError> {
    let (entry, _) = entry(grant.resource(), FinalLink::Keep, options)?;
    let number = |number: i64| match number {
        -1 => Ok(None),
        // The kernel takes the largest number as no change, too.
        number => match u32::try_from(number) {
            Ok(number) if number != u32::MAX => Ok(Some(number)),
            _ => Err(OsError::Refused("there is no such owner")),
        },
    };
    let (uid, gid) = (number(grant.action().uid)?, number(grant.action().gid)?);
    fchownat(&entry, c"", uid.map(Uid::from_raw), gid.map(Gid::from_raw), AtFlags::AT_EMPTY_PATH)
        .map_err(resolve::system)
}

/// Returns the names of the extended attributes.
pub(super) fn xattrs(grant: &Grant<fs::GetXattr>, options: &HostOptions) -> Result<Vec<String>, OsError> {
    let file = readable(grant.resource(), options)?;
    let names = whole(|buffer| rustix::fs::flistxattr(&file, buffer))?;
    let mut names: Vec<_> = names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Returns one extended attribute.
pub(super) fn xattr(grant: &Grant<fs::GetXattr>, options: &HostOptions) -> Result<Vec<u8>, OsError> {
    let file = readable(grant.resource(), options)?;
    whole(|buffer| rustix::fs::fgetxattr(&file, &*grant.action().name, buffer))
}

/// Sets or removes an extended attribute.
pub(super) fn set_xattr(
    grant: &Grant<fs::SetXattr>,
    value: Option<&[u8]>,
    options: &HostOptions,
) -> Result<(), OsError> {
    let file = readable(grant.resource(), options)?;
    let name = &*grant.action().name;
    match value {
        Some(value) => rustix::fs::fsetxattr(&file, name, value, XattrFlags::empty()),
        None => rustix::fs::fremovexattr(&file, name),
    }
    .map_err(absent)
}

/// Reads a value whose length is not known beforehand.
fn whole(say: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> Result<Vec<u8>, OsError> {
    /// The kernel's limit for a list of names and for a value, in bytes.
    const MOST: usize = 64 << 10;
    let mut buffer = vec![0; MOST];
    let count = say(&mut buffer).map_err(absent)?;
    buffer.truncate(count);
    Ok(buffer)
}

/// Opens a file or directory to access its attributes. Refuses others: opening a pipe or a device would wait, or act.
fn readable(path: &AbsPath, options: &HostOptions) -> Result<File, OsError> {
    let (_, status) = entry(path, FinalLink::Cross, options)?;
    match kind(&status) {
        EntryKind::File | EntryKind::Directory => {
            let file = resolve::open(path, OFlag::O_RDONLY | WARY, FinalLink::Cross)?;
            // Checked again, since it is opened again.
            demand_changeable(&fstat(&file).map_err(resolve::system)?, options)?;
            Ok(File::from(file))
        }
        other => Err(OsError::WrongKind(other)),
    }
}

/// Returns what has this name, without opening its contents.
fn entry(path: &AbsPath, last: FinalLink, options: &HostOptions) -> Result<(OwnedFd, FileStat), OsError> {
    let entry = resolve::open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW, last)?;
    let status = fstat(&entry).map_err(resolve::system)?;
    if last == FinalLink::Cross && kind(&status) == EntryKind::Symlink {
        return Err(resolve::crossed(path, last));
    }
    demand_changeable(&status, options)?;
    Ok((entry, status))
}

fn absent(error: rustix::io::Errno) -> OsError {
    match error {
        rustix::io::Errno::NODATA => io::Error::from(io::ErrorKind::NotFound).into(),
        rustix::io::Errno::OPNOTSUPP => OsError::Refused("its file system does not support this attribute"),
        other => failed(other),
    }
}

fn failed(error: rustix::io::Errno) -> OsError {
    resolve::system(Errno::from_raw(error.raw_os_error()))
}
