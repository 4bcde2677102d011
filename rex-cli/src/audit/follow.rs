//! A file that is read while it grows, even if it is truncated or replaced.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::host::FileNotices;

/// A reader of a file that waits at its end for more. A truncated file is read again from its beginning; another file that has taken
/// the name is read after the rest of the first.
pub(crate) struct FollowReader<R> {
    path: PathBuf,
    file: File,
    /// Number of bytes read.
    at: u64,
    /// `true` if the last bytes read ended a line.
    ended: bool,
    notices: FileNotices,
    reader: R,
}

impl<R: AsFd> FollowReader<R> {
    /// Continues from `at`. Ends when `reader`, the consumer of what is read, has gone away.
    pub(crate) fn new(path: &Path, mut file: File, at: u64, reader: R) -> io::Result<Self> {
        file.seek(SeekFrom::Start(at))?;
        Ok(Self { path: path.to_owned(), file, at, ended: true, notices: FileNotices::new(path)?, reader })
    }

    /// Returns whether there is more to read: of the file, from its beginning, or of another one.
    fn turned(&mut self) -> io::Result<bool> {
        let here = self.file.metadata()?;
        if here.len() < self.at {
            self.file.seek(SeekFrom::Start(0))?;
            self.at = 0;
            return Ok(true);
        }
        let there = match File::open(&self.path) {
            Ok(there) => there,
            // It may be created again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let metadata = there.metadata()?;
        if (metadata.dev(), metadata.ino()) == (here.dev(), here.ino()) {
            return Ok(false);
        }
        // The rest that was added before another file took the name.
        if here.len() > self.at {
            return Ok(true);
        }
        self.file = there;
        self.at = 0;
        self.notices.renew()?;
        Ok(true)
    }
}

impl<R: AsFd> Read for FollowReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.file.read(buffer)?;
            if count > 0 {
                self.at += count as u64;
                self.ended = buffer.get(count - 1) == Some(&b'\n');
                return Ok(count);
            }
            if self.turned()? {
                // A line that was cut off is ended here.
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

/// Standard output, the consumer of what is read.
pub(crate) struct StdoutConsumer(io::Stdout);

impl StdoutConsumer {
    pub(crate) fn new() -> Self {
        Self(io::stdout())
    }
}

impl AsFd for StdoutConsumer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
