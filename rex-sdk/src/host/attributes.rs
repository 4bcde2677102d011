//! The attributes that a file keeps when its contents are replaced: mode, owner, access control list, security label,
//! user attributes.
//!
//! It loses those that vouched for the old contents: setuid, setgid, file capabilities, signatures.

use std::fs::File;
use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, fchmod, fstat};
use nix::unistd::{Gid, Uid, fchown, getegid, geteuid};
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, flistxattr_query, fremovexattr, fsetxattr};
use rustix::io::Errno;

use super::open::WARY;
use super::resolve::{self, open_entry};
use crate::OsError;
use crate::os::FileAccess;

/// The kernel's limit for the list of names, and for one value, in bytes.
const MAX_ATTRIBUTE: usize = rex_core::bounds::ATTRIBUTE_BYTES;

const ACCESS_LIST: &[u8] = b"system.posix_acl_access";

/// Returns the bits of something new in a directory, if it is made from `like`. Its owner will be this process, its
/// group that of the directory or of this process.
pub(super) fn new_mode(parent: &OwnedFd, like: FileAccess) -> Result<Mode, OsError> {
    let directory = fstat(parent).map_err(resolve::system)?;
    let inherits = directory.st_mode & Mode::S_ISGID.bits() != 0;
    let gid = if inherits { directory.st_gid } else { getegid().as_raw() };
    Ok(Mode::from_bits_truncate(like.bound(geteuid().as_raw(), gid, false)))
}

/// Limits a new, empty file to the permissions of what it is made from: the file system may have given it another
/// group, and the directory an access control list with others who may read it.
pub(super) fn bind(file: &File, like: FileAccess) -> Result<(), OsError> {
    match fremovexattr(file, ACCESS_LIST) {
        Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
        Err(error) => return Err(OsError::Io(error.into())),
    }
    let new = fstat(file).map_err(resolve::system)?;
    let allowed = new.st_mode & like.bound(new.st_uid, new.st_gid, false);
    if allowed == new.st_mode & 0o7777 {
        return Ok(());
    }
    fchmod(file, Mode::from_bits_truncate(allowed)).map_err(resolve::system)
}

/// Gives `file` the attributes of the file `name`, which it is about to replace, as far as what it is made from allows.
pub(super) fn keep(
    file: &File,
    parent: &OwnedFd,
    name: &str,
    old: &FileStat,
    like: Option<FileAccess>,
) -> Result<(), OsError> {
    let new = fstat(file).map_err(resolve::system)?;
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid) {
        fchown(file, Some(Uid::from_raw(old.st_uid)), Some(Gid::from_raw(old.st_gid))).map_err(resolve::system)?;
    }
    let open = |flags| open_entry(parent, name, flags | OFlag::O_NOFOLLOW | WARY, Mode::empty());
    // The attributes of a file that may be written but not read are accessible, too.
    let previous = match open(OFlag::O_RDONLY) {
        Err(nix::errno::Errno::EACCES) => open(OFlag::O_WRONLY),
        other => other,
    };
    let previous = previous.map_err(resolve::system)?;
    let now = fstat(&previous).map_err(resolve::system)?;
    if (now.st_dev, now.st_ino) != (old.st_dev, old.st_ino) {
        return Err(OsError::Changed);
    }
    extended(file, &previous).map_err(|error| OsError::Io(error.into()))?;
    // Last: a change of owner or of the access control list clears bits.
    let mut mode = old.st_mode & 0o1777;
    if let Some(like) = like {
        let listed = fgetxattr(file, ACCESS_LIST, &mut [0; 0]).is_ok();
        mode &= 0o1000 | like.bound(old.st_uid, old.st_gid, listed);
    }
    fchmod(file, Mode::from_bits_truncate(mode)).map_err(resolve::system)
}

fn extended(file: &File, old: &OwnedFd) -> Result<(), Errno> {
    // A list that the new file got from the directory's default gives others access that they did not have.
    match fgetxattr(old, ACCESS_LIST, &mut [0; 0]) {
        Err(Errno::NODATA) => match fremovexattr(file, ACCESS_LIST) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error),
        },
        Ok(_) | Err(Errno::NOTSUP) => {}
        Err(error) => return Err(error),
    }
    match flistxattr_query(old) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(()),
        other => other?,
    };
    let mut names = vec![0; MAX_ATTRIBUTE];
    let length = flistxattr(old, names.as_mut_slice())?;
    let (mut wanted, mut present) = (vec![0; MAX_ATTRIBUTE], vec![0; MAX_ATTRIBUTE]);
    for name in names.get(..length).unwrap_or_default().split(|&byte| byte == 0).filter(|name| kept(name)) {
        let length = fgetxattr(old, name, wanted.as_mut_slice())?;
        let value = wanted.get(..length).unwrap_or_default();
        // A label that the new file has already need not be set, which not every process may.
        let same =
            fgetxattr(file, name, present.as_mut_slice()).is_ok_and(|length| present.get(..length) == Some(value));
        if !same {
            fsetxattr(file, name, value, XattrFlags::empty())?;
        }
    }
    Ok(())
}

fn kept(name: &[u8]) -> bool {
    name.starts_with(b"user.") || matches!(name, ACCESS_LIST | b"security.selinux" | b"security.SMACK64")
}
