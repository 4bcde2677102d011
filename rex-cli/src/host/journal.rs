//! The file of the journal: records are appended under a lock, each linked to the one before it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::PIPE_BUF;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rex_audit::{Entry, JournalAddition, JournalTail, MarkWriter, SigningKey, redact};
use rex_core::journal::Event;
use rex_core::{ActionSpec, Effect, Journal, JournalError, Record, Timestamp};
use rex_sdk::host::JournalFiles;

use super::rotate;
use crate::args::Durability;
use crate::exit::Stop;
use crate::rotation::Rotation;

/// Maximum time that other processes may hold the lock; they need microseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// The limit instead of `PATIENCE` for a stopped run.
const LAST: Duration = Duration::from_millis(100);
/// Maximum time for the reader of a pipe to make room.
const READING: Duration = Duration::from_secs(2);
/// Maximum age of lines that are not synced to disk yet, with `--durability batch`.
const BATCH: Duration = Duration::from_secs(1);

/// Number of lines between checkpoints; another one is at the end of a run.
const SIGNED: u64 = 10_000;

/// Returns whether a record is about an act that changes something: it must be written before the act.
pub(crate) fn is_intent(event: &Event) -> bool {
    matches!(event, Event::Decision { action, effect: Effect::Allow, .. } if is_act(action))
}

/// Returns whether an action is not read-only, so that its record must be written before the act.
pub(crate) fn is_act(action: &ActionSpec) -> bool {
    !action.groups.contains(&"ReadOnly")
}

/// Maximum number of rotations while this waits for the lock.
const TURNS: usize = 100;

/// A file that is only appended to. Each write checks that it still has its name, or follows a rotation.
#[derive(Debug)]
pub(crate) struct JournalFile {
    path: PathBuf,
    durability: Durability,
    run: String,
    principal: String,
    open: Mutex<OpenJournal>,
}

#[derive(Debug)]
struct OpenJournal {
    file: File,
    /// Device and inode; `None` if it is not a regular file, such as a pipe.
    id: Option<(u64, u64)>,
    /// The end after the last write of this process.
    tail: Option<JournalTail>,
    /// The last line that this process wrote.
    own: Option<OwnLine>,
    /// The time of its first line.
    began: Option<Timestamp>,
    rotation: Rotation,
    key: Option<SigningKey>,
    /// Number of lines since the last checkpoint.
    unsigned: u64,
    /// The time since when lines may not be on the disk.
    unsynced: Option<Instant>,
}

/// A line that this process wrote: its end, its length with the newline, and its hash.
#[derive(Debug, Clone, Copy)]
struct OwnLine {
    end: u64,
    length: u64,
    hash: rex_audit::LineHash,
}

impl OwnLine {
    /// Returns the last line of an addition.
    fn last_of(addition: &JournalAddition) -> Self {
        let lines = addition.bytes.strip_suffix(b"\n").unwrap_or(&addition.bytes);
        let start = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let length = (addition.bytes.len() - start) as u64;
        Self { end: addition.tail.length, length, hash: addition.tail.head }
    }

    /// Checks that the line is where it was written. By the hash chain, so are all lines before it.
    fn is_in(&self, file: &File) -> bool {
        let mut line = vec![0; usize::try_from(self.length).unwrap_or(usize::MAX)];
        let read = file.read_exact_at(&mut line, self.end - self.length);
        read.is_ok() && line.strip_suffix(b"\n").is_some_and(|line| rex_audit::LineHash::of(line) == self.hash)
    }
}

impl JournalFile {
    /// Opens a journal to append to.
    pub(crate) fn open(
        path: &Path,
        durability: Durability,
        rotation: Rotation,
        run: &str,
        principal: &str,
    ) -> Result<Self, Stop> {
        let open = || {
            let mut open = OpenJournal::new(path, durability, rotation)?;
            // Rotated files are beside the target of a link.
            let path = if open.id.is_some() { path.canonicalize()? } else { path.to_owned() };
            open.look(&path)?;
            Ok((path, open))
        };
        let cannot =
            |error: io::Error| Stop::usage(format!("the journal `{}` cannot be written: {error}", path.display()));
        let (path, open) = open().map_err(cannot)?;
        let (run, principal) = (run.to_owned(), principal.to_owned());
        Ok(Self { path, durability, run, principal, open: Mutex::new(open) })
    }

    /// Returns the files that scripts must not change; `None` without a regular file.
    pub(crate) fn files(&self) -> Result<Option<JournalFiles>, Stop> {
        let cannot = |error| {
            Stop::usage(format!("the directory of the journal `{}` cannot be read: {error}", self.path.display()))
        };
        self.state().id.map(|_| JournalFiles::at(&self.path)).transpose().map_err(cannot)
    }

    fn state(&self) -> MutexGuard<'_, OpenJournal> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MarkWriter<'_> {
        MarkWriter { run: &self.run, principal: &self.principal }
    }

    /// Signs all lines from now on.
    pub(crate) fn sign_with(&self, key: SigningKey) {
        self.state().key = Some(key);
    }

    /// Appends lines, each with its newline. If `intent`, an act waits for them.
    ///
    /// Fails if the file was removed or replaced: nobody would find the lines.
    pub(crate) fn append(&self, lines: &[u8], intent: bool) -> io::Result<()> {
        let mut open = self.state();
        // The end of a run and its signature are written at once, so that no run with a key ends unsigned.
        let last = lines.strip_suffix(b"\n").unwrap_or(lines).rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let ends = open.key.is_some() && Entry::parse(last).is_ok_and(|entry| entry.event == "end");
        open.add(&self.path, self.writer(), |addition| {
            let mut count = 0;
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                addition.line(&redact::line(line)).map_err(io::Error::other)?;
                count += 1;
            }
            Ok(if ends { SIGNED } else { count })
        })?;
        if intent && self.durability == Durability::Each { open.sync() } else { self.sync_some(&mut open) }
    }

    /// Syncs lines to disk that were written a while ago.
    pub(crate) fn tick(&self) -> io::Result<()> {
        self.sync_some(&mut self.state())
    }

    fn sync_some(&self, open: &mut OpenJournal) -> io::Result<()> {
        let due = self.durability != Durability::None && open.unsynced.is_some_and(|since| since.elapsed() >= BATCH);
        if due { open.sync() } else { Ok(()) }
    }

    /// Signs all lines and syncs them to disk, at the end of a run.
    pub(crate) fn finish(&self) -> io::Result<()> {
        let mut open = self.state();
        if open.key.is_some() && open.unsigned > 0 {
            open.unsigned = SIGNED;
            open.add(&self.path, self.writer(), |_| Ok(0))?;
        }
        if self.durability == Durability::None { Ok(()) } else { open.sync() }
    }
}

impl OpenJournal {
    fn new(path: &Path, durability: Durability, rotation: Rotation) -> io::Result<Self> {
        let options = || {
            let mut options = OpenOptions::new();
            options.read(true).append(true).mode(0o600);
            options
        };
        // Checked first: opening a pipe to write and closing it again would give its reader an end of file.
        let is_pipe = std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo());
        let file = match if is_pipe { pipe(path) } else { options().open(path) } {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options().create(true).open(path)?;
                if durability != Durability::None {
                    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
                }
                file
            }
            other => other?,
        };
        let metadata = file.metadata()?;
        let id = metadata.is_file().then(|| (metadata.dev(), metadata.ino()));
        let tail = if id.is_none() { Some(JournalTail::EMPTY) } else { None };
        let mut first = [0];
        if id.is_some() && file.read_at(&mut first, 0)? == 1 && first != *b"{" {
            return Err(io::Error::other("it is not a journal: it does not begin with a record"));
        }
        Ok(Self { file, id, tail, own: None, began: None, rotation, key: None, unsigned: 0, unsynced: None })
    }

    /// Appends the lines that `write` adds, at once and under the lock. `write` returns their number.
    fn add(
        &mut self,
        path: &Path,
        writer: MarkWriter<'_>,
        write: impl FnOnce(&mut JournalAddition) -> io::Result<u64>,
    ) -> io::Result<()> {
        let (tail, _lock) = self.place(path, writer)?;
        let mut addition = JournalAddition::after(tail, writer);
        self.unsigned += write(&mut addition)?;
        if let Some(key) = self.key.as_ref().filter(|_| self.unsigned >= SIGNED) {
            addition.checkpoint(key, writer);
            self.unsigned = 0;
        }
        // After a failed write, the end is read again to find a partial line.
        self.tail = None;
        if let Err(error) = self.write_all(&addition.bytes) {
            // On a full disk, a part may be there: a run's end without its signature, for instance. Nothing of it was acknowledged.
            if self.id.is_some() {
                // Where it cannot be shortened either, the next writer marks what is there.
                let _ = self.file.set_len(tail.length);
            }
            return Err(error);
        }
        self.tail = Some(addition.tail);
        if !addition.bytes.is_empty() {
            self.own = Some(OwnLine::last_of(&addition));
        }
        self.unsynced.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Writes to a file, or to a pipe whose reader makes room in time.
    fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        if self.id.is_some() {
            return (&self.file).write_all(bytes);
        }
        while !bytes.is_empty() {
            let mut room = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
            let wait = PollTimeout::try_from(patience().min(READING)).unwrap_or(PollTimeout::ZERO);
            match poll(&mut room, wait) {
                Ok(0) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the reader of the pipe does not read it"));
                }
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            }
            // A pipe with room takes this much without blocking.
            let piece = bytes.get(..bytes.len().min(PIPE_BUF)).unwrap_or_default();
            match (&self.file).write(piece) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns where to append: at the end of the journal, or of a new file if a rotation is due.
    fn place(&mut self, path: &Path, writer: MarkWriter<'_>) -> io::Result<(JournalTail, Option<JournalLock>)> {
        let (tail, lock) = self.look(path)?;
        if lock.is_none() || self.rotation == Rotation::default() {
            return Ok((tail, lock));
        }
        if self.began.is_none() {
            self.began = rotate::began(path)?;
        }
        if !self.rotation.is_due(&tail, self.began) {
            return Ok((tail, lock));
        }
        let (file, tail, lock) = rotate::rotate(path, &self.file, tail, writer, JournalLock::new)?;
        self.go_on_in(file)?;
        Ok((tail, Some(lock)))
    }

    fn go_on_in(&mut self, file: File) -> io::Result<()> {
        self.sync()?;
        let metadata = file.metadata()?;
        self.id = Some((metadata.dev(), metadata.ino()));
        (self.file, self.tail, self.own, self.began) = (file, None, None, None);
        Ok(())
    }

    /// Returns the end of the journal, stable while the lock is held. Without a regular file, there is one writer and no lock.
    fn look(&mut self, path: &Path) -> io::Result<(JournalTail, Option<JournalLock>)> {
        let Some(mut id) = self.id else { return Ok((self.tail.unwrap_or(JournalTail::EMPTY), None)) };
        let lost = || io::Error::other("it was removed, or another file took its name");
        let mut lock = JournalLock::new(&self.file)?;
        if self.own.is_some_and(|own| !own.is_in(&self.file)) {
            return Err(io::Error::other("another process changed it: the lines of this run are gone"));
        }
        let mut turns = 0;
        while std::fs::metadata(path).ok().map(|there| (there.dev(), there.ino())) != Some(id) {
            turns += 1;
            let new = if turns > TURNS { None } else { rotate::follow(path, &self.file).map_err(|_| lost())? };
            self.go_on_in(new.ok_or_else(lost)?)?;
            id = self.id.ok_or_else(lost)?;
            lock = JournalLock::new(&self.file)?;
        }
        let length = self.file.metadata()?.len();
        let tail = match self.tail {
            Some(tail) if tail.length == length => tail,
            _ => JournalTail::read(&mut &self.file)?,
        };
        self.tail = Some(tail);
        Ok((tail, Some(lock)))
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.id.is_some() && self.unsynced.is_some() {
            self.file.sync_data()?;
        }
        self.unsynced = None;
        Ok(())
    }
}

/// Opens a pipe that has a reader: what is written to a pipe without one is lost.
fn pipe(path: &Path) -> io::Result<File> {
    let nobody = |error: io::Error| match error.raw_os_error() {
        Some(nix::libc::ENXIO) => io::Error::new(error.kind(), "it is a pipe without a reader"),
        _ => error,
    };
    let file = OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(path).map_err(nobody)?;
    rustix::io::ioctl_fionbio(&file, false)?;
    Ok(file)
}

/// A lock on the journal: no other process appends to it. The kernel releases it when the process ends.
#[derive(Debug)]
pub(crate) struct JournalLock(File);

/// A flag that is set when the run is stopped.
static STOPPED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Registers the flag that shortens the wait for others.
pub(crate) fn stop_waiting_at(stopped: &Arc<AtomicBool>) {
    // Called once, before the first run.
    let _ = STOPPED.set(stopped.clone());
}

/// Returns the maximum time to wait for another process.
fn patience() -> Duration {
    if STOPPED.get().is_some_and(|stopped| stopped.load(Ordering::Relaxed)) { LAST } else { PATIENCE }
}

impl JournalLock {
    pub(crate) fn new(file: &File) -> io::Result<Self> {
        let (start, mut pause) = (Instant::now(), Duration::from_micros(20));
        loop {
            match file.try_lock() {
                Ok(()) => return file.try_clone().map(Self),
                Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Err(_) if start.elapsed() > patience() => {
                    return Err(io::Error::other("another process keeps it locked"));
                }
                // `File` cannot lock with a timeout.
                Err(_) => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }
}

impl Drop for JournalLock {
    fn drop(&mut self) {
        // Closing the file releases the lock, too.
        let _ = self.0.unlock();
    }
}

impl Journal for JournalFile {
    fn write(&self, record: Record) -> Result<(), JournalError> {
        let lost = |error: io::Error| JournalError(error.to_string());
        let line = serde_json::to_vec(&record).map_err(|error| lost(error.into()))?;
        self.append(&line, is_intent(&record.event)).map_err(lost)
    }
}

/// The path of the key that signs checkpoints.
#[derive(Debug)]
pub(crate) struct KeyPath(PathBuf);

impl KeyPath {
    /// Checks that the file exists and that only its owner may access it. Does not read it yet.
    pub(crate) fn find(path: &Path) -> Result<Self, Stop> {
        let metadata = std::fs::metadata(path).map_err(|error| Self::bad(path, &error))?;
        if metadata.mode() & 0o077 != 0 {
            let help = format!("`chmod go= {}` restricts it to its owner", path.display());
            return Err(Self::bad(path, &"users other than its owner may read or change it").with_help(help));
        }
        Ok(Self(path.to_owned()))
    }

    /// Reads the key.
    pub(crate) fn load(&self) -> Result<SigningKey, Stop> {
        const MOST: u64 = 64 << 10;
        let mut text = Vec::new();
        let read = File::open(&self.0).and_then(|file| file.take(MOST).read_to_end(&mut text));
        read.map_err(|error| Self::bad(&self.0, &error))?;
        SigningKey::from_pem(&text).map_err(|error| Self::bad(&self.0, &error))
    }

    fn bad(path: &Path, why: &dyn std::fmt::Display) -> Stop {
        Stop::usage(format!("the checkpoint key `{}` cannot be used: {why}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> JournalFile {
        JournalFile::open(path, Durability::Each, Rotation::default(), "r", "Agent::\"x\"").unwrap()
    }

    fn events(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let event =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["event"].as_str().map(str::to_owned);
        text.lines().map(|line| event(line).unwrap_or_else(|| line.to_owned())).collect()
    }

    #[test]
    fn a_journal_that_lost_its_name_takes_no_more_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        std::fs::write(&path, "{torn").unwrap();
        let journal = open(&path);
        journal.append(b"{\"event\":\"one\"}\n", true).unwrap();
        assert_eq!(events(&path), ["{torn", "torn", "one"]);
        std::fs::rename(&path, dir.path().join("k")).unwrap();
        assert!(journal.append(b"{\"event\":\"two\"}\n", true).is_err());
        std::fs::write(&path, "").unwrap();
        assert!(journal.append(b"{\"event\":\"two\"}\n", true).is_err(), "another file took the name");
        std::fs::rename(dir.path().join("k"), &path).unwrap();
        journal.append(b"{\"event\":\"three\"}\n", true).unwrap();
        assert_eq!(events(&path), ["{torn", "torn", "one", "three"]);
    }

    #[test]
    fn what_others_add_in_between_is_linked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let (one, two) = (open(&path), open(&path));
        for (run, journal) in [&one, &two, &two, &one].into_iter().enumerate() {
            let line = format!("{{\"time\":\"t\",\"run\":\"{run}\",\"sequence\":1,\"event\":\"start\"}}\n");
            journal.append(line.as_bytes(), false).unwrap();
        }
        let mut verifier = rex_audit::Verifier::new();
        verifier.file("j", &*std::fs::read(&path).unwrap()).unwrap();
        let verdict = verifier.finish();
        assert_eq!((verdict.is_intact(), verdict.lines), (true, 4), "{verdict:?}");
    }

    #[test]
    fn a_journal_that_somebody_changed_takes_no_more_lines_and_no_signature() {
        let line = |number: u64| format!("{{\"time\":\"t\",\"run\":\"r\",\"sequence\":{number},\"event\":\"x\"}}\n");
        for forge in [
            (|_| Vec::new()) as fn(Vec<u8>) -> Vec<u8>,
            |mut bytes| {
                bytes.truncate(10);
                bytes
            },
            // An intact journal of the same length.
            |bytes| {
                let mut addition = JournalAddition::after(JournalTail::EMPTY, MarkWriter { run: "r", principal: "p" });
                addition.line(b"{\"time\":\"u\",\"run\":\"r\",\"sequence\":0,\"event\":\"x\"}").unwrap();
                assert_eq!(addition.bytes.len(), bytes.len());
                addition.bytes
            },
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("j");
            let journal = open(&path);
            journal.sign_with(SigningKey::from_pem(SigningKey::generate().unwrap().as_bytes()).unwrap());
            journal.append(line(0).as_bytes(), true).unwrap();
            std::fs::write(&path, forge(std::fs::read(&path).unwrap())).unwrap();
            let error = journal.append(line(1).as_bytes(), true).unwrap_err();
            assert!(error.to_string().contains("another process changed it"), "{error}");
            assert!(journal.finish().is_err());
            assert!(!events(&path).contains(&"checkpoint".to_owned()));
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut reader = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(&path).unwrap();
        let journal = open(&path);
        let line = format!("{{\"event\":\"{}\"}}\n", "x".repeat(1 << 20));
        let error = journal.append(line.as_bytes(), false).unwrap_err();
        assert_eq!(error.to_string(), "the reader of the pipe does not read it");
        let mut read = vec![0; 1 << 16];
        assert!(reader.read(&mut read).unwrap() > 0);
    }

    #[test]
    fn nobody_waits_for_the_lock_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let journal = open(&path);
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        let error = journal.append(b"{\"event\":\"x\"}\n", false).unwrap_err();
        assert_eq!((error.to_string().as_str(), events(&path).len()), ("another process keeps it locked", 0));
        drop(other);
        journal.append(b"{\"event\":\"x\"}\n", false).unwrap();
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, SigningKey::generate().unwrap()).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(KeyPath::find(&path).is_err());
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert!(KeyPath::find(&path).unwrap().load().is_ok());
        std::fs::write(&path, "no key").unwrap();
        assert!(KeyPath::find(&path).unwrap().load().is_err());
    }
}
