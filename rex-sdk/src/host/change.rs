//! Appending to files, creation of directories and links, and removal of names.

use std::fs::File;
use std::io::{self, Write};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};
use rex_core::action::fs;
use rex_core::{AbsPath, Grant};

use super::attributes::new_mode;
use super::open::{WARY, demand_changeable, regular};
use super::resolve::{self, open_parent, open_parent_of};
use super::{HostOptions, kernel};
use crate::links::FinalLink;
use crate::os::{EntryKind, FileAccess, OsError, words};

/// Maximum number of attempts to open or create a file, while others remove and create it.
const MAX_TURNS: usize = 8;
/// Maximum permission bits of a new file; the umask removes some.
pub(super) const NEW_FILE: Mode = Mode::from_bits_truncate(0o666);
const NEW_DIRECTORY: Mode = Mode::from_bits_truncate(0o777);

/// Adds to the end of a regular file.
pub(super) fn append(grant: &Grant<fs::Append>, bytes: &[u8], options: &HostOptions) -> Result<(), OsError> {
    const FLAGS: OFlag = OFlag::O_WRONLY.union(OFlag::O_APPEND);
    let (path, max) = (grant.resource(), grant.action().bytes);
    if i64::try_from(bytes.len()).map_or(true, |count| count > max) {
        return Err(OsError::TooMuch(max));
    }
    for _ in 0..MAX_TURNS {
        let mut file = match regular(path, FLAGS, options) {
            Err(OsError::Io(error)) if error.raw_os_error() == Some(Errno::ENOENT as i32) => {
                let Some((parent, name)) = open_parent(path, FinalLink::Cross)? else {
                    return Err(OsError::WrongKind(EntryKind::Directory));
                };
                // O_EXCL, besides refusing links: what appears here meanwhile is examined first, not opened.
                match resolve::open_entry(&parent, name, FLAGS | WARY | OFlag::O_CREAT | OFlag::O_EXCL, NEW_FILE) {
                    Ok(file) => File::from(file),
                    Err(Errno::EEXIST) => continue,
                    Err(error) => return Err(kernel::told(resolve::system(error), path)),
                }
            }
            opened => {
                let (file, status) = opened?;
                demand_changeable(&status, options)?;
                file
            }
        };
        return add(&mut file, bytes);
    }
    Err(OsError::Changed)
}

/// Writes all bytes; after a partial write, the error says how many were written.
fn add(file: &mut File, bytes: &[u8]) -> Result<(), OsError> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if written == 0 => return Err(error.into()),
            Err(error) => {
                let message = format!("{written} of {} bytes were added, then: {}", bytes.len(), words(&error));
                return Err(io::Error::new(error.kind(), message).into());
            }
        }
    }
    Ok(())
}

/// Creates one directory.
pub(super) fn create_dir(path: &AbsPath, like: Option<FileAccess>) -> Result<(), OsError> {
    match open_parent(path, FinalLink::Keep)? {
        Some((parent, name)) => {
            let mode = match like {
                None => NEW_DIRECTORY,
                Some(like) => new_mode(&parent, FileAccess { mode: like.mode | 0o700, ..like })?,
            };
            mkdirat(parent, name, mode).map_err(|error| kernel::told(resolve::system(error), path))
        }
        None => Err(resolve::system(Errno::EEXIST)),
    }
}

/// Creates a symbolic link.
pub(super) fn symlink(grant: &Grant<fs::Symlink>) -> Result<(), OsError> {
    match open_parent(grant.resource(), FinalLink::Keep)? {
        Some((parent, name)) => symlinkat(&*grant.action().target, parent, name)
            .map_err(|error| kernel::told(resolve::system(error), grant.resource())),
        None => Err(resolve::system(Errno::EEXIST)),
    }
}

/// Removes anything but a directory.
pub(super) fn remove(path: &AbsPath, options: &HostOptions) -> Result<(), OsError> {
    if options.journal.is_some() {
        // A file that is swapped in between this check and the act is removed, too; the writer of the journal notices
        // that.
        let found = resolve::open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW, FinalLink::Keep)?;
        demand_changeable(&fstat(found).map_err(resolve::system)?, options)?;
    }
    match unlink(path, UnlinkatFlags::NoRemoveDir) {
        // A kernel that confines this process checks its rights first, and the kind of the thing afterwards.
        Err(OsError::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied && is_directory(path) => {
            Err(resolve::system(Errno::EISDIR))
        }
        removed => removed,
    }
}

fn is_directory(path: &AbsPath) -> bool {
    resolve::open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW, FinalLink::Keep)
        .is_ok_and(|place| super::open::is_directory(&place))
}

/// Removes an empty directory.
pub(super) fn remove_dir(path: &AbsPath) -> Result<(), OsError> {
    unlink(path, UnlinkatFlags::RemoveDir)
}

fn unlink(path: &AbsPath, flags: UnlinkatFlags) -> Result<(), OsError> {
    match open_parent_of(path, FinalLink::Keep)? {
        Some(parent) => unlinkat(parent, &*path.name_bytes(), flags).map_err(resolve::system),
        None => Err(resolve::system(Errno::EBUSY)),
    }
}
