//! The tree of files in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use rex_core::{AbsPath, Timestamp};

use crate::OsError;
use crate::links::{FinalLink, canonical};
use crate::os::{EntryKind, FileAccess, Metadata};

/// The entries of a directory, by name.
pub(crate) type TreeEntries = BTreeMap<Vec<u8>, TreeNode>;

/// The number of the root file system.
const ROOT_DEVICE: u64 = 1;

/// Extended attributes, by name.
pub(crate) type Xattrs = BTreeMap<String, Vec<u8>>;

/// A file, directory, link or other thing with a name.
#[derive(Debug, Clone)]
pub(crate) struct TreeNode {
    /// A number that distinguishes it from a later one with this name.
    pub(crate) id: u64,
    pub(crate) modified: Timestamp,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) xattrs: Xattrs,
    /// The file system that it is on; `None` for that of its directory.
    pub(crate) device: Option<u64>,
    pub(crate) body: NodeBody,
}

#[derive(Debug, Clone)]
pub(crate) enum NodeBody {
    File(FileContents),
    Directory(TreeEntries),
    Link(Vec<u8>),
    Special(EntryKind),
}

/// The contents of a file.
#[derive(Debug, Clone)]
pub(crate) enum FileContents {
    Here(Arc<Vec<u8>>),
    /// The contents of the file with this name below an [`Overlay`](crate::Overlay), and the current length.
    Below {
        path: AbsPath,
        size: u64,
    },
}

impl Default for FileContents {
    fn default() -> Self {
        Self::Here(Arc::default())
    }
}

impl From<Vec<u8>> for FileContents {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Here(Arc::new(bytes))
    }
}

impl FileContents {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            Self::Below { size, .. } => *size,
        }
    }

    pub(super) fn append(&mut self, more: &[u8]) {
        match self {
            Self::Here(bytes) => Arc::make_mut(bytes).extend_from_slice(more),
            Self::Below { size, .. } => *size = size.saturating_add(more.len() as u64),
        }
    }

    pub(super) fn resize(&mut self, length: usize) {
        match self {
            Self::Here(bytes) => Arc::make_mut(bytes).resize(length, 0),
            Self::Below { size, .. } => *size = length as u64,
        }
    }
}

impl TreeNode {
    fn new(id: u64, mode: u32, body: NodeBody) -> Self {
        Self { id, modified: super::EPOCH, mode, uid: 0, gid: 0, xattrs: Xattrs::new(), device: None, body }
    }

    /// Takes over mode, owner and extended attributes of a file that it replaces.
    pub(super) fn take_over(&mut self, old: &Self) {
        (self.mode, self.uid, self.gid, self.xattrs) = (old.mode, old.uid, old.gid, old.xattrs.clone());
    }

    pub(crate) fn access(&self) -> FileAccess {
        FileAccess { mode: self.mode, uid: self.uid, gid: self.gid }
    }

    /// Limits its permissions to those of what it is made from.
    pub(super) fn bind(&mut self, like: FileAccess) {
        self.mode &= like.bound(self.uid, self.gid, false);
    }

    pub(crate) fn kind(&self) -> EntryKind {
        match self.body {
            NodeBody::File(_) => EntryKind::File,
            NodeBody::Directory(_) => EntryKind::Directory,
            NodeBody::Link(_) => EntryKind::Symlink,
            NodeBody::Special(kind) => kind,
        }
    }
}

#[derive(Debug)]
pub(crate) struct FileTree {
    pub(crate) root: TreeNode,
    /// The ids of files with several names. Each name has its own node, with the same id and contents.
    linked: BTreeSet<u64>,
    ids: u64,
}

impl FileTree {
    pub(super) fn new() -> Self {
        let body = NodeBody::Directory(TreeEntries::new());
        Self { root: TreeNode::new(0, 0o755, body), linked: BTreeSet::new(), ids: 0 }
    }

    pub(crate) fn node(&mut self, body: NodeBody) -> TreeNode {
        self.ids += 1;
        let mode = match body {
            NodeBody::File(_) | NodeBody::Special(_) => 0o644,
            NodeBody::Directory(_) => 0o755,
            NodeBody::Link(_) => 0o777,
        };
        TreeNode::new(self.ids, mode, body)
    }

    /// Returns the node with exactly this name; it crosses no link.
    pub(crate) fn get(&self, path: &AbsPath) -> io::Result<&TreeNode> {
        path.names().try_fold(&self.root, |node, part| match &node.body {
            NodeBody::Directory(entries) => entries.get(&*part).ok_or_else(|| io::ErrorKind::NotFound.into()),
            NodeBody::Link(_) => Err(crossing()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        })
    }

    pub(crate) fn get_mut(&mut self, path: &AbsPath) -> io::Result<&mut TreeNode> {
        path.names().try_fold(&mut self.root, |node, part| match &mut node.body {
            NodeBody::Directory(entries) => entries.get_mut(&*part).ok_or_else(|| io::ErrorKind::NotFound.into()),
            NodeBody::Link(_) => Err(crossing()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        })
    }

    /// Gives a file another name, which must be free.
    pub(super) fn link(&mut self, file: TreeNode, to: &AbsPath) -> Result<(), OsError> {
        self.linked.insert(file.id);
        self.parent(to, FinalLink::Keep)?.insert(to.name_bytes().into_owned(), file);
        Ok(())
    }

    /// Changes the node with exactly this name, and those of the file's other names.
    pub(super) fn change<T>(
        &mut self,
        path: &AbsPath,
        work: impl FnOnce(&mut TreeNode) -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        let node = self.get_mut(path)?;
        let done = work(node)?;
        let id = node.id;
        if self.linked.contains(&id) {
            let changed = self.get(path)?.clone();
            each(&mut self.root, &mut |node| {
                if node.id == changed.id {
                    *node = changed.clone();
                }
            });
        }
        Ok(done)
    }

    /// Returns how many names a node's file has.
    pub(super) fn links(&self, node: &TreeNode) -> u64 {
        if self.linked.contains(&node.id) { names(&self.root, node.id) } else { 1 }
    }

    /// Returns the metadata of a name; for a link, that of the link.
    pub(super) fn stat(&self, path: &AbsPath) -> Result<Metadata, OsError> {
        let node = self.find(path, FinalLink::Keep)?;
        Ok(Metadata { device: self.device(path), ..self.metadata(node) })
    }

    /// Returns the file system of a name: its own number, or that of the nearest directory above it that has one.
    fn device(&self, path: &AbsPath) -> u64 {
        let mut node = Some(&self.root);
        let mut device = self.root.device.unwrap_or(ROOT_DEVICE);
        for part in path.components() {
            node = node.and_then(|node| match &node.body {
                NodeBody::Directory(entries) => entries.get(part.as_bytes()),
                _ => None,
            });
            device = node.and_then(|node| node.device).unwrap_or(device);
        }
        device
    }

    fn metadata(&self, node: &TreeNode) -> Metadata {
        let (size, target) = match &node.body {
            NodeBody::File(contents) => (contents.size(), None),
            NodeBody::Link(target) => (target.len() as u64, String::from_utf8(target.clone()).ok()),
            NodeBody::Directory(_) | NodeBody::Special(_) => (0, None),
        };
        Metadata {
            kind: node.kind(),
            size,
            modified: node.modified,
            accessed: node.modified,
            changed: node.modified,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            links: self.links(node),
            device: ROOT_DEVICE,
            inode: node.id,
            allocated: size,
            target,
        }
    }

    /// Returns the node with this name. A link at the end is an error with [`FinalLink::Cross`].
    pub(crate) fn find(&self, path: &AbsPath, last: FinalLink) -> Result<&TreeNode, OsError> {
        match self.get(path) {
            Ok(node) if node.kind() == EntryKind::Symlink && last == FinalLink::Cross => Err(self.crossed(path, last)),
            Err(error) if error.kind() == io::ErrorKind::Other => Err(self.crossed(path, last)),
            found => Ok(found?),
        }
    }

    /// Returns the entries of the directory that contains `path`. If the way crosses a link, the error has the name
    /// behind it, resolved according to `last`.
    pub(crate) fn parent(&mut self, path: &AbsPath, last: FinalLink) -> Result<&mut TreeEntries, OsError> {
        let parent = path.parent().unwrap_or_else(AbsPath::root);
        match self.get(&parent) {
            Ok(node) if node.kind() == EntryKind::Symlink => return Err(self.crossed(path, last)),
            Err(error) if error.kind() == io::ErrorKind::Other => return Err(self.crossed(path, last)),
            _ => {}
        }
        match &mut self.get_mut(&parent)?.body {
            NodeBody::Directory(entries) => Ok(entries),
            _ => Err(io::Error::from(io::ErrorKind::NotADirectory).into()),
        }
    }

    pub(super) fn crossed(&self, path: &AbsPath, last: FinalLink) -> OsError {
        let read_link = |path: &AbsPath| {
            self.get(path).map(|node| match &node.body {
                NodeBody::Link(target) => Some(target.clone()),
                _ => None,
            })
        };
        canonical(path, last, read_link).map_or_else(|error| error, OsError::Crossed)
    }

    /// Puts a node at a path, and creates missing directories above it.
    pub(super) fn put(&mut self, path: &AbsPath, node: TreeNode) -> Option<()> {
        let above: Vec<_> = path.parents().map(str::to_owned).collect();
        for parent in above.iter().rev().skip(1) {
            let parent = AbsPath::parse(parent).ok()?;
            if self.get(&parent).is_err() {
                let directory = self.node(NodeBody::Directory(TreeEntries::new()));
                self.parent(&parent, FinalLink::Keep).ok()?.insert(parent.name_bytes().into_owned(), directory);
            }
        }
        self.parent(path, FinalLink::Keep).ok()?.insert(path.name_bytes().into_owned(), node);
        Some(())
    }
}

fn each(node: &mut TreeNode, work: &mut impl FnMut(&mut TreeNode)) {
    if let NodeBody::Directory(entries) = &mut node.body {
        entries.values_mut().for_each(|node| each(node, work));
    }
    work(node);
}

fn names(node: &TreeNode, id: u64) -> u64 {
    let below = match &node.body {
        NodeBody::Directory(entries) => entries.values().map(|node| names(node, id)).sum(),
        _ => 0,
    };
    below + u64::from(node.id == id)
}

/// Returns the error for a link on the way, which has a kind that no other error here has.
fn crossing() -> io::Error {
    io::ErrorKind::Other.into()
}
