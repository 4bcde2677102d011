//! Files that are replaced atomically: a reader finds the old contents or the new ones.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// The owner and the mode of a file that replaces another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileRights {
    /// The owner is the writer; this is the mode, as far as the umask allows.
    New(u32),
    /// Owner, group and mode are kept. If they cannot be, the old file stays.
    Kept,
}

/// Writes a file beside this one, then renames it. A link is followed; anything but a regular file, such as a terminal, is written to.
pub(crate) fn file(path: &Path, rights: FileRights, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let (path, old) = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return write(&OpenOptions::new().write(true).open(path)?),
        Ok(metadata) => (fs::canonicalize(path)?, Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => (path.to_owned(), None),
        Err(error) => return Err(error),
    };
    let (mode, kept) = match rights {
        FileRights::New(mode) => (mode, None),
        FileRights::Kept => (0o600, old),
    };
    let fresh = FreshFile(beside(&path)?);
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh.0)?;
    write(&file)?;
    kept.map_or(Ok(()), |old| keep(&file, &old))?;
    file.sync_all()?;
    fs::rename(&fresh.0, &path)
}

/// Sets the owner, the group and the mode of a file to those of another.
fn keep(file: &File, old: &Metadata) -> io::Result<()> {
    let (new, owner) = (file.metadata()?, (old.uid(), old.gid()));
    if (new.uid(), new.gid()) != owner {
        let (uid, gid) = owner;
        fchown(file, Some(uid), Some(gid)).map_err(|error| {
            io::Error::new(error.kind(), format!("it belongs to {uid}:{gid}, which cannot be kept: {error}"))
        })?;
    }
    // `fchown` clears the set-user-ID and set-group-ID bits, so the mode is set after it.
    file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))
}

/// Returns an unused name beside a file. By its dot, commands that read the directory skip it.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "it has no name"))?;
    let name = format!(".{}.{}", name.to_string_lossy(), rex_engine::random_id());
    Ok(path.with_file_name(name))
}

/// A file that is removed when dropped, unless it was renamed before.
struct FreshFile(PathBuf);

impl Drop for FreshFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const NEW: FileRights = FileRights::New(0o600);

    #[test]
    fn a_file_is_as_it_was_or_as_it_is_now() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("page"), dir.path().join("link"));
        std::os::unix::fs::symlink("page", &link).unwrap();
        file(&path, NEW, |mut file| file.write_all(b"one")).unwrap();
        let failed = file(&path, NEW, |mut file| file.write_all(b"x").and_then(|()| Err(io::Error::other("full"))));
        assert_eq!(failed.unwrap_err().to_string(), "full");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        file(&link, NEW, |mut file| file.write_all(b"two")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(file(Path::new("/nowhere/page"), NEW, |_| Ok(())).is_err());
    }

    #[test]
    fn owner_and_mode_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy");
        fs::write(&path, "one").unwrap();
        let mine = fs::metadata(&path).unwrap();
        // Only root can give a file to another user.
        let owner = if mine.uid() == 0 { (12_345, 12_346) } else { (mine.uid(), mine.gid()) };
        std::os::unix::fs::chown(&path, Some(owner.0), Some(owner.1)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o4666)).unwrap();
        file(&path, FileRights::Kept, |mut file| file.write_all(b"two")).unwrap();
        let kept = fs::metadata(&path).unwrap();
        assert_eq!((kept.uid(), kept.gid(), kept.mode() & 0o7777), (owner.0, owner.1, 0o4666));
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    }
}
