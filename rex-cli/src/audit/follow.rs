//! A file that is read on as it grows, whatever becomes of its name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::host::FileNotices;

/// Reads a file to its end, and then waits for more. Where it was cut, it is read again from its beginning; where another file
/// has taken its name, that one is read, once the first has nothing more.
pub(crate) struct Follow<R> {
    path: PathBuf,
    file: File,
    /// How far it was read.
    at: u64,
    /// Whether what was read last ended a line.
    ended: bool,
    notices: FileNotices,
    reader: R,
}

impl<R: AsFd> Follow<R> {
    /// Reads on from `at`. Ends when `reader`, for whom it is done, has gone away.
    pub(crate) fn new(path: &Path, mut file: File, at: u64, reader: R) -> io::Result<Self> {
        file.seek(SeekFrom::Start(at))?;
        Ok(Self { path: path.to_owned(), file, at, ended: true, notices: FileNotices::new(path)?, reader })
    }

    /// Whether there is something else to read: the file from its beginning, or another one.
    fn turned(&mut self) -> io::Result<bool> {
        let here = self.file.metadata()?;
        if here.len() < self.at {
            self.file.seek(SeekFrom::Start(0))?;
            self.at = 0;
            return Ok(true);
        }
        let there = match File::open(&self.path) {
            Ok(there) => there,
            // It may come back.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let metadata = there.metadata()?;
        if (metadata.dev(), metadata.ino()) == (here.dev(), here.ino()) {
            return Ok(false);
        }
        // What was added between the last look and the moment when the name was taken.
        if here.len() > self.at {
            return Ok(true);
        }
        self.file = there;
        self.at = 0;
        self.notices.renew()?;
        Ok(true)
    }
}

impl<R: AsFd> Read for Follow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.file.read(buffer)?;
            if count > 0 {
                self.at += count as u64;
                self.ended = buffer.get(count - 1) == Some(&b'\n');
                return Ok(count);
            }
            if self.turned()? {
                // The line that was begun goes on nowhere.
                if let (false, Some(first)) = (self.ended, buffer.first_mut()) {
                    *first = b'\n';
                    self.ended = true;
                    return Ok(1);
                }
                continue;
            }
            if !self.notices.wait(self.reader.as_fd())? {
                return Ok(0);
            }
        }
    }
}

/// Standard output, for which it is done.
pub(crate) struct Stdout(io::Stdout);

impl Stdout {
    pub(crate) fn new() -> Self {
        Self(io::stdout())
    }
}

impl AsFd for Stdout {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
