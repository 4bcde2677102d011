//! The files of a run's journal, which scripts do not change.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A journal by its name, and the files that it had under other names when this was made.
///
/// A journal `j` that is rotated goes on in a new file of that name; the old one becomes `j.000001`, the next `j.000002`. Names are
/// never used again. So what becomes of a journal while a run goes on can be found by looking at names, which a
/// confined worker can still do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFiles {
    path: PathBuf,
    /// Device and inode of each.
    known: Vec<(u64, u64)>,
    last: u32,
}

impl JournalFiles {
    /// The journal of this name, which must not have links in it.
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

    /// The file that lines are added to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that takes that name next, while it is made.
    #[must_use]
    pub fn next(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".next");
        self.path.with_file_name(name)
    }

    /// The file of this number.
    #[must_use]
    pub fn rotated(&self, number: u32) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{number:06}"));
        self.path.with_file_name(name)
    }

    /// The number of the youngest one that was there when this was made, 0 if there was none.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.last
    }

    fn number(&self, name: &std::ffi::OsStr) -> Option<u32> {
        let digits = name.to_str()?.strip_prefix(self.path.file_name()?.to_str()?)?.strip_prefix('.')?;
        (digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
    }

    /// Whether this device and inode are of one of its files, also of one that came there later.
    #[must_use]
    pub fn contain(&self, file: (u64, u64)) -> bool {
        let is = |path: PathBuf| id(&path).map(|there| there == file);
        let mut later = (self.last.saturating_add(1)..).map_while(|number| is(self.rotated(number)));
        // In this order: a file that gets another name meanwhile is found under it.
        self.known.contains(&file)
            || is(self.next()) == Some(true)
            || is(self.path.clone()) == Some(true)
            || later.any(|same| same)
    }
}

/// Device and inode, if it is a regular file.
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
