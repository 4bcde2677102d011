//! The steps to extract an archive, computed from all of its entries before any step is performed.

use std::collections::BTreeMap;

use rex_core::limits::exceeded;
use rex_core::{Code, Error, Limits, Timestamp, Value};

use super::{Member, MemberKind};
use crate::ops::fs::skipped;

/// A name in an archive with its time, and its owner and group if they are known.
pub(crate) type OwnedName = (String, Option<(u32, u32)>, Timestamp);

/// Maximum number of links that one name may cross, as in the kernel.
const HOPS: usize = 40;

/// The thing that a name of an archive refers to.
#[derive(Debug, Clone)]
enum NameTarget {
    /// A directory, with its mode if the archive states it.
    Directory(Option<u32>),
    /// A file of this size.
    File(u64),
    /// A symbolic link with this text.
    Link(String),
}

/// The steps to extract an archive.
pub(crate) struct ExtractPlan {
    strip: usize,
    skip_links: bool,
    entries: u64,
    depth: u64,
    /// Number of bytes that may still be written.
    room: u64,
    written: u64,
    /// Every name so far.
    known: BTreeMap<String, NameTarget>,
    /// The directories, parents before children.
    pub(crate) directories: Vec<String>,
    /// The files with their sizes and modes.
    pub(crate) files: Vec<(String, u64, u32)>,
    /// The second names of files, with their first names and their sizes.
    pub(crate) hard_links: Vec<(String, String, u64)>,
    /// Owner and time of files and directories, as the archive states them.
    pub(crate) owners: Vec<OwnedName>,
    /// The symbolic links with their texts.
    pub(crate) symlinks: Vec<(String, String)>,
    /// The entries that are left out.
    pub(crate) skipped: Vec<Value>,
}

/// Returns the error for an entry that is not extracted.
pub(crate) fn refused(name: &[u8], why: &str) -> Error {
    let message = format!("the entry `{}` is not extracted: {why}", String::from_utf8_lossy(name).escape_debug());
    Error::new(Code::Unsupported, message)
}

impl ExtractPlan {
    /// Creates an empty plan. `strip` is the number of leading directories to remove from each name.
    pub(crate) fn new(strip: usize, skip_links: bool, limits: &Limits, bytes_written: u64) -> Self {
        Self {
            strip,
            skip_links,
            entries: limits.entries,
            depth: limits.tree_depth,
            room: limits.written_bytes.saturating_sub(bytes_written),
            written: limits.written_bytes,
            known: BTreeMap::new(),
            directories: Vec::new(),
            files: Vec::new(),
            hard_links: Vec::new(),
            owners: Vec::new(),
            symlinks: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Returns the archive's mode for a directory, if the archive has that directory.
    pub(crate) fn mode(&self, directory: &str) -> Option<u32> {
        match self.known.get(directory) {
            Some(NameTarget::Directory(mode)) => *mode,
            _ => None,
        }
    }

    /// Returns the name below the destination; `None` if `strip` removes all of it.
    pub(crate) fn relative(&self, name: &[u8]) -> Result<Option<String>, &'static str> {
        let name = std::str::from_utf8(name).map_err(|_| "its name is not UTF-8")?;
        if name.starts_with('/') {
            return Err("its name is absolute");
        }
        if name.contains('\0') {
            return Err("its name has a NUL byte");
        }
        let parts: Vec<_> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err("its name has `..` in it");
        }
        Ok(parts.get(self.strip..).filter(|rest| !rest.is_empty()).map(|rest| rest.join("/")))
    }

    /// Adds an entry of an archive.
    pub(crate) fn add(&mut self, member: &Member) -> Result<(), Error> {
        let refuse = |why: &str| refused(&member.name, why);
        let name = self.relative(&member.name).map_err(refuse)?;
        let link = matches!(member.kind, MemberKind::Symlink | MemberKind::HardLink);
        let plain = matches!(member.kind, MemberKind::File | MemberKind::Directory);
        if (link && self.skip_links) || !(link || plain) {
            let error = refuse(&format!("it is a {}", member.kind.as_str()));
            if self.skip_links {
                self.skipped.push(skipped(&String::from_utf8_lossy(&member.name), &error));
                return Ok(());
            }
            return Err(error.with_help(SKIP));
        }
        let Some(name) = name else {
            if member.kind != MemberKind::Directory {
                let error = refuse("`strip` removes its whole name");
                self.skipped.push(skipped(&String::from_utf8_lossy(&member.name), &error));
            }
            return Ok(());
        };
        if name.split('/').count() as u64 > self.depth {
            return Err(exceeded("tree_depth", self.depth, "levels of directories"));
        }
        for (end, _) in name.match_indices('/') {
            self.directory(name.get(..end).unwrap_or_default(), None).map_err(refuse)?;
        }
        if plain {
            self.owners.push((name.clone(), member.owner, member.modified));
        }
        match member.kind {
            MemberKind::Directory => self.directory(&name, Some(member.mode)).map_err(refuse)?,
            MemberKind::Symlink => self.symlink(name, member).map_err(|why| refuse(&why).with_help(SKIP))?,
            MemberKind::HardLink => self.hard_link(name, member).map_err(|why| refuse(why).with_help(SKIP))?,
            _ => {
                self.new_name(&name, NameTarget::File(member.size)).map_err(refuse)?;
                let left = self.room.checked_sub(member.size);
                self.room = left.ok_or_else(|| exceeded("written_bytes", self.written, "bytes written"))?;
                self.files.push((name, member.size, member.mode));
            }
        }
        if self.known.len() as u64 > self.entries {
            return Err(exceeded("entries", self.entries, "entries"));
        }
        Ok(())
    }

    fn new_name(&mut self, name: &str, known: NameTarget) -> Result<(), &'static str> {
        match self.known.insert(name.to_owned(), known) {
            None => Ok(()),
            Some(_) => Err("its name is used for two things"),
        }
    }

    fn directory(&mut self, name: &str, mode: Option<u32>) -> Result<(), &'static str> {
        match self.known.get_mut(name) {
            Some(NameTarget::Directory(known)) => {
                *known = mode.or(*known);
                Ok(())
            }
            Some(_) => Err("its name is used for two things"),
            None => {
                self.directories.push(name.to_owned());
                self.new_name(name, NameTarget::Directory(mode))
            }
        }
    }

    fn symlink(&mut self, name: String, member: &Member) -> Result<(), String> {
        let target = member.target.as_deref().unwrap_or_default();
        let is_told = |why: &str| {
            let target: String = String::from_utf8_lossy(target).chars().take(200).collect();
            format!("it is a symlink to `{}`, {why}", target.escape_debug())
        };
        let target = std::str::from_utf8(target).map_err(|_| is_told("which is not UTF-8"))?;
        if target.is_empty() || target.starts_with('/') || target.contains('\0') {
            return Err(is_told("which is outside of the archive"));
        }
        self.new_name(&name, NameTarget::Link(target.to_owned()))?;
        self.symlinks.push((name, target.to_owned()));
        Ok(())
    }

    fn hard_link(&mut self, name: String, member: &Member) -> Result<(), &'static str> {
        let first = self.relative(member.target.as_deref().unwrap_or_default());
        let first = first.ok().flatten().ok_or("it is a hard link to something outside of the archive")?;
        let Some(NameTarget::File(size)) = self.known.get(&first) else {
            return Err("it is a hard link to something other than a file before it in the archive");
        };
        let size = *size;
        self.new_name(&name, NameTarget::File(size))?;
        self.hard_links.push((name, first, size));
        Ok(())
    }

    /// Refuses a plan with a symbolic link that leads to nothing in the archive, since it would lead to an unknown
    /// file. Calls `check` before each link.
    pub(crate) fn finish(&self, check: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
        for (name, target) in &self.symlinks {
            check()?;
            self.follow(name, target).map_err(|why| {
                let why = format!("it is a symlink to `{}`, {why}", target.escape_debug());
                refused(name.as_bytes(), &why).with_help(SKIP)
            })?;
        }
        Ok(())
    }

    /// Follows a link as the kernel would if nothing but the archive existed.
    fn follow(&self, link: &str, target: &str) -> Result<(), &'static str> {
        let mut at: Vec<&str> = link.split('/').collect();
        at.pop();
        let mut todo: Vec<&str> = target.split('/').rev().collect();
        let mut hops = 0;
        while let Some(part) = todo.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    at.pop().ok_or("which leads out of the archive")?;
                    continue;
                }
                part => at.push(part),
            }
            match self.known.get(&at.join("/")) {
                None => return Err("which is not in the archive"),
                Some(NameTarget::Directory(_)) => {}
                Some(NameTarget::File(_)) if todo.is_empty() => {}
                Some(NameTarget::File(_)) => return Err("which leads through a file"),
                Some(NameTarget::Link(next)) => {
                    hops += 1;
                    if hops > HOPS {
                        return Err("which leads in a circle");
                    }
                    at.pop();
                    todo.extend(next.split('/').rev());
                }
            }
        }
        Ok(())
    }
}

const SKIP: &str = "the option `skip_links` leaves out what is neither a file nor a directory";
