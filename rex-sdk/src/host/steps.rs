//! Opening of names without `openat2`: one directory after the other, none of which may be a link.
//!
//! INVARIANT: the result is that of `openat2` with `RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS`, including its errors.
//! Each step opens one name in an open directory without following a link, so no link is crossed, whatever is swapped
//! meanwhile.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use rex_core::AbsPath;

use crate::OsError;
use crate::links::{FinalLink, canonical};

/// The type of `/proc`, as in `statfs(2)`.
const PROC: u64 = 0x9FA0;
/// The inode number of its top directory.
const TOP: u64 = 1;

/// Opens exactly this name, with no `.` or `..` on the way. `flags` apply to what is at its end.
pub(super) fn open(directory: BorrowedFd<'_>, path: &[u8], flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
    const WAY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);
    let mut parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
    let Some(last) = parts.next_back() else {
        return openat(AT_FDCWD, path, flags | OFlag::O_CLOEXEC, mode);
    };
    let mut at = None;
    if path.starts_with(b"/") {
        at = Some(openat(AT_FDCWD, "/", WAY | OFlag::O_CLOEXEC, Mode::empty())?);
    }
    for part in parts {
        let above = at.as_ref().map_or(directory, AsFd::as_fd);
        at = Some(step(above, part, WAY, Mode::empty())?);
    }
    step(at.as_ref().map_or(directory, AsFd::as_fd), last, flags, mode)
}

/// Opens an entry of a directory. Refuses a link, unless `flags` open the link itself.
fn step(directory: BorrowedFd<'_>, name: &[u8], flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
    let link_itself = flags.contains(OFlag::O_PATH | OFlag::O_NOFOLLOW);
    match openat(directory, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, mode) {
        // For a link, the kernel says here that it is not a directory.
        Err(Errno::ENOTDIR) => {
            let found = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW);
            Err(if found.is_ok_and(|found| is_link(&found)) && !link_itself { Errno::ELOOP } else { Errno::ENOTDIR })
        }
        Ok(opened) if flags.contains(OFlag::O_PATH) && !link_itself && is_link(&fstat(&opened)?) => Err(Errno::ELOOP),
        other => other,
    }
}

fn is_link(status: &FileStat) -> bool {
    SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFLNK
}

/// Checks whether the way crosses a magic link: any link in a `/proc`, except in its top directory, which contains
/// `self` and its like.
pub(super) fn magic(
    path: &AbsPath,
    last: FinalLink,
    read_link: impl Fn(&AbsPath) -> io::Result<Option<Vec<u8>>>,
) -> bool {
    let mut magic = false;
    let found: Result<_, OsError> = canonical(path, last, |name| {
        let target = read_link(name)?;
        magic |= target.is_some() && lies_in_proc(name);
        Ok(target)
    });
    magic || found.is_err()
}

/// Checks whether the directory of a name is in a `/proc`, but not its top one. A directory that cannot be examined
/// counts.
fn lies_in_proc(name: &AbsPath) -> bool {
    let Some(parent) = name.parent() else { return false };
    let Ok(parent) = open(AT_FDCWD, &parent.bytes(), OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()) else {
        return true;
    };
    match (rustix::fs::fstatfs(&parent), fstat(&parent)) {
        (Ok(system), Ok(status)) => u64::try_from(system.f_type) == Ok(PROC) && status.st_ino != TOP,
        _ => true,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test prepares files")]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::fcntl::{OpenHow, ResolveFlag, openat2};

    use super::*;

    /// Returns the device and number of what was opened.
    fn of(opened: Result<OwnedFd, Errno>) -> Result<(u64, u64), Errno> {
        opened.map(|opened| fstat(&opened).map(|status| (status.st_dev, status.st_ino)).unwrap())
    }

    #[test]
    fn steps_lead_where_one_call_does() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let at = |name: &str| base.join(name);
        std::fs::create_dir_all(at("d/e")).unwrap();
        std::fs::write(at("d/f"), "").unwrap();
        for (link, target) in [("l", "d"), ("d/l", "f"), ("d/e/up", ".."), ("loop", "loop"), ("gone", "nowhere")] {
            symlink(target, at(link)).unwrap();
        }
        let names = [
            "", "d", "d/f", "d/e", "d/none", "d/f/x", "none/x", "l", "l/f", "l/e", "d/l", "d/l/x", "d/e/up",
            "d/e/up/f", "loop", "loop/x", "gone", "gone/x",
        ];
        let names = names.map(|name| at(name).to_str().unwrap().trim_end_matches('/').to_owned());
        let own = [
            "/",
            "/proc/self/exe",
            "/proc/self/root",
            "/proc/self/root/etc",
            "/proc/self/fd/0",
            "/proc/self",
            "/proc/mounts",
        ];
        let proc = format!("/proc/{}", std::process::id());
        let magic = ["/exe", "/root", "/root/etc", "/fd/0", "/cwd/x"].map(|name| format!("{proc}{name}"));
        let flags = [
            OFlag::O_RDONLY,
            OFlag::O_PATH,
            OFlag::O_PATH | OFlag::O_NOFOLLOW,
            OFlag::O_PATH | OFlag::O_DIRECTORY,
            OFlag::O_RDONLY | OFlag::O_DIRECTORY,
            OFlag::O_WRONLY | OFlag::O_APPEND,
            OFlag::O_RDONLY | OFlag::O_CREAT | OFlag::O_EXCL,
        ];
        let mut compared = 0;
        for name in names.iter().map(String::as_str).chain(own).chain(magic.iter().map(String::as_str)) {
            for flags in flags {
                // A file is created only once.
                if flags.contains(OFlag::O_CREAT) && !std::path::Path::new(name).is_symlink() {
                    continue;
                }
                let strict = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
                let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(strict);
                let expected = of(openat2(AT_FDCWD, name, how));
                let met = of(open(AT_FDCWD, name.as_bytes(), flags, Mode::empty()));
                assert_eq!(met, expected, "{name} {flags:?}");
                compared += 1;
            }
        }
        assert!(compared > 150, "{compared}");
    }

    #[test]
    fn an_entry_of_a_directory_is_made_and_opened() {
        let dir = tempfile::tempdir().unwrap();
        let held = openat(AT_FDCWD, dir.path(), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).unwrap();
        let new = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        assert!(open(held.as_fd(), b"x", new, Mode::S_IRUSR).is_ok());
        assert_eq!(open(held.as_fd(), b"x", new, Mode::S_IRUSR).unwrap_err(), Errno::EEXIST);
        assert!(open(held.as_fd(), b"x", OFlag::O_RDONLY, Mode::empty()).is_ok());
        assert!(open(held.as_fd(), b".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).is_ok());
    }

    #[test]
    fn links_of_the_kernels_own_are_told_from_others() {
        let read_link = |name: &AbsPath| match nix::fcntl::readlink(&*name.bytes()) {
            Ok(target) => Ok(Some(target.into_encoded_bytes())),
            Err(Errno::EINVAL) => Ok(None),
            Err(error) => Err(io::Error::from(error)),
        };
        let is_magic = |name: &str| magic(&AbsPath::parse(name).unwrap(), FinalLink::Cross, read_link);
        for name in ["/proc/self/exe", "/proc/self/root/etc", "/proc/thread-self/cwd", "/proc/self/fd/0"] {
            assert!(is_magic(name), "{name}");
        }
        for name in ["/proc/self/status", "/proc/mounts", "/proc/net", "/etc/hostname"] {
            assert!(!is_magic(name), "{name}");
        }
        assert!(!magic(&AbsPath::parse("/proc/self/exe").unwrap(), FinalLink::Keep, read_link));
    }
}
