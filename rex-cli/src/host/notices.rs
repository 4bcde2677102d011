//! Notices from the kernel about changed files, without polling.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use crate::exit::Stop;

fn inotify() -> nix::Result<Inotify> {
    Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
}

/// A watch on a file: for growth, truncation and replacement.
pub(crate) struct FileNotices {
    path: PathBuf,
    inotify: Inotify,
    watched: Option<WatchDescriptor>,
}

impl FileNotices {
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let mut notices = Self { path: path.to_owned(), inotify: inotify()?, watched: None };
        // The directory of the name, and that of its target.
        for name in [path.to_owned(), std::fs::canonicalize(path)?] {
            let dir = name.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            notices.inotify.add_watch(dir, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO)?;
        }
        notices.renew()?;
        Ok(notices)
    }

    /// Watches the file that has the name now.
    pub(crate) fn renew(&mut self) -> io::Result<()> {
        if let Some(watched) = self.watched.take() {
            // The kernel has removed the watch already if the file is gone.
            let _ = self.inotify.rm_watch(watched);
        }
        // If another file has the name by now, the watch on the directory reports it.
        match self.inotify.add_watch(&self.path, AddWatchFlags::IN_MODIFY) {
            Ok(watched) => self.watched = Some(watched),
            // It will be created.
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Waits until something happens; `false` if the reader has gone away.
    pub(crate) fn wait(&mut self, reader: BorrowedFd<'_>) -> io::Result<bool> {
        let mut fds = [
            PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN),
            // `poll` reports a pipe without a reader, whatever events are requested.
            PollFd::new(reader, PollFlags::empty()),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [_, reader] = &fds;
        if reader.any() == Some(true) {
            return Ok(false);
        }
        match self.inotify.read_events() {
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// Time without changes before a change counts, in milliseconds: an editor writes a file in several steps.
const QUIET: u8 = 50;

/// A watch on a folder and all below it.
pub(crate) struct TreeNotices<'d> {
    dir: &'d Path,
    inotify: Inotify,
}

impl<'d> TreeNotices<'d> {
    pub(crate) fn new(dir: &'d Path) -> Result<Self, Stop> {
        let notices = Self { dir, inotify: inotify().map_err(|error| failed(dir, error))? };
        notices.add(dir)?;
        Ok(notices)
    }

    /// Watches a folder, and the folders in it. Watches that exist are kept.
    fn add(&self, dir: &Path) -> Result<(), Stop> {
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_ONLYDIR;
        self.inotify.add_watch(dir, flags).map_err(|error| failed(dir, error))?;
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.add(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Waits until something has changed and then nothing changes any more.
    pub(crate) fn wait(&mut self) -> Result<(), Stop> {
        let mut timeout = PollTimeout::NONE;
        loop {
            let mut ready = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, timeout) {
                Ok(0) => return self.add(self.dir),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(failed(self.dir, error)),
            }
            while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {
                timeout = PollTimeout::from(QUIET);
            }
        }
    }
}

fn failed(dir: &Path, error: Errno) -> Stop {
    Stop::usage(format!("`{}` cannot be watched: {}", dir.display(), error.desc()))
}
