//! Pinned programs: a copy in memory is started, which was sealed before it was hashed. The owner of a file, and any
//! process that has it open, can write to it at any time.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat};
use nix::unistd::{Gid, Uid, fchown, geteuid};
use rex_core::{AbsPath, Budget, Code, Error};
use rustix::fs::{MemfdFlags, memfd_create};
use sha2::{Digest, Sha256};

use super::resolve;
use crate::os::OsError;

/// Number of bytes read at a time.
const PIECE: usize = 1 << 20;

/// Copies the program, if it has this SHA-256.
pub(super) fn copy(mut file: File, path: &AbsPath, sha256: &str, budget: &Budget) -> Result<OwnedFd, OsError> {
    copy_then(&mut file, path, sha256, budget, || {})
}

/// Copies the program; `then` runs after the first look at the file, in tests.
fn copy_then(
    file: &mut File,
    path: &AbsPath,
    sha256: &str,
    budget: &Budget,
    then: impl FnOnce(),
) -> Result<OwnedFd, OsError> {
    // Checked before, so that the copy takes no more memory than the pinned program needs.
    let bytes = demand(file, path, sha256, budget)?;
    then();
    let status = fstat(&*file).map_err(resolve::system)?;
    let mut copy = File::from(memory(&status)?);
    file.rewind()?;
    let mut rest = file.take(bytes);
    while io::copy(&mut (&mut rest).take(PIECE as u64), &mut copy)? > 0 {
        budget.check()?;
    }
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals)).map_err(resolve::system)?;
    demand(&mut copy, path, sha256, budget)?;
    Ok(copy.into())
}

/// Hashes a whole file; returns its length if it is the pinned one.
fn demand(file: &mut File, path: &AbsPath, sha256: &str, budget: &Budget) -> Result<u64, OsError> {
    file.rewind()?;
    let (mut hash, mut length, mut piece) = (Sha256::new(), 0_u64, vec![0; PIECE]);
    loop {
        budget.check()?;
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        hash.update(piece.get(..count).unwrap_or_default());
        length = length.saturating_add(count as u64);
    }
    let found = format!("{:x}", hash.finalize());
    if found == *sha256 {
        return Ok(length);
    }
    let message = format!("`{}` has the SHA-256 {found}, which is not the pinned one", path.as_str().escape_debug());
    Err(Error::new(Code::Io, message).into())
}

/// Creates a file in memory, executable by those who may execute the other one.
fn memory(like: &FileStat) -> Result<OwnedFd, OsError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = match memfd_create("rex-program", flags | MemfdFlags::EXEC) {
        // Before Linux 6.3, this flag did not exist, and all such files were executable.
        Err(rustix::io::Errno::INVAL) => memfd_create("rex-program", flags),
        made => made,
    };
    let made = made.map_err(|error| match error {
        rustix::io::Errno::ACCESS => {
            OsError::Refused("a pinned program is started from memory, which this machine forbids (`vm.memfd_noexec`)")
        }
        error => OsError::Io(error.into()),
    })?;
    if geteuid().is_root() {
        fchown(&made, Some(Uid::from_raw(like.st_uid)), Some(Gid::from_raw(like.st_gid))).map_err(resolve::system)?;
    }
    fchmod(&made, Mode::from_bits_truncate(like.st_mode & 0o777)).map_err(resolve::system)?;
    Ok(made)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests change files behind Rex's back")]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use rex_core::Limits;

    use super::*;

    /// Writes to the file in place, as its owner may, during the copy and after it.
    #[test]
    fn what_is_started_is_what_was_hashed() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join("tool");
        std::fs::write(&name, "GOOD-TOOL").unwrap();
        let mut open = File::open(&name).unwrap();
        let pin = format!("{:x}", Sha256::digest("GOOD-TOOL"));
        let (path, budget) = (AbsPath::parse("/tool").unwrap(), Budget::new(Limits::default(), Arc::default()));
        let write = |text: &str| {
            let mut writer = std::fs::OpenOptions::new().write(true).open(&name).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        };
        for text in ["EVIL-TOOL", "GOOD-TOOL and more"] {
            let copied = copy_then(&mut open, &path, &pin, &budget, || write(text));
            // Added bytes are left out; changed ones are detected.
            assert_eq!(copied.is_ok(), text.starts_with("GOOD"), "{text}");
            std::fs::write(&name, "GOOD-TOOL").unwrap();
        }
        let mut copied = File::from(copy_then(&mut open, &path, &pin, &budget, || {}).unwrap());
        write("EVIL-TOOL");
        let mut text = String::new();
        copied.rewind().unwrap();
        copied.read_to_string(&mut text).unwrap();
        assert_eq!(text, "GOOD-TOOL");
        assert!(copied.write_all(b"x").is_err() && copied.set_len(0).is_err() && copied.set_len(20).is_err());
    }
}
