//! Renaming of files, and second names.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, renameat2};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use rex_core::action::fs;
use rex_core::{AbsPath, Grant};

use super::open::{demand_changeable, demand_regular};
use super::resolve::{self, open_entry, open_parent};
use super::write::{destination, rename_flags, sync_directory};
use super::{HostOptions, confine};
use crate::links::FinalLink;
use crate::os::{EntryKind, LinkSource, OsError, RenameSource, WriteOptions};

/// A regular file that is about to be renamed or linked: its directory, and the file itself.
pub(super) struct HostTaken {
    parent: OwnedFd,
    name: String,
    entry: OwnedFd,
    size: u64,
    options: HostOptions,
}

/// Opens a regular file that is to be renamed or linked.
pub(super) fn take(path: &AbsPath, options: &HostOptions) -> Result<HostTaken, OsError> {
    let Some((parent, name)) = open_parent(path, FinalLink::Keep)? else {
        return Err(OsError::WrongKind(EntryKind::Directory));
    };
    let entry = open_entry(&parent, name, OFlag::O_PATH | OFlag::O_NOFOLLOW, Mode::empty()).map_err(resolve::system)?;
    let status = fstat(&entry).map_err(resolve::system)?;
    demand_regular(&status, options)?;
    demand_changeable(&status, options)?;
    let size = u64::try_from(status.st_size).unwrap_or(0);
    Ok(HostTaken { parent, name: name.to_owned(), entry, size, options: options.clone() })
}

impl RenameSource for HostTaken {
    fn size(&self) -> u64 {
        self.size
    }

    fn rename(&self, to: Grant<fs::Write>, options: WriteOptions) -> Result<(), OsError> {
        let Some((parent, name)) = open_parent(to.resource(), FinalLink::Keep)? else {
            return Err(OsError::WrongKind(EntryKind::Directory));
        };
        let replaced = destination(&parent, name, options, &self.options)?;
        let taken = self.still()?;
        if taken.st_size > to.action().bytes {
            return Err(OsError::TooMuch(to.action().bytes));
        }
        if replaced.is_some_and(|replaced| same(&replaced, &taken)) && taken.st_nlink > 1 {
            return Err(OsError::Refused(crate::os::SAME_FILE));
        }
        renameat2(&self.parent, self.name.as_str(), &parent, name, rename_flags(options)).map_err(
            |error| match error {
                Errno::EXDEV if self.is_kept(&parent) => OsError::Refused(
                    "before Linux 5.19, the kernel lets no confined process move a file to another directory: copy the file there, then remove the old one",
                ),
                Errno::EXDEV if is_same_system(&self.parent, &parent) => OsError::Refused(
                    "the kernel's confinement does not let a file move to where the policy permits more: copy the file there, then remove the old one",
                ),
                Errno::EXDEV => OsError::Refused(
                    "the new name is on another file system: copy the file there, then remove the old one",
                ),
                error => resolve::system(error),
            },
        )?;
        sync_directory(&parent, None)?;
        sync_directory(&self.parent, None)
    }
}

impl HostTaken {
    /// Checks whether this process's confinement keeps the file in its directory: the other one is on the same file
    /// system.
    fn is_kept(&self, other: &OwnedFd) -> bool {
        confine::own().is_some_and(|version| !version.holds_moves()) && is_same_system(&self.parent, other)
    }

    /// Checks that the name is still that of the file, and returns the file's status.
    fn still(&self) -> Result<FileStat, OsError> {
        let taken = fstat(&self.entry).map_err(resolve::system)?;
        match fstatat(&self.parent, self.name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(now) if same(&now, &taken) => Ok(taken),
            Ok(_) | Err(Errno::ENOENT) => Err(OsError::Changed),
            Err(error) => Err(resolve::system(error)),
        }
    }
}

impl LinkSource for HostTaken {
    fn size(&self) -> u64 {
        self.size
    }

    fn link(&self, to: Grant<fs::Write>) -> Result<(), OsError> {
        let Some((parent, name)) = open_parent(to.resource(), FinalLink::Keep)? else {
            return Err(OsError::WrongKind(EntryKind::Directory));
        };
        let held = self.still()?;
        if held.st_size > to.action().bytes {
            return Err(OsError::TooMuch(to.action().bytes));
        }
        if self.options.deny_hard_links {
            return Err(OsError::HardLinks(held.st_nlink.saturating_add(1)));
        }
        linkat(&self.parent, self.name.as_str(), &parent, name, AtFlags::empty()).map_err(|error| match error {
            Errno::EXDEV if self.is_kept(&parent) => OsError::Refused(
                "before Linux 5.19, the kernel lets no confined process link a file to another directory: copy it there",
            ),
            Errno::EXDEV if is_same_system(&self.parent, &parent) => OsError::Refused(
                "the kernel's confinement does not let a file have a second name where the policy permits more: copy the file",
            ),
            Errno::EXDEV => OsError::Refused("the new name is on another file system, where the file cannot be"),
            error => resolve::system(error),
        })?;
        // `linkat` works by name: another file may have taken that name meanwhile, without a decision.
        let linked = fstatat(&parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(resolve::system)?;
        if !same(&linked, &held) {
            let _ = unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir);
            return Err(OsError::Changed);
        }
        sync_directory(&parent, None)
    }
}

/// Checks whether two directories are on one file system, so that the kernel's `EXDEV` has another reason: Landlock
/// lets no file gain rights in its new place (`LANDLOCK_ACCESS_FS_REFER` in the kernel's documentation).
fn is_same_system(one: &OwnedFd, other: &OwnedFd) -> bool {
    matches!((fstat(one), fstat(other)), (Ok(one), Ok(other)) if one.st_dev == other.st_dev)
}

/// Checks whether both are the same file.
fn same(one: &FileStat, other: &FileStat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
