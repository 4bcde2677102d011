//! The rotation of a journal to a new file, when the old one is large or old enough.
//!
//! The old file gets a second name; then the new one, which already has its first line, takes the first name. So a process that is
//! killed in between leaves a complete journal, and the name of the journal always exists.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;
use std::time::Duration;

use rex_audit::{FileStart, JournalAddition, JournalTail, Mark, MarkWriter};
use rex_core::Timestamp;
use rex_sdk::host::JournalFiles;

use crate::rotation::Rotation;

/// Maximum number of rotations that a run may miss while it writes nothing.
const MISSED: usize = 10_000;

impl Rotation {
    /// Returns whether a file with this end and this start is full. It is not while an unfinished line must be marked.
    pub(crate) fn is_due(&self, tail: &JournalTail, began: Option<Timestamp>) -> bool {
        let age = |began: Timestamp| Timestamp::now().as_micros().saturating_sub(began.as_micros());
        let old =
            |limit: Duration| began.is_some_and(|began| i128::from(age(began)) >= limit.as_micros().cast_signed());
        let full = self.size.is_some_and(|size| tail.length >= size) || self.age.is_some_and(old);
        full && tail.length > 0 && tail.ended && tail.torn.is_none()
    }
}

/// Returns the time of the first line.
pub(crate) fn began(path: &Path) -> io::Result<Option<Timestamp>> {
    Ok(FileStart::read(BufReader::new(File::open(path)?))?.and_then(|start| start.time))
}

/// Continues the journal in a new file; returns it with its end. The caller holds the lock of the old one; `lock` gets the new one before
/// others can find it.
pub(crate) fn rotate<L>(
    path: &Path,
    old: &File,
    tail: JournalTail,
    writer: MarkWriter<'_>,
    lock: impl FnOnce(&File) -> io::Result<L>,
) -> io::Result<(File, JournalTail, L)> {
    let files = JournalFiles::at(path)?;
    old.sync_data()?;
    let status = old.metadata()?;
    let name = keep(&files, &status)?;
    let file = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut addition = JournalAddition::after(JournalTail { head: tail.head, ..JournalTail::EMPTY }, writer);
    addition.mark(&Mark::Continued { file }, writer);
    let next = files.next();
    clear(&next)?;
    let mut new = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&next)?;
    let made = new.metadata()?;
    if (made.uid(), made.gid()) != (status.uid(), status.gid()) {
        // Only root can change the owner; others keep the group, if they are in it.
        fchown(&new, Some(status.uid()), Some(status.gid())).or_else(|_| fchown(&new, None, Some(status.gid())))?;
    }
    new.set_permissions(status.permissions())?;
    new.write_all(&addition.bytes)?;
    new.sync_all()?;
    let lock = lock(&new)?;
    std::fs::rename(&next, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
    Ok((new, addition.tail, lock))
}

/// Frees a name: removes a file that a killed process left, or renames a directory that blocks it.
fn clear(name: &Path) -> io::Result<()> {
    match std::fs::remove_file(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) if name.symlink_metadata().is_ok_and(|there| there.is_dir()) => {
            let mut away = name.as_os_str().to_owned();
            away.push(format!(".{}", Timestamp::now().as_micros()));
            std::fs::rename(name, away)
        }
        removed => removed,
    }
}

/// Links the journal's file to the name that it keeps.
fn keep(files: &JournalFiles, status: &std::fs::Metadata) -> io::Result<std::path::PathBuf> {
    let mut number = files.last();
    loop {
        let name = files.rotated(number);
        // A process was killed after this step.
        if number > 0 && name.symlink_metadata().is_ok_and(|there| same(&there, status)) {
            return Ok(name);
        }
        number = number.checked_add(1).ok_or_else(|| io::Error::other("it was rotated too many times"))?;
        match std::fs::hard_link(files.path(), files.rotated(number)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|()| files.rotated(number)),
        }
    }
}

/// Opens the file that has the journal's name now, if it continues the old one; `None` if it is another file.
pub(crate) fn follow(path: &Path, old: &File) -> io::Result<Option<File>> {
    let (new, status) = (OpenOptions::new().read(true).append(true).open(path)?, old.metadata()?);
    let mut start = FileStart::read(BufReader::new(&new))?;
    for _ in 0..MISSED {
        let Some(FileStart { previous, continues: Some(file), .. }) = start else { break };
        let before = path.with_file_name(file);
        if before.symlink_metadata().is_ok_and(|there| same(&there, &status)) {
            return Ok((JournalTail::read(&mut &*old)?.head == previous).then_some(new));
        }
        match File::open(&before) {
            Ok(file) => start = FileStart::read(BufReader::new(file))?,
            Err(_) => break,
        }
    }
    Ok(None)
}

fn same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
