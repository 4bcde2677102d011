//! The tree of files in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use rex_core::{AbsPath, Timestamp};

use crate::OsError;
use crate::links::{Last, canonical};
use crate::os::EntryKind;

/// What a directory holds, by name.
pub(super) type Entries = BTreeMap<Vec<u8>, Node>;

/// One thing that has a name.
#[derive(Debug)]
pub(super) struct Node {
    /// Tells it from whatever has the name later.
    pub(super) id: u64,
    pub(super) modified: Timestamp,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) xattrs: BTreeMap<String, Vec<u8>>,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    File(Arc<Vec<u8>>),
    Directory(Entries),
    Link(Vec<u8>),
    Special(EntryKind),
}

impl Node {
    fn new(id: u64, mode: u32, body: Body) -> Self {
        Self { id, modified: super::EPOCH, mode, uid: 0, gid: 0, xattrs: BTreeMap::new(), body }
    }

    pub(super) fn kind(&self) -> EntryKind {
        match self.body {
            Body::File(_) => EntryKind::File,
            Body::Directory(_) => EntryKind::Directory,
            Body::Link(_) => EntryKind::Symlink,
            Body::Special(kind) => kind,
        }
    }
}

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Node,
    ids: u64,
}

impl Tree {
    pub(super) fn new() -> Self {
        let body = Body::Directory(Entries::new());
        Self { root: Node::new(0, 0o755, body), ids: 0 }
    }

    pub(super) fn node(&mut self, body: Body) -> Node {
        self.ids += 1;
        let mode = match body {
            Body::File(_) | Body::Special(_) => 0o644,
            Body::Directory(_) => 0o755,
            Body::Link(_) => 0o777,
        };
        Node::new(self.ids, mode, body)
    }

    /// What has exactly this name; nothing is crossed.
    pub(super) fn get(&self, path: &AbsPath) -> io::Result<&Node> {
        path.components().try_fold(&self.root, |node, part| match &node.body {
            Body::Directory(entries) => entries.get(part.as_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into()),
            Body::Link(_) => Err(crossing()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        })
    }

    pub(super) fn get_mut(&mut self, path: &AbsPath) -> io::Result<&mut Node> {
        path.components().try_fold(&mut self.root, |node, part| match &mut node.body {
            Body::Directory(entries) => entries.get_mut(part.as_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into()),
            Body::Link(_) => Err(crossing()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        })
    }

    /// What has this name, where the caller means what a link at the end points to, or the link itself.
    pub(super) fn find(&self, path: &AbsPath, last: Last) -> Result<&Node, OsError> {
        match self.get(path) {
            Ok(node) if node.kind() == EntryKind::Symlink && last == Last::Cross => Err(self.crossed(path, last)),
            Err(error) if error.kind() == io::ErrorKind::Other => Err(self.crossed(path, last)),
            found => Ok(found?),
        }
    }

    /// The entries of the directory that `path` is in. `last` says which name is asked for if the way there crosses a link.
    pub(super) fn parent(&mut self, path: &AbsPath, last: Last) -> Result<&mut Entries, OsError> {
        let parent = path.parent().unwrap_or_else(AbsPath::root);
        match self.get(&parent) {
            Ok(node) if node.kind() == EntryKind::Symlink => return Err(self.crossed(path, last)),
            Err(error) if error.kind() == io::ErrorKind::Other => return Err(self.crossed(path, last)),
            _ => {}
        }
        match &mut self.get_mut(&parent)?.body {
            Body::Directory(entries) => Ok(entries),
            _ => Err(io::Error::from(io::ErrorKind::NotADirectory).into()),
        }
    }

    pub(super) fn crossed(&self, path: &AbsPath, last: Last) -> OsError {
        let read_link = |path: &AbsPath| {
            self.get(path).map(|node| match &node.body {
                Body::Link(target) => Some(target.clone()),
                _ => None,
            })
        };
        canonical(path, last, read_link).map_or_else(|error| error, OsError::Crossed)
    }

    /// Puts something there, and directories above it where they are missing.
    pub(super) fn put(&mut self, path: &AbsPath, node: Node) -> Option<()> {
        let above: Vec<_> = path.parents().map(str::to_owned).collect();
        for parent in above.iter().rev().skip(1) {
            let parent = AbsPath::parse(parent).ok()?;
            if self.get(&parent).is_err() {
                let directory = self.node(Body::Directory(Entries::new()));
                self.parent(&parent, Last::Keep).ok()?.insert(parent.name().into(), directory);
            }
        }
        self.parent(path, Last::Keep).ok()?.insert(path.name().into(), node);
        Some(())
    }
}

/// Stands for a link in the way, which is an error of no other kind here.
fn crossing() -> io::Error {
    io::ErrorKind::Other.into()
}
