//! Waits until a file of a folder changes.

use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::os::fd::AsFd;

use crate::exit::Stop;

/// How long nothing must have changed before it counts, in milliseconds: an editor writes a file in several steps.
const QUIET: u8 = 50;

/// A folder and all below it, watched.
pub(super) struct Watch<'d> {
    dir: &'d Path,
    inotify: Inotify,
}

impl<'d> Watch<'d> {
    pub(super) fn new(dir: &'d Path) -> Result<Self, Stop> {
        let inotify =
            Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(|error| failed(dir, error))?;
        let watch = Self { dir, inotify };
        watch.add(dir)?;
        Ok(watch)
    }

    /// Watches a folder, and the folders in it. One that is watched already stays so.
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

    /// Returns once something has changed, and then nothing any more.
    pub(super) fn wait(&mut self) -> Result<(), Stop> {
        let mut timeout = PollTimeout::NONE;
        loop {
            let mut ready = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, timeout) {
                Ok(0) => return self.add(self.dir),
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(failed(self.dir, error)),
            }
            while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {
                timeout = PollTimeout::from(QUIET);
            }
        }
    }
}

fn failed(dir: &Path, error: nix::errno::Errno) -> Stop {
    Stop::usage(format!("`{}` cannot be watched: {}", dir.display(), error.desc()))
}
