//! Tar archives, member by member, plain or compressed. This module writes nothing and trusts no name.

mod plan;

use std::cell::Cell;
use std::io::{self, Read};

use rex_core::limits::exceeded;
use rex_core::{Code, Error, Timestamp};
use tar::{Archive, Entry, EntryType};

use crate::Session;
use crate::session::MeteredFile;
pub(crate) use plan::{ExtractPlan, refused};

/// Maximum size of the headers of one member, in bytes. They are held in memory: names and extensions can have any
/// length.
const HEADERS: u64 = rex_core::bounds::ARCHIVE_HEADER_BYTES as u64;

const FOLLOWED: &str = "data follows its end";

/// The type of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberKind {
    File,
    Directory,
    Symlink,
    HardLink,
    Fifo,
    Device,
    /// A sparse file, whose holes are not stored.
    Sparse,
    Unknown,
}

impl MemberKind {
    /// Returns its name in results and messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::HardLink => "hard link",
            Self::Fifo => "fifo",
            Self::Device => "device",
            Self::Sparse => "sparse file",
            Self::Unknown => "unknown",
        }
    }
}

/// The header data of one member. The name is not validated.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: MemberKind,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    /// User and group ids, if the archive has them.
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) modified: Timestamp,
    /// The target of a link.
    pub(crate) target: Option<Vec<u8>>,
}

/// Calls `visit` with every member and its contents, until it returns `false`. If it sees all members, the rest of the
/// archive is read too, so that a compressed archive is verified against its checksum.
pub(crate) fn walk(
    session: &Session<'_>,
    file: &MeteredFile<'_>,
    mut visit: impl FnMut(&Member, &mut dyn Read) -> Result<bool, Error>,
) -> Result<(), Error> {
    let (left, max) = (Cell::new(HEADERS), session.limits().entries);
    let mut reader = BoundedReader { inner: file.contents(), left: &left };
    let mut archive = Archive::new(&mut reader);
    let mut count = 0;
    for entry in archive.entries().map_err(|error| damaged(file, error))? {
        let mut entry = entry.map_err(|error| damaged(file, error))?;
        session.run.budget().check()?;
        count += 1;
        if count > max {
            return Err(exceeded("entries", max, "entries"));
        }
        left.set(u64::MAX);
        // A global header, such as a comment, is about later members and is not a member.
        if entry.header().entry_type() != EntryType::XGlobalHeader {
            let member = member(&mut entry).map_err(|error| damaged(file, error))?;
            if !visit(&member, &mut entry)? {
                return Ok(());
            }
            if member.kind == MemberKind::Sparse {
                // Its holes would take time; its stored data is skipped with the next headers.
                left.set(HEADERS.saturating_add(entry.header().entry_size().unwrap_or(0)));
                continue;
            }
        }
        io::copy(&mut entry, &mut io::sink()).map_err(|error| damaged(file, error))?;
        left.set(HEADERS);
    }
    left.set(u64::MAX);
    let mut rest = vec![0; 64 << 10];
    loop {
        let count = reader.read(&mut rest).map_err(|error| damaged(file, error))?;
        if count == 0 {
            return Ok(());
        }
        if rest.iter().take(count).any(|&byte| byte != 0) {
            return Err(damaged(file, io::Error::other(FOLLOWED)));
        }
    }
}

fn member<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Member> {
    let name = entry.path_bytes().into_owned();
    // Its extensions mark a sparse file in the newer format.
    let holes = entry.pax_extensions()?.is_some_and(|mut extensions| {
        extensions.any(|extension| extension.is_ok_and(|extension| extension.key_bytes().starts_with(b"GNU.sparse.")))
    });
    let header = entry.header();
    let kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous if holes => MemberKind::Sparse,
        // Old archives have no other mark of a directory.
        EntryType::Regular if entry.size() == 0 && name.ends_with(b"/") => MemberKind::Directory,
        EntryType::Regular | EntryType::Continuous => MemberKind::File,
        EntryType::Directory => MemberKind::Directory,
        EntryType::Symlink => MemberKind::Symlink,
        EntryType::Link => MemberKind::HardLink,
        EntryType::Fifo => MemberKind::Fifo,
        EntryType::Char | EntryType::Block => MemberKind::Device,
        EntryType::GNUSparse => MemberKind::Sparse,
        _ => MemberKind::Unknown,
    };
    let seconds = i64::try_from(header.mtime()?).unwrap_or(i64::MAX);
    let number = |number: io::Result<u64>| number.ok().and_then(|number| u32::try_from(number).ok());
    let owner = number(header.uid()).zip(number(header.gid()));
    let target =
        if matches!(kind, MemberKind::Symlink | MemberKind::HardLink) { entry.link_name_bytes() } else { None };
    Ok(Member {
        kind,
        size: entry.size(),
        mode: header.mode()? & 0o7777,
        owner,
        modified: Timestamp::from_micros(seconds.saturating_mul(1_000_000)),
        target: target.map(std::borrow::Cow::into_owned),
        name,
    })
}

/// Returns the error of an unreadable archive, without messages of the library, which may quote its contents.
fn damaged(file: &MeteredFile<'_>, error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => {
            let (path, why) = (file.path().as_str().escape_debug(), error.to_string());
            let why = match error.kind() {
                io::ErrorKind::UnexpectedEof => "it ends too early",
                // The library's messages about a truncated header, and all others, describe its internals and may
                // contain data of the archive.
                _ if why.contains("read entire block") || why.contains("unexpected EOF") => "it ends too early",
                _ if why == FOLLOWED => FOLLOWED,
                _ if why.starts_with("the compressed data is damaged") => "the compressed data is damaged",
                _ => "the header of an entry is invalid",
            };
            Error::new(Code::Io, format!("`{path}` is not a tar archive, or is damaged: {why}"))
        }
    }
}

/// A reader that fails after `left` bytes.
struct BoundedReader<'c, R> {
    inner: R,
    left: &'c Cell<u64>,
}

impl<R: Read> Read for BoundedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            let message = format!("the headers of an entry take more than {HEADERS} bytes");
            return Err(io::Error::other(Error::new(Code::LimitExceeded, message)));
        }
        let room = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(buffer.get_mut(..room).unwrap_or_default())?;
        self.left.set(self.left.get() - count as u64);
        Ok(count)
    }
}

/// Contents of a fixed size. Shorter contents are an error, so that a part of a file never replaces a whole one; longer
/// contents are cut off.
pub(crate) struct ExactReader<R> {
    contents: R,
    left: u64,
}

impl<R: Read> ExactReader<R> {
    pub(crate) fn new(contents: R, size: u64) -> Self {
        Self { contents, left: size }
    }
}

impl<R: Read> Read for ExactReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.contents.read(buffer.get_mut(..room).unwrap_or_default())?;
        if count == 0 && room > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than its header says"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}
