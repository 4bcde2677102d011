//! The known files of the system below, and the effects on them.

use std::io::{self, Read};

use rex_core::AbsPath;
use rex_core::action::fs;

use super::OverlayParts;
use crate::links::{FinalLink, canonical};
use crate::mem::tree::{FileContents, NodeBody, TreeEntries, TreeNode};
use crate::os::{EntryKind, Metadata};
use crate::{Os, OsError};

/// A name whose state differs from below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedName {
    /// Its name.
    pub path: AbsPath,
    /// Its state below; `None` if it does not exist.
    pub before: Option<NamedThing>,
    /// Its state after the effects; `None` if it does not exist.
    pub after: Option<NamedThing>,
}

/// A file, a directory, a link or another thing with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedThing {
    /// Its kind.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group, by their numbers.
    pub owner: (u32, u32),
    /// The contents of a file, if they may be shown and fit into memory; the text of a link.
    pub contents: Option<Vec<u8>>,
}

impl<O: Os> OverlayParts<O> {
    /// Looks up a name below: itself, the directories above it, and those that links on the way lead to.
    pub(super) fn know(&self, path: &AbsPath) -> Result<(), OsError> {
        let mut failed = None;
        let found = canonical(path, FinalLink::Cross, |name| match self.know_one(name) {
            Ok(target) => Ok(target),
            Err(OsError::Io(error)) => Err(error),
            Err(other) => {
                failed = Some(other);
                Err(io::ErrorKind::NotFound.into())
            }
        });
        match (failed, found) {
            (Some(error), _) => Err(error),
            // A name that leads nowhere: any operation on it reports that.
            (None, Err(OsError::Io(error))) if !is_missing(&error) && error.get_ref().is_none() => Err(error.into()),
            (None, _) => Ok(()),
        }
    }

    /// Looks up one name whose parents are known, and returns its text if it is a link.
    fn know_one(&self, path: &AbsPath) -> Result<Option<Vec<u8>>, OsError> {
        let parent = path.parent().unwrap_or_else(AbsPath::root);
        let known = {
            let state = self.state();
            state.seen.contains(path) || state.own.contains(&parent)
        };
        if !known {
            let found = match self.below.stat(self.look(fs::Stat {}, path.clone())?) {
                Ok(metadata) => Some(metadata),
                // The name leads elsewhere by now than it does below.
                Err(OsError::Crossed(_)) => None,
                Err(OsError::Io(error)) if is_missing(&error) => None,
                Err(error) => return Err(error),
            };
            let mut tree = self.above.tree();
            if let (Some(metadata), NodeBody::Directory(_)) = (found, &tree.get(&parent)?.body) {
                let mut node = tree.node(body(path, &metadata));
                (node.modified, node.mode) = (metadata.modified, metadata.mode);
                (node.uid, node.gid) = (metadata.uid, metadata.gid);
                node.device = Some(metadata.device);
                tree.parent(path, FinalLink::Keep)?.insert(path.name_bytes().into_owned(), node);
            }
            drop(tree);
            self.state().seen.insert(path.clone());
        }
        Ok(match &self.above.tree().get(path)?.body {
            NodeBody::Link(target) => Some(target.clone()),
            _ => None,
        })
    }

    /// Checks whether a known name exists and is unchanged from below.
    pub(super) fn is_below(&self, path: &AbsPath) -> bool {
        !self.state().touched.contains(path) && self.above.tree().get(path).is_ok()
    }

    /// Checks whether a known directory was created here, so that it contains nothing from below.
    pub(super) fn is_own(&self, path: &AbsPath) -> bool {
        self.state().own.contains(path)
    }

    /// Loads a file before it is changed: its attributes, and with `contents`, its contents.
    ///
    /// Contents that may not be read, or are too long, stay below; only their length is known.
    pub(super) fn load(&self, path: &AbsPath, contents: bool) -> Result<(), OsError> {
        let (fresh, below) = {
            let (touched, tree) = (self.state().touched.contains(path), self.above.tree());
            match tree.get(path).map(|node| &node.body) {
                Ok(NodeBody::File(FileContents::Below { path, .. })) => (!touched, Some(path.clone())),
                Ok(NodeBody::Directory(_)) => (!touched, None),
                _ => return Ok(()),
            }
        };
        if fresh {
            let attributes = self.attributes(path)?;
            self.above.tree().get_mut(path)?.xattrs.extend(attributes);
        }
        if let Some(below) = below.filter(|_| contents)
            && let Some(bytes) = self.contents(&below)?
            && let NodeBody::File(file) = &mut self.above.tree().get_mut(path)?.body
            && file.size() == bytes.len() as u64
        {
            *file = bytes.into();
        }
        Ok(())
    }

    fn attributes(&self, path: &AbsPath) -> Result<Vec<(String, Vec<u8>)>, OsError> {
        let about = |name: &str| self.look(fs::GetXattr { name: name.to_owned() }, path.clone());
        let names = self.below.xattrs(about("")?).unwrap_or_default();
        let mut all = Vec::new();
        for name in names {
            if let Ok(value) = self.below.xattr(about(&name)?) {
                all.push((name, value));
            }
        }
        Ok(all)
    }

    /// Returns the contents of a file below, if they can be read and are within the limit `file_bytes`.
    fn contents(&self, path: &AbsPath) -> Result<Option<Vec<u8>>, OsError> {
        let max = self.looks.limits().file_bytes;
        let Ok(source) = self.below.open(self.look(fs::Read {}, path.clone())?) else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = source.take(max.saturating_add(1)).read_to_end(&mut bytes);
        Ok((read.is_ok() && bytes.len() as u64 <= max).then_some(bytes))
    }

    /// Looks up all entries of a directory, if it is from below.
    pub(super) fn know_entries(&self, path: &AbsPath) -> Result<(), OsError> {
        let directory = matches!(self.above.tree().get(path).map(|node| &node.body), Ok(NodeBody::Directory(_)));
        if !directory || self.is_own(path) {
            return Ok(());
        }
        let most = (self.state().seen.len() as u64).saturating_add(1);
        let full = || OsError::from(io::Error::from(io::ErrorKind::DirectoryNotEmpty));
        let entries = self.below.list(self.look(fs::List {}, path.clone())?, most).map_err(|error| match error {
            OsError::TooMany(_) => full(),
            other => other,
        })?;
        for entry in entries {
            match self.know_one(&path.entry(&entry.name).map_err(|_| full())?) {
                Err(OsError::Io(error)) if is_missing(&error) => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    pub(super) fn changed(&self, may_read: &dyn Fn(&AbsPath) -> bool) -> Vec<ChangedName> {
        let touched = self.state().touched.clone();
        let changed = |path: AbsPath| {
            let readable = may_read(&path);
            let before = self.look(fs::Stat {}, path.clone()).and_then(|grant| self.below.stat(grant)).ok();
            let before = before.map(|metadata| NamedThing {
                kind: metadata.kind,
                mode: metadata.mode,
                owner: (metadata.uid, metadata.gid),
                contents: match metadata.kind {
                    EntryKind::File if readable => self.contents(&path).ok().flatten(),
                    EntryKind::Symlink => metadata.target.map(String::into_bytes),
                    _ => None,
                },
            });
            let after = self.above.tree().get(&path).ok().cloned();
            let after = after.map(|node| NamedThing {
                kind: node.kind(),
                mode: node.mode,
                owner: (node.uid, node.gid),
                contents: match node.body {
                    NodeBody::File(FileContents::Here(bytes)) => Some(bytes.to_vec()),
                    NodeBody::File(FileContents::Below { path, .. }) if may_read(&path) => {
                        self.contents(&path).ok().flatten()
                    }
                    NodeBody::Link(target) => Some(target),
                    _ => None,
                },
            });
            ChangedName { path, before, after }
        };
        touched.into_iter().map(changed).filter(|changed| changed.before != changed.after).collect()
    }
}

/// Returns the body of something below, as far as it is known without reading it.
fn body(path: &AbsPath, metadata: &Metadata) -> NodeBody {
    match metadata.kind {
        EntryKind::File => NodeBody::File(FileContents::Below { path: path.clone(), size: metadata.size }),
        EntryKind::Directory => NodeBody::Directory(TreeEntries::new()),
        // The text of a link that is not UTF-8 is unknown, so the link leads nowhere here.
        EntryKind::Symlink => {
            NodeBody::Link(metadata.target.as_ref().map_or_else(|| vec![0], |text| text.clone().into()))
        }
        other => NodeBody::Special(other),
    }
}

pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Returns the entries of a directory with their kinds.
pub(super) fn kinds(entries: &TreeEntries) -> impl Iterator<Item = (&Vec<u8>, EntryKind)> {
    entries.iter().map(|(name, node): (&Vec<u8>, &TreeNode)| (name, node.kind()))
}
