//! The journal's file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::exit::Stop;

/// A file that is only added to, and that still has its name whenever something is.
#[derive(Debug)]
pub(crate) struct JournalFile {
    file: File,
    path: PathBuf,
    /// Device and inode; `None` for what is no regular file, such as a pipe.
    id: Option<(u64, u64)>,
}

impl JournalFile {
    /// Opens a journal to add to. A last line that a killed run left torn is ended first, so that it spoils no other.
    pub(crate) fn open(path: &Path) -> Result<Self, Stop> {
        let open = || -> io::Result<Self> {
            let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
            let metadata = file.metadata()?;
            let id = metadata.is_file().then(|| (metadata.dev(), metadata.ino()));
            if id.is_some() && file.seek(SeekFrom::End(-1)).is_ok() {
                let mut last = [0];
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    file.write_all(b"\n")?;
                }
            }
            Ok(Self { file, path: path.to_owned(), id })
        };
        open().map_err(|error| Stop::usage(format!("the journal `{}` cannot be written: {error}", path.display())))
    }

    /// Device and inode, if it is a regular file.
    pub(crate) fn id(&self) -> Option<(u64, u64)> {
        self.id
    }

    /// Another handle of the same file.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, path: self.path.clone(), id: self.id })
    }
}

impl Write for JournalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Write for &JournalFile {
    /// Fails where the file was removed, or another took its name: nobody would find what is written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(id) = self.id {
            let there = std::fs::metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino()));
            if there.ok() != Some(id) {
                return Err(io::Error::other("it was removed, or another file took its name"));
            }
        }
        (&self.file).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&self.file).flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_lost_its_name_takes_no_more_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        std::fs::write(&path, "torn").unwrap();
        let mut journal = JournalFile::open(&path).unwrap();
        journal.write_all(b"one\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "torn\none\n");
        std::fs::rename(&path, dir.path().join("k")).unwrap();
        assert!(journal.write_all(b"two\n").is_err());
        std::fs::write(&path, "").unwrap();
        assert!(journal.write_all(b"two\n").is_err(), "another file took the name");
        std::fs::rename(dir.path().join("k"), &path).unwrap();
        journal.write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "torn\none\nthree\n");
    }
}
