//! Files of an overlay: those below, with the effects on them.

use std::io;

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Grant, Timestamp};

use super::handles::{OverlayDirectory, OverlayHeld, OverlayTaken};
use super::tree::kinds;
use super::{Overlay, OverlayParts};
use crate::links::FinalLink;
use crate::mem::tree::{FileContents, NodeBody};
use crate::os::{
    DirEntry, Directory, FileAccess, Files, LinkSource, Metadata, OsError, RenameSource, Source, WriteOptions,
};
use crate::{MemOs, Os};

/// The part of a file below that must be loaded before an effect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoadedPart {
    /// Nothing: the effect creates or removes the whole file.
    Whole,
    /// The attributes, which the effect changes or keeps.
    Attributes,
    /// The attributes and the contents, of which the effect changes a part.
    Contents,
}

impl<O: Os> OverlayParts<O> {
    /// Changes what has the name of the grant, and records the effect.
    fn change<A: Action<Resource = AbsPath>, T>(
        &self,
        grant: Grant<A>,
        part: LoadedPart,
        about: impl FnOnce(&A) -> String,
        act: impl FnOnce(&MemOs, Grant<A>) -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        let (path, sequence) = (grant.resource().clone(), grant.sequence());
        let about = about(grant.action());
        self.know(&path)?;
        if part != LoadedPart::Whole {
            self.load(&path, part == LoadedPart::Contents)?;
        }
        let done = act(&self.above, grant)?;
        self.state().touched.insert(path.clone());
        self.record::<A>((sequence, &path), about, false);
        Ok(done)
    }

    /// Checks whether nothing was changed yet, so that everything is as it is below.
    pub(super) fn is_fresh(&self) -> bool {
        self.state().touched.is_empty()
    }

    /// Checks whether a name is to be read below. If not, or if it leads elsewhere, `above` has the answer.
    pub(super) fn reads_below(&self, path: &AbsPath, last: FinalLink) -> Result<bool, OsError> {
        if self.is_fresh() {
            return Ok(true);
        }
        self.know(path)?;
        Ok(self.above.tree().find(path, last).is_ok() && self.is_below(path))
    }

    pub(super) fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError> {
        if !self.reads_below(grant.resource(), FinalLink::Keep)? {
            return self.above.stat(grant);
        }
        let path = grant.resource().clone();
        let found = self.below.stat(grant);
        match &found {
            Ok(metadata) => self.state().reads.stat(path.as_str(), metadata),
            Err(error) => self.missed("stat", &path, error),
        }
        found
    }

    /// Records a failed read: a later run must find the same error.
    fn missed(&self, what: &str, path: &AbsPath, error: &OsError) {
        self.state().reads.add(what, path.as_str(), error.to_string().as_bytes());
    }

    pub(super) fn list(&self, grant: Grant<fs::List>, max: u64) -> Result<Vec<DirEntry>, OsError> {
        let path = grant.resource().clone();
        let fresh = self.is_fresh();
        if !fresh {
            self.know(&path)?;
            let directory = matches!(
                self.above.tree().find(&path, FinalLink::Cross).map(|node| &node.body),
                Ok(NodeBody::Directory(_))
            );
            if !directory || self.is_own(&path) {
                return self.above.list(grant, max);
            }
        }
        let gone = if fresh { 0 } else { self.state().seen.len() as u64 };
        let found = self.below.list(grant, max.saturating_add(gone));
        let mut entries = match found {
            Ok(entries) => entries,
            Err(OsError::TooMany(_)) => return Err(OsError::TooMany(max)),
            Err(error) => {
                self.missed("list", &path, &error);
                return Err(error);
            }
        };
        self.state().reads.list(path.as_str(), &entries);
        if !fresh {
            let seen = |entry: &DirEntry| {
                let name = path.entry(&entry.name).ok();
                name.is_some_and(|name| self.state().seen.contains(&name))
            };
            entries.retain(|entry| !seen(entry));
            if let NodeBody::Directory(above) = &self.above.tree().get(&path)?.body {
                entries.extend(kinds(above).map(|(name, kind)| DirEntry { name: name.clone(), kind }));
            }
            entries.sort_unstable();
        }
        if entries.len() as u64 > max { Err(OsError::TooMany(max)) } else { Ok(entries) }
    }

    fn open(&self, grant: Grant<fs::Read>) -> Result<Box<dyn Source>, OsError> {
        let path = grant.resource().clone();
        if self.reads_below(&path, FinalLink::Cross)? {
            return match self.below.open(grant) {
                Ok(source) => Ok(self.state().reads.source(path.as_str(), source, None)),
                Err(error) => {
                    self.missed("read", &path, &error);
                    Err(error)
                }
            };
        }
        let elsewhere = match self.above.tree().find(&path, FinalLink::Cross).map(|node| (&node.body, node.access())) {
            Ok((NodeBody::File(FileContents::Below { path, size }), access)) => Some((path.clone(), *size, access)),
            _ => None,
        };
        let Some((below, size, access)) = elsewhere else { return self.above.open(grant) };
        let source = self.below.open(self.look(fs::Read {}, below)?)?;
        if source.size() != size {
            return Err(OsError::Refused("its new contents are unknown: it could not be read, or is too long"));
        }
        Ok(self.state().reads.source(path.as_str(), source, Some(access)))
    }
}

fn hash(bytes: &[u8]) -> String {
    format!("{} bytes, blake3 {}", bytes.len(), blake3::hash(bytes))
}

impl<O: Os + 'static> Files for Overlay<O> {
    fn open(&self, grant: Grant<fs::Read>) -> Result<Box<dyn Source>, OsError> {
        self.shared.open(grant)
    }

    fn list(&self, grant: Grant<fs::List>, max: u64) -> Result<Vec<DirEntry>, OsError> {
        self.shared.list(grant, max)
    }

    fn directory(&self, grant: Grant<fs::List>, max: u64) -> Result<Box<dyn Directory>, OsError> {
        let path = grant.resource().clone();
        let entries = self.shared.list(grant, max)?;
        Ok(Box::new(OverlayDirectory { shared: self.shared.clone(), path, entries }))
    }

    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError> {
        self.shared.stat(grant)
    }

    fn write(
        &self,
        grant: Grant<fs::Write>,
        contents: &mut dyn io::Read,
        options: WriteOptions,
    ) -> Result<u64, OsError> {
        let mut read = HashedContents { contents, hasher: blake3::Hasher::new() };
        let count = self.shared.change(
            grant,
            LoadedPart::Attributes,
            |_| String::new(),
            |os, grant| os.write(grant, &mut read, options),
        )?;
        if let Some(last) = self.shared.state().effects.last_mut() {
            last.about = format!("{count} bytes, blake3 {}", read.hasher.finalize());
        }
        Ok(count)
    }

    fn append(&self, grant: Grant<fs::Append>, bytes: &[u8]) -> Result<(), OsError> {
        self.shared.change(grant, LoadedPart::Contents, |_| hash(bytes), |os, grant| os.append(grant, bytes))
    }

    fn create_dir(&self, grant: Grant<fs::CreateDir>, like: Option<FileAccess>) -> Result<(), OsError> {
        let path = grant.resource().clone();
        self.shared.change(grant, LoadedPart::Whole, |_| String::new(), |os, grant| os.create_dir(grant, like))?;
        self.shared.state().own.insert(path);
        Ok(())
    }

    fn remove(&self, grant: Grant<fs::Remove>) -> Result<(), OsError> {
        self.shared.change(grant, LoadedPart::Whole, |_| String::new(), MemOs::remove)
    }

    fn remove_dir(&self, grant: Grant<fs::Remove>) -> Result<(), OsError> {
        self.shared.know(grant.resource())?;
        self.shared.know_entries(grant.resource())?;
        self.shared.change(grant, LoadedPart::Whole, |_| "a directory".to_owned(), MemOs::remove_dir)
    }

    fn take(&self, grant: Grant<fs::Rename>) -> Result<Box<dyn RenameSource>, OsError> {
        let (from, sequence) = (grant.resource().clone(), grant.sequence());
        self.shared.know(&from)?;
        let taken = self.shared.above.take(grant)?;
        Ok(Box::new(OverlayTaken { shared: self.shared.clone(), taken, from, sequence }))
    }

    fn resize(&self, grant: Grant<fs::Write>, room: u64) -> Result<u64, OsError> {
        let about = |action: &fs::Write| format!("cut or filled up to {} bytes", action.bytes);
        self.shared.change(grant, LoadedPart::Contents, about, |os, grant| os.resize(grant, room))
    }

    fn touch(&self, grant: Grant<fs::Touch>, time: Timestamp, create: bool) -> Result<(), OsError> {
        self.shared.change(grant, LoadedPart::Attributes, |_| String::new(), |os, grant| os.touch(grant, time, create))
    }

    fn chmod(&self, grant: Grant<fs::Chmod>) -> Result<(), OsError> {
        let about = |action: &fs::Chmod| format!("mode {:04o}", action.mode);
        self.shared.change(grant, LoadedPart::Attributes, about, MemOs::chmod)
    }

    fn chown(&self, grant: Grant<fs::Chown>) -> Result<(), OsError> {
        let about = |action: &fs::Chown| format!("owner {}, group {}", action.uid, action.gid);
        self.shared.change(grant, LoadedPart::Attributes, about, MemOs::chown)
    }

    fn symlink(&self, grant: Grant<fs::Symlink>) -> Result<(), OsError> {
        self.shared.change(grant, LoadedPart::Whole, |action| format!("to {}", action.target), MemOs::symlink)
    }

    fn hold(&self, grant: Grant<fs::HardLink>) -> Result<Box<dyn LinkSource>, OsError> {
        let (from, sequence) = (grant.resource().clone(), grant.sequence());
        self.shared.know(&from)?;
        let held = self.shared.above.hold(grant)?;
        Ok(Box::new(OverlayHeld { shared: self.shared.clone(), held, from, sequence }))
    }

    fn xattrs(&self, grant: Grant<fs::GetXattr>) -> Result<Vec<String>, OsError> {
        if !self.shared.reads_below(grant.resource(), FinalLink::Cross)? {
            return self.shared.above.xattrs(grant);
        }
        let path = grant.resource().clone();
        let names = self.shared.below.xattrs(grant)?;
        self.shared.state().reads.add("xattrs", path.as_str(), names.join("\0").as_bytes());
        Ok(names)
    }

    fn xattr(&self, grant: Grant<fs::GetXattr>) -> Result<Vec<u8>, OsError> {
        if !self.shared.reads_below(grant.resource(), FinalLink::Cross)? {
            return Files::xattr(&self.shared.above, grant);
        }
        let path = grant.resource().clone();
        let value = self.shared.below.xattr(grant)?;
        self.shared.state().reads.add("xattr", path.as_str(), &value);
        Ok(value)
    }

    fn set_xattr(
        &self,
        grant: Grant<fs::SetXattr>,
        permissions: Option<Grant<fs::Chmod>>,
        value: Option<&[u8]>,
    ) -> Result<(), OsError> {
        let about = |action: &fs::SetXattr| match value {
            Some(value) => format!("{}, {}", action.name, hash(value)),
            None => format!("{} removed", action.name),
        };
        self.shared.change(grant, LoadedPart::Attributes, about, |os, grant| os.set_xattr(grant, permissions, value))
    }
}

/// The contents of a file, hashed while they are read.
struct HashedContents<'c> {
    contents: &'c mut dyn io::Read,
    hasher: blake3::Hasher,
}

impl io::Read for HashedContents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.contents.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
