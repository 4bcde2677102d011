//! Files that are replaced at once: whoever reads one finds it as it was, or as it is now.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes a file beside the one with this name, and gives it the name. A link is followed; what is no regular file, such as a
/// terminal, is written to.
pub(crate) fn file(path: &Path, mode: u32, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let path = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return write(&OpenOptions::new().write(true).open(path)?),
        Ok(_) => fs::canonicalize(path)?,
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let fresh = Fresh(beside(&path)?);
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh.0)?;
    write(&file)?;
    file.sync_all()?;
    fs::rename(&fresh.0, &path)
}

/// A name that no other process takes, for which the files of a directory that others read are not looked for.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "it has no name"))?;
    let name = format!(".{}.{}", name.to_string_lossy(), rex_engine::random_id());
    Ok(path.with_file_name(name))
}

/// A file that does not stay where it has not got its name. After that, nothing is called so.
struct Fresh(PathBuf);

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_as_it_was_or_as_it_is_now() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("page"), dir.path().join("link"));
        std::os::unix::fs::symlink("page", &link).unwrap();
        file(&path, 0o600, |mut file| file.write_all(b"one")).unwrap();
        let failed = file(&path, 0o600, |mut file| file.write_all(b"x").and_then(|()| Err(io::Error::other("full"))));
        assert_eq!(failed.unwrap_err().to_string(), "full");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        file(&link, 0o600, |mut file| file.write_all(b"two")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(file(Path::new("/nowhere/page"), 0o600, |_| Ok(())).is_err());
    }
}
