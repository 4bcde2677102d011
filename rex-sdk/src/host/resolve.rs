//! Opening of names without crossing symbolic links, and the search for the name behind a link.
//!
//! Uses one call, `openat2`. A worker on a kernel whose Landlock does not limit which files are truncated may not make
//! that call: its flags are in memory, where no filter sees them. It opens names by [`steps`], one directory after the
//! other.

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2, readlink};
use nix::sys::stat::Mode;
use rex_core::AbsPath;

use super::{confine, steps};
use crate::OsError;
use crate::links::{FinalLink, canonical};

/// Flags for every name.
const STRICT: ResolveFlag = ResolveFlag::RESOLVE_NO_SYMLINKS.union(ResolveFlag::RESOLVE_NO_MAGICLINKS);

/// Opens exactly this name. If the way crosses a link, the error has the name behind it, resolved according to `last`.
pub(super) fn open(path: &AbsPath, flags: OFlag, last: FinalLink) -> Result<OwnedFd, OsError> {
    open_strict(AT_FDCWD, &*path.bytes(), flags, Mode::empty()).map_err(|error| failed(error, path, last))
}

/// Opens, or with `O_CREAT` creates, the entry `name` of a directory.
pub(super) fn open_entry(parent: &OwnedFd, name: &str, flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
    open_strict(parent, name, flags, mode)
}

/// Opens the directory that contains `path`, and returns it with the last component, to act on that. Returns `None` for
/// the root directory.
pub(super) fn open_parent(path: &AbsPath, last: FinalLink) -> Result<Option<(OwnedFd, &str)>, OsError> {
    if matches!(path.name_bytes(), Cow::Owned(_)) {
        return Err(OsError::Refused("its name is not UTF-8: it can only be inspected, read and removed"));
    }
    Ok(open_parent_of(path, last)?.map(|directory| (directory, path.name())))
}

/// Opens the directory that contains `path`, whose last component may be any bytes.
pub(super) fn open_parent_of(path: &AbsPath, last: FinalLink) -> Result<Option<OwnedFd>, OsError> {
    let Some(parent) = path.parent() else { return Ok(None) };
    let directory = open_strict(AT_FDCWD, &*parent.bytes(), OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())
        .map_err(|error| failed(error, path, last))?;
    Ok(Some(directory))
}

fn open_strict<P: ?Sized + NixPath>(
    directory: impl AsFd,
    path: &P,
    flags: OFlag,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    if by_steps() {
        return path.with_nix_path(|path| steps::open(directory.as_fd(), path.to_bytes(), flags, mode))?;
    }
    openat2(directory, path, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(mode).resolve(STRICT))
}

/// Checks whether this process opens names without `openat2`.
fn by_steps() -> bool {
    confine::own().is_some_and(|version| !version.holds_cuts())
}

fn failed(error: Errno, path: &AbsPath, last: FinalLink) -> OsError {
    match error {
        Errno::ELOOP => crossed(path, last),
        error => system(error),
    }
}

/// Returns the error for a name that crosses a link: the name behind it, or the reason why it has none.
pub(super) fn crossed(path: &AbsPath, last: FinalLink) -> OsError {
    match canonical(path, last, read_link) {
        Ok(_) if magic(path, last) => {
            OsError::Refused("it crosses a magic link of the kernel, which leads to an object, not to a name")
        }
        Ok(found) => OsError::Crossed(found),
        Err(error) => error,
    }
}

/// Returns where a name leads, if it is a link.
fn read_link(path: &AbsPath) -> io::Result<Option<Vec<u8>>> {
    match readlink(&*path.bytes()) {
        Ok(target) => Ok(Some(target.into_vec())),
        Err(Errno::EINVAL) => Ok(None),
        Err(error) => Err(io::Error::from(error)),
    }
}

/// Checks whether the way crosses a magic link, such as `/proc/self/root` or `/proc/self/fd/0`. Reading one returns a
/// text that looks like a name, but may be invalid, or a name in another mount namespace.
///
/// The kernel returns `ELOOP` for it as for a loop of links, which the caller has ruled out.
fn magic(path: &AbsPath, last: FinalLink) -> bool {
    if by_steps() {
        return steps::magic(path, last, read_link);
    }
    let parent = path.parent();
    let path = if last == FinalLink::Keep { parent.as_ref().unwrap_or(path) } else { path };
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(AT_FDCWD, &*path.bytes(), how).is_err_and(|error| error == Errno::ELOOP)
}

/// Converts the error of a system call.
pub(super) fn system(error: Errno) -> OsError {
    match error {
        Errno::ENOSYS => {
            OsError::Unavailable("the kernel lacks a system call that Rex requires: `openat2`, Linux 5.6".to_owned())
        }
        error => io::Error::from(error).into(),
    }
}
