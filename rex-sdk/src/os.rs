//! The capability trait: the acts of an operating system, each of which consumes a grant.
//!
//! INVARIANT: every method that reaches the system takes its [`Grant`] by value, so it cannot be called without a
//! recorded permission, and one permission allows one act.

use std::io;

use rex_core::action::{fs, process};
use rex_core::resource::Unit;
use rex_core::{AbsPath, Code, Error, Grant, Reach, Resource, Timestamp, Value, program};

use crate::OpSpec;

mod access;
mod attribute;
mod brokered;
mod failure;
mod network;
mod processes;
mod services;
mod system;

pub use access::FileAccess;
pub(crate) use attribute::{ANY_MODE, demand_permission, is_permission};
pub use brokered::{Broker, Network, Places, Processes, Services, System};
pub use failure::OsFailure;
pub(crate) use failure::words;
pub use network::{Connection, Interface, NetworkTable, Stream};
#[cfg(all(feature = "host", target_os = "linux"))]
pub(crate) use processes::DELETED;
pub use processes::{
    FinishedProgram, OpenFile, ProcessDetails, ProcessLimit, ProcessList, ProcessStatus, StartOptions,
};
pub use services::{ALL_UNITS, LogQuery, TimerStatus, UnitFileChange, UnitStatus};
pub use system::{Mount, SystemFile};

/// Checks that a permit has every `@allow` word that the start of a program requires, on any system.
///
/// # Errors
/// If a word is missing.
pub(crate) fn permitted(grant: &Grant<process::Run>, reach: Option<&Reach>) -> Result<(), OsError> {
    let program = &grant.resource().path;
    let mut withheld = program::withheld(program, &grant.action().environment, reach).into_iter();
    match withheld.find(|withheld| !grant.allows(&withheld.word)) {
        Some(withheld) => Err(withheld.error(program).into()),
        None => Ok(()),
    }
}

/// An operating system.
pub trait Os: Files + Broker {
    /// Returns `true` if effects are kept and not performed, as in an [`Overlay`](crate::Overlay).
    fn is_planned(&self) -> bool {
        false
    }

    /// Returns the value that an operation yields when it was denied on `denied`; `None` keeps the error. An
    /// [`Overlay`](crate::Overlay) returns one in plans that continue after a denial, to find further denials.
    fn denied_result(&self, operation: &OpSpec, denied: &str) -> Option<Value> {
        let _ = (operation, denied);
        None
    }
}

/// Files and directories. No method follows a symbolic link: if the name crosses one, it returns [`OsError::Crossed`]
/// with the canonical name, for which the caller requests another grant.
pub trait Files: Send + Sync {
    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// See [`OsError`]; so for every method here.
    fn open(&self, grant: Grant<fs::Read>) -> Result<Box<dyn Source>, OsError>;

    /// Returns the entries of a directory, ordered by name, without `.` and `..`. More than `max` entries are
    /// [`OsError::TooMany`].
    fn list(&self, grant: Grant<fs::List>, max: u64) -> Result<Vec<DirEntry>, OsError>;

    /// Lists a directory as [`list`](Self::list) does and keeps it open, for inspecting entries without resolving it
    /// again.
    fn directory(&self, grant: Grant<fs::List>, max: u64) -> Result<Box<dyn Directory>, OsError>;

    /// Returns the metadata of a name; for a symbolic link at the end, those of the link.
    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError>;

    /// Replaces or creates a regular file with all of `contents`, atomically: readers see either the old file or the
    /// new one. Mode and owner of an old file are kept, as far as `options` allow. Returns the number of bytes written;
    /// more than the grant allows are an error.
    fn write(
        &self,
        grant: Grant<fs::Write>,
        contents: &mut dyn io::Read,
        options: WriteOptions,
    ) -> Result<u64, OsError>;

    /// Appends to a regular file, in one piece, without reading it; creates it if it is missing.
    fn append(&self, grant: Grant<fs::Append>, bytes: &[u8]) -> Result<(), OsError>;

    /// Creates one directory; its parent must exist. With `like`, its permission bits are bounded by those of the
    /// source, except that the owner can always add entries.
    fn create_dir(&self, grant: Grant<fs::CreateDir>, like: Option<FileAccess>) -> Result<(), OsError>;

    /// Removes a file, a symbolic link (never its target), or any other non-directory.
    fn remove(&self, grant: Grant<fs::Remove>) -> Result<(), OsError>;

    /// Removes an empty directory.
    fn remove_dir(&self, grant: Grant<fs::Remove>) -> Result<(), OsError>;

    /// Opens a regular file for a rename. Nothing changes yet.
    fn take(&self, grant: Grant<fs::Rename>) -> Result<Box<dyn RenameSource>, OsError>;

    /// Truncates a regular file to the size in the grant, or fills it up with zeros, in place. Returns the number of
    /// bytes by which it grows; if that is more than `room`, it does nothing.
    fn resize(&self, grant: Grant<fs::Write>, room: u64) -> Result<u64, OsError>;

    /// Sets the times of the last change and the last access. Creates an empty file if the name is missing and `create`
    /// is set.
    fn touch(&self, grant: Grant<fs::Touch>, time: Timestamp, create: bool) -> Result<(), OsError>;

    /// Sets the permission bits of the grant; a symbolic link has none.
    fn chmod(&self, grant: Grant<fs::Chmod>) -> Result<(), OsError>;

    /// Sets the owner and group of the grant; for a symbolic link, those of the link.
    fn chown(&self, grant: Grant<fs::Chown>) -> Result<(), OsError>;

    /// Creates a symbolic link with the text of the grant.
    fn symlink(&self, grant: Grant<fs::Symlink>) -> Result<(), OsError>;

    /// Opens a regular file for a second name. Nothing changes yet.
    fn hold(&self, grant: Grant<fs::HardLink>) -> Result<Box<dyn LinkSource>, OsError>;

    /// Returns the names of all extended attributes, in order.
    fn xattrs(&self, grant: Grant<fs::GetXattr>) -> Result<Vec<String>, OsError>;

    /// Returns the extended attribute of the grant; a missing one is [`io::ErrorKind::NotFound`].
    fn xattr(&self, grant: Grant<fs::GetXattr>) -> Result<Vec<u8>, OsError>;

    /// Sets the extended attribute of the grant, or removes it if `value` is `None`. An attribute outside of `user.`
    /// controls access to the file: without the second grant, for the same file and any mode (07777), it is
    /// [`OsError::Refused`].
    fn set_xattr(
        &self,
        grant: Grant<fs::SetXattr>,
        permissions: Option<Grant<fs::Chmod>>,
        value: Option<&[u8]>,
    ) -> Result<(), OsError>;
}

/// An open descriptor. Serialized data lacks it; the sender passes it separately.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct OpenDescriptor {
    /// The descriptor.
    #[serde(skip)]
    pub descriptor: Option<std::os::fd::OwnedFd>,
}

/// A directory that was opened and listed.
pub trait Directory {
    /// Returns its name.
    fn path(&self) -> &AbsPath;

    /// Returns its entries, ordered by name, once.
    fn take_entries(&mut self) -> Vec<DirEntry>;

    /// Returns its owner and permission bits.
    ///
    /// # Errors
    /// If the system does not report them.
    fn access(&self) -> Result<FileAccess, OsError>;

    /// Returns the metadata of an entry, resolving no other name; for a symbolic link, those of the link.
    ///
    /// # Errors
    /// See [`OsError`]; [`OsError::Changed`] if the grant is for something that is not directly in this directory.
    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError>;
}

/// A regular file that is open for reading.
pub trait Source: io::Read + Send {
    /// Returns the size at the time of opening, in bytes; 0 for files of unknown size, such as those of `/proc`.
    fn size(&self) -> u64;

    /// Reads at an offset, without moving the position of [`io::Read`]. 0 bytes mean the end.
    ///
    /// # Errors
    /// If the system cannot read there.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Returns the identity and the current size of the file.
    ///
    /// # Errors
    /// If the system does not report them.
    fn state(&self) -> io::Result<SourceState>;

    /// Reads once, into the spare capacity of a vector, and returns the number of bytes. 0 bytes mean the end, or no
    /// spare capacity.
    ///
    /// # Errors
    /// If the system cannot read.
    fn read_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize>;
}

/// The current state of an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceState {
    /// Device and inode number, which identify the file.
    pub id: (u64, u64),
    /// The size in bytes.
    pub size: u64,
    /// The owner and permission bits.
    pub access: FileAccess,
}

/// A regular file that is about to get another name.
pub trait RenameSource {
    /// Returns its size in bytes.
    fn size(&self) -> u64;

    /// Gives the file the name of the grant. Replaces any regular file of that name, unless `options` require a new
    /// one.
    ///
    /// # Errors
    /// See [`OsError`]; [`OsError::Changed`] if the opened file is no longer under its old name.
    fn rename(&self, to: Grant<fs::Write>, options: WriteOptions) -> Result<(), OsError>;
}

/// A regular file that is about to get a second name.
pub trait LinkSource {
    /// Returns its size in bytes.
    fn size(&self) -> u64;

    /// Adds the name of the grant to the file. The name must be new.
    ///
    /// # Errors
    /// See [`OsError`]; [`OsError::Changed`] if the opened file is no longer under its old name.
    fn link(&self, to: Grant<fs::Write>) -> Result<(), OsError>;
}

/// Options for writing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// Fail with [`io::ErrorKind::AlreadyExists`] instead of replacing an existing file.
    pub new: bool,
    /// Allow only the owner to read or write a new file: mode 0600.
    pub private: bool,
    /// Owner and permission bits of the source of the contents: from its creation on, the file grants no more than
    /// that.
    pub like: Option<FileAccess>,
}

/// The type of a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device.
    Device,
    /// Not reported by the file system.
    Unknown,
}

impl EntryKind {
    /// Returns its name in results and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::Unknown => "unknown",
        }
    }
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name, as it is on disk: any bytes but NUL and `/`.
    pub name: Vec<u8>,
    /// The type of the entry.
    pub kind: EntryKind,
}

/// The metadata of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The type of the entry.
    pub kind: EntryKind,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of the contents.
    pub modified: Timestamp,
    /// Time of the last access to the contents, if the file system keeps it.
    pub accessed: Timestamp,
    /// Time of the last change of contents, mode, owner or links.
    pub changed: Timestamp,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Number of the owning user.
    pub uid: u32,
    /// Number of the owning group.
    pub gid: u32,
    /// Number of its names (hard links).
    pub links: u64,
    /// The file system, by its number on this machine.
    pub device: u64,
    /// The inode number on that file system.
    pub inode: u64,
    /// Space on disk, in bytes.
    pub allocated: u64,
    /// The target of a symbolic link, as text; `None` for other types, and for targets that are not UTF-8.
    pub target: Option<String>,
}

/// The reason why a file is not renamed to another name of itself: the kernel would do nothing and report success.
pub(crate) const SAME_FILE: &str = "both names are of the same file already (hard links)";

/// The start of the message if the operating system does not permit an act to the user of the run.
pub(crate) const NOT_LET: &str = "the operating system does not let Rex act on";
/// The end of the message if something changed after it was inspected.
pub(crate) const CHANGED: &str = "something else replaced it meanwhile";

fn names(units: &[Unit]) -> String {
    units.iter().map(Unit::name).collect::<Vec<_>>().join(", ")
}

/// Rejects an act that reaches more units than `also`.
pub(crate) fn demand_also(reached: Vec<Unit>, also: &[Unit]) -> Result<(), OsError> {
    if reached.iter().all(|unit| also.contains(unit)) { Ok(()) } else { Err(OsError::Besides(reached)) }
}

/// The reason why an act failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OsError {
    /// The name crosses a symbolic link; this is the canonical name behind it. Nothing was opened or changed.
    #[error("the name crosses a symbolic link to `{}`", .0.as_str().escape_debug())]
    Crossed(AbsPath),
    /// The act also reaches these units, which require permits. Nothing was done.
    #[error("it reaches other units: {}", names(.0))]
    Besides(Vec<Unit>),
    /// The name is an alias of this unit. Nothing was done.
    #[error("the unit's own name is `{}`", .0.name())]
    Alias(Unit),
    /// The act does not apply to this type.
    #[error("it is a {}, which this operation does not support", .0.as_str())]
    WrongKind(EntryKind),
    /// The file has several names, and the operator forbids such files (`deny_hard_links`).
    #[error("it has {0} names (hard links), and the operator allows only one")]
    HardLinks(u64),
    /// There are more than the caller accepts.
    #[error("there are more than {0}")]
    TooMany(u64),
    /// The contents are longer than the grant allows.
    #[error("there is more to write than the {0} bytes that were granted")]
    TooMuch(i64),
    /// Something else took its place in the meantime. Nothing was done.
    #[error("{CHANGED}")]
    Changed,
    /// The service job failed.
    #[error("{0}")]
    ServiceFailed(String),
    /// The act was refused, for this reason.
    #[error("{0}")]
    Refused(&'static str),
    /// The service behind it is missing, such as the service manager.
    #[error("{0}")]
    Unavailable(String),
    /// The run must end.
    #[error("{0}")]
    Stopped(#[from] Error),
    /// The system's own error.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl OsError {
    /// Returns the error that a script gets when this happens to `resource`.
    #[must_use]
    pub fn into_error(self, resource: &impl Resource) -> Error {
        let id = resource.id().escape_debug().to_string();
        match self {
            Self::Io(error) => io_error(error, &id),
            Self::Stopped(error) => error,
            Self::TooMany(max) => rex_core::limits::exceeded("entries", max, "entries"),
            Self::ServiceFailed(_) => Error::new(Code::ServiceFailed, format!("`{id}`: {self}")),
            Self::Changed | Self::TooMuch(_) => Error::new(Code::Io, format!("`{id}`: {self}")),
            _ => Error::new(Code::Unsupported, format!("`{id}`: {self}")),
        }
    }
}

/// Returns the error that a script gets for an [`io::Error`] about the thing called `id`. An [`Error`] inside it is
/// returned unchanged.
#[must_use]
pub fn io_error(error: io::Error, id: &str) -> Error {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => Error::new(Code::NotFound, format!("`{id}` does not exist")),
        ErrorKind::AlreadyExists => Error::new(Code::AlreadyExists, format!("`{id}` exists already")),
        ErrorKind::NotADirectory => {
            Error::new(Code::Unsupported, format!("`{id}` is not a directory, or something in its path is not"))
        }
        ErrorKind::IsADirectory => Error::new(Code::Unsupported, format!("`{id}` is a directory")),
        ErrorKind::FileTooLarge => {
            Error::new(Code::LimitExceeded, format!("`{id}` would exceed the size limit for a file"))
                .with_help("the limit `written_bytes` of the run bounds each file, as the file system does")
        }
        ErrorKind::DirectoryNotEmpty => Error::new(Code::Io, format!("`{id}` is not empty")),
        ErrorKind::PermissionDenied => {
            Error::new(Code::Io, format!("{NOT_LET} `{id}`"))
                .with_help("the policy permits it, but the user that Rex runs as may not do it, or the path did not exist when a confined run began")
        }
        kind => match error.downcast::<Error>() {
            Ok(inner) => inner,
            Err(error) => {
                let code = if kind == ErrorKind::Unsupported { Code::Unsupported } else { Code::Io };
                Error::new(code, format!("`{id}`: {}", words(&error)))
            }
        },
    }
}
