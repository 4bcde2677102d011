//! Adds to files; creates directories; removes names.

use std::fs::File;
use std::io::Write;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use rex_core::action::fs;
use rex_core::{AbsPath, Grant};

use super::HostOptions;
use super::open::{WARY, regular};
use super::resolve::{self, open_parent};
use crate::links::Last;
use crate::os::{EntryKind, OsError};

/// How often a file is looked for and created by turns, while others remove and create it.
const MAX_TURNS: usize = 8;
/// What a new file may be at most; the umask takes from it.
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
                let Some((parent, name)) = open_parent(path, Last::Cross)? else {
                    return Err(OsError::WrongKind(EntryKind::Directory));
                };
                // O_EXCL on top of refusing links: what appears here meanwhile is looked at first, not opened.
                match resolve::open_entry(&parent, name, FLAGS | WARY | OFlag::O_CREAT | OFlag::O_EXCL, NEW_FILE) {
                    Ok(file) => File::from(file),
                    Err(Errno::EEXIST) => continue,
                    Err(error) => return Err(resolve::system(error)),
                }
            }
            opened => opened?.0,
        };
        return Ok(file.write_all(bytes)?);
    }
    Err(OsError::Changed)
}

/// Creates one directory.
pub(super) fn create_dir(path: &AbsPath) -> Result<(), OsError> {
    match open_parent(path, Last::Keep)? {
        Some((parent, name)) => mkdirat(parent, name, NEW_DIRECTORY).map_err(resolve::system),
        None => Err(resolve::system(Errno::EEXIST)),
    }
}

/// Removes anything but a directory.
pub(super) fn remove(path: &AbsPath) -> Result<(), OsError> {
    unlink(path, UnlinkatFlags::NoRemoveDir)
}

/// Removes an empty directory.
pub(super) fn remove_dir(path: &AbsPath) -> Result<(), OsError> {
    unlink(path, UnlinkatFlags::RemoveDir)
}

fn unlink(path: &AbsPath, flags: UnlinkatFlags) -> Result<(), OsError> {
    match open_parent(path, Last::Keep)? {
        Some((parent, name)) => unlinkat(parent, name, flags).map_err(resolve::system),
        None => Err(resolve::system(Errno::EBUSY)),
    }
}
