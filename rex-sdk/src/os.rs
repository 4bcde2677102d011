//! The capability trait: what an operating system can do, each act for a grant.
//!
//! INVARIANT: every method that reaches the system takes its [`Grant`] by value, so it cannot be called without a
//! permission that is on record, and one permission is one act.

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

pub use access::Access;
pub(crate) use attribute::{ANY_MODE, demand_permission, is_permission};
pub use brokered::{Broker, Network, Places, Processes, Services, System};
pub use failure::Failure;
pub(crate) use failure::words;
pub use network::{Connection, Interface, NetworkTable, Stream};
#[cfg(all(feature = "host", target_os = "linux"))]
pub(crate) use processes::DELETED;
pub use processes::{Finished, OpenFile, ProcessDetails, ProcessLimit, ProcessList, ProcessStatus, Start};
pub use services::{ALL_UNITS, LogQuery, TimerStatus, UnitFileChange, UnitStatus};
pub use system::{Mount, SystemFile};

/// Checks that a permit lets the start of a program go, on whatever system.
///
/// # Errors
/// If it does not.
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
    /// Whether effects are kept and not had, as in an [`Overlay`](crate::Overlay).
    fn is_planned(&self) -> bool {
        false
    }

    /// What a script gets of an operation that was denied on `denied`, instead of the denial: nothing, so that it gets the denial. An
    /// [`Overlay`](crate::Overlay), where nothing is done in any case, can go on, to find out what else would be denied.
    fn instead_of_denied(&self, operation: &OpSpec, denied: &str) -> Option<Value> {
        let _ = (operation, denied);
        None
    }
}

/// Files and directories. No method follows a symbolic link: where the name crosses one, it returns
/// [`OsError::Crossed`] with the name behind it, for which the caller asks for another grant.
pub trait Files: Send + Sync {
    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// See [`OsError`]; so for every method here.
    fn open(&self, grant: Grant<fs::Read>) -> Result<Box<dyn Source>, OsError>;

    /// The entries of a directory in the order of their names, without `.` and `..`. More than `max` are
    /// [`OsError::TooMany`].
    fn list(&self, grant: Grant<fs::List>, max: u64) -> Result<Vec<DirEntry>, OsError>;

    /// The same, with the directory kept open, so that each entry can be looked at without finding the directory again.
    fn directory(&self, grant: Grant<fs::List>, max: u64) -> Result<Box<dyn Directory>, OsError>;

    /// What the name itself stands for: of a symbolic link at the end, the link.
    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError>;

    /// Replaces or creates a regular file with all of `contents`, atomically: whoever looks sees the old file or the new
    /// one. Mode and owner of an old one are kept, as far as `options` let it. Returns the bytes written; more than the grant says are
    /// an error.
    fn write(
        &self,
        grant: Grant<fs::Write>,
        contents: &mut dyn io::Read,
        options: WriteOptions,
    ) -> Result<u64, OsError>;

    /// Adds to the end of a regular file, in one piece, without reading it; creates it if it is missing.
    fn append(&self, grant: Grant<fs::Append>, bytes: &[u8]) -> Result<(), OsError>;

    /// Creates one directory; its parent exists. With `like`, its permission bits are at most those that something made of that may
    /// have, but for its owner, who may put something into it.
    fn create_dir(&self, grant: Grant<fs::CreateDir>, like: Option<Access>) -> Result<(), OsError>;

    /// Removes a file, a symbolic link (never what it points to), or another thing that is no directory.
    fn remove(&self, grant: Grant<fs::Remove>) -> Result<(), OsError>;

    /// Removes an empty directory.
    fn remove_dir(&self, grant: Grant<fs::Remove>) -> Result<(), OsError>;

    /// Takes hold of a regular file that is to get another name. Nothing has changed yet.
    fn take(&self, grant: Grant<fs::Rename>) -> Result<Box<dyn Taken>, OsError>;

    /// Makes a regular file that is there as long as the grant says, in place: it is cut, or filled up with zeros. Returns by how many
    /// bytes it grows; where these are more than `room`, nothing is done.
    fn resize(&self, grant: Grant<fs::Write>, room: u64) -> Result<u64, OsError>;

    /// Sets when something was changed and read last. Creates an empty file if nothing is there and `create` is set.
    fn touch(&self, grant: Grant<fs::Touch>, time: Timestamp, create: bool) -> Result<(), OsError>;

    /// Sets the permission bits of the grant; of a symbolic link there are none to set.
    fn chmod(&self, grant: Grant<fs::Chmod>) -> Result<(), OsError>;

    /// Sets the owner and group of the grant; of a symbolic link, those of the link.
    fn chown(&self, grant: Grant<fs::Chown>) -> Result<(), OsError>;

    /// Creates a symbolic link with the text of the grant.
    fn symlink(&self, grant: Grant<fs::Symlink>) -> Result<(), OsError>;

    /// Takes hold of a regular file that is to get a second name. Nothing has changed yet.
    fn hold(&self, grant: Grant<fs::HardLink>) -> Result<Box<dyn Held>, OsError>;

    /// The names of all extended attributes, in their order.
    fn xattrs(&self, grant: Grant<fs::GetXattr>) -> Result<Vec<String>, OsError>;

    /// The extended attribute of the grant; one that is not there is [`io::ErrorKind::NotFound`].
    fn xattr(&self, grant: Grant<fs::GetXattr>) -> Result<Vec<u8>, OsError>;

    /// Sets the extended attribute of the grant, or removes it if there is no value. One outside of `user.` says who may do what with
    /// the file: without the second grant, of the same file and of any mode (07777), it is [`OsError::Refused`].
    fn set_xattr(
        &self,
        grant: Grant<fs::SetXattr>,
        permissions: Option<Grant<fs::Chmod>>,
        value: Option<&[u8]>,
    ) -> Result<(), OsError>;
}

/// Something that was opened. As data it lacks the descriptor, which whoever sends it hands over in another way.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Opened {
    /// The descriptor.
    #[serde(skip)]
    pub descriptor: Option<std::os::fd::OwnedFd>,
}

/// A directory that was opened and listed.
pub trait Directory {
    /// Its name.
    fn path(&self) -> &AbsPath;

    /// Its entries in the order of their names, once.
    fn take_entries(&mut self) -> Vec<DirEntry>;

    /// Who may do what with it.
    ///
    /// # Errors
    /// If the system does not say.
    fn access(&self) -> Result<Access, OsError>;

    /// What one of its entries is, without going anywhere else; of a symbolic link, the link.
    ///
    /// # Errors
    /// See [`OsError`]; [`OsError::Changed`] if the grant is on something that is not directly in this directory.
    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError>;
}

/// A regular file that is open for reading.
pub trait Source: io::Read + Send {
    /// The size when it was opened, in bytes; files of unknown size, such as those of `/proc`, say 0.
    fn size(&self) -> u64;

    /// Reads at an offset, without moving the place at which [`io::Read`] goes on. 0 bytes mean the end.
    ///
    /// # Errors
    /// If the system cannot read there.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Which file it is, and its size by now.
    ///
    /// # Errors
    /// If the system does not say.
    fn state(&self) -> io::Result<SourceState>;

    /// Reads once, into the room that a vector has beyond its length, and says how much came. 0 bytes mean the end, or
    /// that there is no room.
    ///
    /// # Errors
    /// If the system cannot read.
    fn read_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize>;
}

/// What an open file is by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceState {
    /// Device and number: the same for as long as it is the same file.
    pub id: (u64, u64),
    /// Its size in bytes.
    pub size: u64,
    /// Who may do what with it.
    pub access: Access,
}

/// A regular file that is about to get another name.
pub trait Taken {
    /// Its size in bytes.
    fn size(&self) -> u64;

    /// Gives the file the name of the grant, in place of whatever regular file has it now (unless `options` say that it must be new).
    ///
    /// # Errors
    /// See [`OsError`]; [`OsError::Changed`] if what was taken is no longer under its old name.
    fn rename(&self, to: Grant<fs::Write>, options: WriteOptions) -> Result<(), OsError>;
}

/// A regular file that is about to get a second name.
pub trait Held {
    /// Its size in bytes.
    fn size(&self) -> u64;

    /// Gives the file the name of the grant, which must be new, besides its old one.
    ///
    /// # Errors
    /// See [`OsError`]; [`OsError::Changed`] if what was taken is no longer under its old name.
    fn link(&self, to: Grant<fs::Write>) -> Result<(), OsError>;
}

/// How to write a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// Fail with [`io::ErrorKind::AlreadyExists`] instead of replacing what is there.
    pub new: bool,
    /// Let nobody but the owner read or write what is new: mode 0600.
    pub private: bool,
    /// What the contents are made of: nobody may do more with the file than with that, from the moment on at which it is there.
    pub like: Option<Access>,
}

/// What kind of thing has a name.
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
    /// The file system does not say.
    Unknown,
}

impl EntryKind {
    /// The word for it in results and messages.
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
    /// What it is.
    pub kind: EntryKind,
}

/// What the system says about one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: EntryKind,
    /// Bytes.
    pub size: u64,
    /// When the contents changed last.
    pub modified: Timestamp,
    /// When the contents were read last, as far as the file system keeps that.
    pub accessed: Timestamp,
    /// When contents, mode, owner or links changed last.
    pub changed: Timestamp,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Number of the owning user.
    pub uid: u32,
    /// Number of the owning group.
    pub gid: u32,
    /// How many names it has.
    pub links: u64,
    /// The file system that it is on, by the number that this machine has for it.
    pub device: u64,
    /// Its number on that file system.
    pub inode: u64,
    /// What it takes on disk, in bytes.
    pub allocated: u64,
    /// Where a symbolic link points to, as its text; `None` for other things and where that is not UTF-8.
    pub target: Option<String>,
}

/// Why a file is not renamed to another name of itself: the kernel would do nothing and call it done.
pub(crate) const SAME_FILE: &str = "both names are of the same file already (hard links)";

/// How the error begins of what the operating system forbids to the user of the run.
pub(crate) const NOT_LET: &str = "the operating system does not let Rex act on";
/// How the error ends of what has changed since it was looked at.
pub(crate) const CHANGED: &str = "something else took its place meanwhile";

fn names(units: &[Unit]) -> String {
    units.iter().map(Unit::name).collect::<Vec<_>>().join(", ")
}

/// Refuses an act that reaches more units than these.
pub(crate) fn demand_also(reached: Vec<Unit>, also: &[Unit]) -> Result<(), OsError> {
    if reached.iter().all(|unit| also.contains(unit)) { Ok(()) } else { Err(OsError::Besides(reached)) }
}

/// Why the system did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OsError {
    /// The name crosses a symbolic link; this is the canonical name behind it. Nothing was opened or changed.
    #[error("the name crosses a symbolic link to `{}`", .0.as_str().escape_debug())]
    Crossed(AbsPath),
    /// The act reaches these units, too, which are to be permitted. Nothing was done.
    #[error("it reaches other units: {}", names(.0))]
    Besides(Vec<Unit>),
    /// The unit has another name of its own. Nothing was done.
    #[error("the unit's own name is `{}`", .0.name())]
    Alias(Unit),
    /// It is of a kind that this cannot be done to.
    #[error("it is a {}, which this is not done to", .0.as_str())]
    WrongKind(EntryKind),
    /// The file has several names, and the operator wants none such (`deny_hard_links`).
    #[error("it has {0} names (hard links), and the operator allows only one")]
    HardLinks(u64),
    /// There is more than the caller can take.
    #[error("there are more than {0}")]
    TooMany(u64),
    /// There is more to write than was granted.
    #[error("there is more to write than the {0} bytes that were granted")]
    TooMuch(i64),
    /// Something else took its place meanwhile. Nothing was done.
    #[error("{CHANGED}")]
    Changed,
    /// The job ended, but not well.
    #[error("{0}")]
    ServiceFailed(String),
    /// It is not done, for this reason.
    #[error("{0}")]
    Refused(&'static str),
    /// There is nobody to ask, a service manager for instance.
    #[error("{0}")]
    Unavailable(String),
    /// The run may not go on.
    #[error("{0}")]
    Stopped(#[from] Error),
    /// The system's own error.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl OsError {
    /// The error that a script sees when this happens to `resource`.
    #[must_use]
    pub fn about(self, resource: &impl Resource) -> Error {
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

/// The error that a script sees for an [`io::Error`] about the thing called `id`. An [`Error`] that travels inside comes out as it is.
#[must_use]
pub fn io_error(error: io::Error, id: &str) -> Error {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => Error::new(Code::NotFound, format!("`{id}` does not exist")),
        ErrorKind::AlreadyExists => Error::new(Code::AlreadyExists, format!("`{id}` exists already")),
        ErrorKind::NotADirectory => {
            Error::new(Code::Unsupported, format!("`{id}` is not a directory, or lies in something that is none"))
        }
        ErrorKind::IsADirectory => Error::new(Code::Unsupported, format!("`{id}` is a directory")),
        ErrorKind::FileTooLarge => {
            Error::new(Code::LimitExceeded, format!("`{id}` would be larger than a file may be"))
                .with_help("the limit `written_bytes` of the run bounds each file, as the file system does")
        }
        ErrorKind::DirectoryNotEmpty => Error::new(Code::Io, format!("`{id}` is not empty")),
        ErrorKind::PermissionDenied => {
            Error::new(Code::Io, format!("{NOT_LET} `{id}`"))
                .with_help("the policy permits it; the user that Rex runs as may not, or the place was not there yet when a confined run began")
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
