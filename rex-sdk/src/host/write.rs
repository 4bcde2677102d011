//! Atomic writing of files: a temporary file in the same directory takes the name when it is complete and on disk.
//!
//! The temporary file is named `.NAME.rex-` and some digits. A process that is killed while it writes leaves it behind,
//! and the old file unchanged. [`keep`] copies the attributes of the old file; other hard links to it keep the old
//! contents.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, renameat2};
use nix::sys::stat::{FileStat, Mode, fstatat};
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};
use rex_core::Grant;
use rex_core::action::fs;

use super::attributes::{bind, keep, new_mode};
use super::change::NEW_FILE;
use super::open::{demand_changeable, demand_regular};
use super::resolve::{self, crossed, open_entry, open_parent};
use super::{HostOptions, kernel};
use crate::links::FinalLink;
use crate::os::{EntryKind, OsError, WriteOptions};

const CHUNK: usize = 64 << 10;
/// The longest name of a directory entry, in bytes.
const MAX_NAME: usize = 255;

/// Replaces or creates a regular file.
pub(super) fn replace(
    grant: &Grant<fs::Write>,
    contents: &mut dyn io::Read,
    options: WriteOptions,
    host: &HostOptions,
) -> Result<u64, OsError> {
    let path = grant.resource();
    // A file that must be new is not looked for behind a link: the link has the name already.
    let last = if options.new { FinalLink::Keep } else { FinalLink::Cross };
    let Some((parent, name)) = open_parent(path, last)? else {
        return Err(OsError::WrongKind(EntryKind::Directory));
    };
    let old = match destination(&parent, name, options, host) {
        Err(OsError::WrongKind(EntryKind::Symlink)) => return Err(crossed(path, last)),
        old => old?,
    };
    let mode = match options.like {
        // Until it is known who may read it, nobody else reads what may become a secret file.
        _ if options.private || old.is_some() => Mode::S_IRUSR | Mode::S_IWUSR,
        Some(like) => new_mode(&parent, like)?,
        None => NEW_FILE,
    };
    let temporary = TemporaryFile::create(&parent, name, mode).map_err(|error| kernel::told(error, path))?;
    if let Some(like) = options.like {
        bind(&temporary.file, like)?;
    }
    let count = copy(contents, &temporary.file, grant.action().bytes)?;
    if let Some(old) = &old {
        keep(&temporary.file, &parent, name, old, options.like)?;
    }
    temporary.file.sync_all()?;
    let file = temporary.file.try_clone()?;
    temporary.rename(name, options)?;
    sync_directory(&parent, Some(&file))?;
    Ok(count)
}

/// Returns the regular file that is about to be replaced; `None` if the name is free. Anything else may not be
/// replaced.
pub(super) fn destination(
    parent: &OwnedFd,
    name: &str,
    options: WriteOptions,
    host: &HostOptions,
) -> Result<Option<FileStat>, OsError> {
    match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(resolve::system(error)),
        Ok(_) if options.new => Err(resolve::system(Errno::EEXIST)),
        Ok(status) => {
            demand_regular(&status, host).and_then(|()| demand_changeable(&status, host)).map(|()| Some(status))
        }
    }
}

/// Returns the flags for a rename, which may replace a file or not.
pub(super) fn rename_flags(options: WriteOptions) -> RenameFlags {
    if options.new { RenameFlags::RENAME_NOREPLACE } else { RenameFlags::empty() }
}

/// Syncs a directory's entries to disk. If Rex may write but not read the directory, it syncs the file with the new
/// name instead, which has this effect on the common file systems, whose logs keep the two together.
pub(super) fn sync_directory(directory: &OwnedFd, file: Option<&File>) -> Result<(), OsError> {
    match open_entry(directory, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()) {
        Ok(readable) => fsync(readable).map_err(resolve::system),
        Err(Errno::EACCES) => Ok(file.map_or(Ok(()), File::sync_all)?),
        Err(error) => Err(resolve::system(error)),
    }
}

fn copy(contents: &mut dyn io::Read, mut file: &File, max: i64) -> Result<u64, OsError> {
    let allowed = u64::try_from(max).unwrap_or(0);
    let mut buffer = vec![0; CHUNK];
    let mut count = 0;
    loop {
        let more = match contents.read(&mut buffer) {
            Ok(0) => return Ok(count),
            Ok(more) => more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        count += more as u64;
        if count > allowed {
            return Err(OsError::TooMuch(max));
        }
        file.write_all(buffer.get(..more).unwrap_or_default())?;
    }
}

/// A file that is removed unless it is renamed.
struct TemporaryFile<'d> {
    parent: &'d OwnedFd,
    name: String,
    file: File,
    renamed: bool,
}

impl<'d> TemporaryFile<'d> {
    fn create(parent: &'d OwnedFd, name: &str, mode: Mode) -> Result<Self, OsError> {
        const MAX_TRIES: usize = 16;
        const FLAGS: OFlag = OFlag::O_WRONLY.union(OFlag::O_CREAT).union(OFlag::O_EXCL);
        for _ in 0..MAX_TRIES {
            let name = temporary_name(name);
            match open_entry(parent, &name, FLAGS, mode) {
                Ok(file) => return Ok(Self { parent, name, file: File::from(file), renamed: false }),
                Err(Errno::EEXIST) => {}
                Err(error) => return Err(resolve::system(error)),
            }
        }
        Err(resolve::system(Errno::EEXIST))
    }

    fn rename(mut self, name: &str, options: WriteOptions) -> Result<(), OsError> {
        renameat2(self.parent, self.name.as_str(), self.parent, name, rename_flags(options))
            .map_err(resolve::system)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for TemporaryFile<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            // Cannot be reported: the error that led here is being returned.
            let _ = unlinkat(self.parent, self.name.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Returns `.NAME.rex-` and eight hexadecimal digits, with the name shortened to fit.
fn temporary_name(name: &str) -> String {
    let digits = RandomState::new().build_hasher().finish() & 0xffff_ffff;
    let ending = format!(".rex-{digits:08x}");
    let room = MAX_NAME - 1 - ending.len();
    let kept = name.get(..name.floor_char_boundary(room)).unwrap_or_default();
    format!(".{kept}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_fit_and_differ() {
        let long = "ä".repeat(127);
        let name = temporary_name(&long);
        assert!(name.len() <= MAX_NAME && name.starts_with(".ä"), "{name}");
        assert_ne!(temporary_name("x"), temporary_name("x"));
        assert!(temporary_name("x").starts_with(".x.rex-"));
    }
}
