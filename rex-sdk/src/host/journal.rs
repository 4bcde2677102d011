//! The files of a run's journal, which scripts may not change.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The path of a journal, and the files that it had under other names when this was made.
///
/// When a journal `j` is rotated, it continues in a new file with that name; the old file becomes `j.000001`, the next
/// `j.000002`. Names are never reused. So the files of a journal can be found by name during a run, which a confined
/// worker can still do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFiles {
    path: PathBuf,
    /// Device and inode of each file.
    known: Vec<(u64, u64)>,
    last: u32,
}

impl JournalFiles {
    /// Finds the files of the journal at this path, which must not contain links.
    ///
    /// # Errors
    /// If its directory cannot be read.
    pub fn at(path: &Path) -> io::Result<Self> {
        let mut files = Self { path: path.to_owned(), known: id(path).into_iter().collect(), last: 0 };
        for entry in path.parent().unwrap_or(Path::new("/")).read_dir()? {
            let entry = entry?;
            if let Some(number) = files.number(&entry.file_name()) {
                files.last = files.last.max(number);
                files.known.extend(id(&entry.path()));
            }
        }
        Ok(files)
    }

    /// Returns the file that lines are added to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file that takes that name next, while it is being made.
    #[must_use]
    pub fn next(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".next");
        self.path.with_file_name(name)
    }

    /// Returns the rotated file with this number.
    #[must_use]
    pub fn rotated(&self, number: u32) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{number:06}"));
        self.path.with_file_name(name)
    }

    /// Returns the number of the newest rotated file when this was made, 0 without one.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.last
    }

    fn number(&self, name: &std::ffi::OsStr) -> Option<u32> {
        let digits = name.to_str()?.strip_prefix(self.path.file_name()?.to_str()?)?.strip_prefix('.')?;
        (digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
    }

    /// Checks whether this device and inode are those of one of its files, including later ones.
    #[must_use]
    pub fn contain(&self, file: (u64, u64)) -> bool {
        let is = |path: PathBuf| id(&path).map(|there| there == file);
        let mut later = (self.last.saturating_add(1)..).map_while(|number| is(self.rotated(number)));
        // In this order: a file that is renamed meanwhile is found under its new name.
        self.known.contains(&file)
            || is(self.next()) == Some(true)
            || is(self.path.clone()) == Some(true)
            || later.any(|same| same)
    }
}

/// Returns the device and inode of a regular file.
fn id(path: &Path) -> Option<(u64, u64)> {
    let metadata = path.symlink_metadata().ok()?;
    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files")]
mod tests {
    use super::*;

    #[test]
    fn files_that_come_later_are_known_too() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            std::fs::write(dir.path().join(name), "").unwrap();
            id(&dir.path().join(name)).unwrap()
        };
        let journal = dir.path().join("j");
        let before = ["j", "j.000001", "j.000004"].map(put);
        let files = JournalFiles::at(&journal).unwrap();
        assert_eq!((files.last(), files.rotated(5)), (4, dir.path().join("j.000005")));
        let others = ["j.00001", "j.x", "jj", "j.000001.gz"].map(put);
        std::fs::rename(&journal, files.rotated(5)).unwrap();
        let after = ["j", ".j.next", "j.000006"].map(put);
        assert!(before.iter().chain(&after).all(|file| files.contain(*file)));
        assert!(!others.iter().any(|file| files.contain(*file)));
    }
}
