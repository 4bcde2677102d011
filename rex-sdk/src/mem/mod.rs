//! An operating system in memory, for tests, fuzzing and simulation. It behaves like `host`, and reaches nothing
//! outside.

mod files;
mod handles;
mod network;
mod processes;
mod services;
mod system;
pub(crate) mod tree;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rex_core::{AbsPath, Timestamp};

use crate::os::{EntryKind, Os};
pub use processes::ProgramBehavior;
use tree::{FileContents, FileTree, NodeBody, TreeEntries};

/// The time when everything was made, in every world in memory: 2026-03-02T12:00:00Z.
pub(crate) const EPOCH: Timestamp = Timestamp::from_micros(1_772_452_800_000_000);

const LOG: &str = "\
2026-03-02T11:58:01Z INFO started version=1.4.2
2026-03-02T11:58:02Z INFO listening port=8080
2026-03-02T11:59:10Z WARN slow request path=/report ms=1840
2026-03-02T11:59:40Z ERROR upstream timed out path=/report
2026-03-02T12:00:00Z INFO request path=/ ms=3
";

/// An ELF file that consists of a header: an executable for x86-64 that starts at 0x401000.
const PROGRAM: &[u8; 64] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0\0\x10\x40\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\x38\0\0\0\x40\0\0\0\0\0";

/// The text `1.4.2` and a newline in gzip format, stored without compression.
const NOTES: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x06\0\xf9\xff1.4.2\n\xbd]*@\x06\0\0\0";

/// Returns a tar archive with one file. If it cannot be made, it is empty, and the examples fail.
fn archive() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_mtime(EPOCH.as_secs().unsigned_abs());
    header.set_size(6);
    let mut archive = tar::Builder::new(Vec::new());
    let added = archive.append_data(&mut header, "notes.txt", &b"1.4.2\n"[..]);
    added.and_then(|()| archive.into_inner()).unwrap_or_default()
}

/// An operating system in memory.
///
/// ```
/// use rex_sdk::MemOs;
///
/// let os = MemOs::new().file("/srv/app/version.txt", "1.4.2\n").link("/srv/current", "app");
/// assert_eq!(os.contents("/srv/app/version.txt").unwrap(), b"1.4.2\n");
/// assert_eq!(os.calls(), 0);
/// ```
#[derive(Debug)]
pub struct MemOs {
    tree: Arc<Mutex<FileTree>>,
    calls: Arc<AtomicU64>,
    pub(crate) units: Mutex<services::MemUnits>,
    processes: Mutex<processes::ProcessTable>,
    parameters: Mutex<BTreeMap<String, String>>,
    hides_processes: bool,
    /// Users and groups, as `/etc/passwd` and `/etc/group` list them.
    accounts: [String; 2],
    hosts: Mutex<network::MemHosts>,
}

impl Os for MemOs {}

impl Default for MemOs {
    fn default() -> Self {
        Self::new()
    }
}

impl MemOs {
    /// Creates an empty world: the root directory, no units, and the machine of the examples.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tree: Arc::new(Mutex::new(FileTree::new())),
            calls: Arc::default(),
            units: Mutex::default(),
            processes: Mutex::default(),
            parameters: Mutex::default(),
            hides_processes: false,
            accounts: ["root:x:0:0:root:/root:/bin/bash\n".to_owned(), "root:x:0:\nadm:x:4:alice\n".to_owned()],
            hosts: Mutex::default(),
        }
    }

    /// Creates the world in which the example of every operation is shown and tested.
    #[must_use]
    pub fn example() -> Self {
        const MONTH: i64 = 30 * 86_400 * 1_000_000;
        Self::new()
            .file("/srv/app/version.txt", "1.4.2\n")
            .file("/srv/app/config.yaml", "port: 8080\n")
            .file("/srv/app/icon.bin", [0x89, b'P', b'N', b'G', 0xff, 0x00])
            .file("/srv/app/logs/app.log", LOG)
            .file("/srv/app/logs/old.log", "2026-01-31T12:00:00Z INFO stopped\n")
            .xattr("/srv/app/config.yaml", "user.origin", "ansible")
            .modified("/srv/app/logs/old.log", Timestamp::from_micros(EPOCH.as_micros() - MONTH))
            .link("/srv/app/current.log", "logs/app.log")
            .dir("/srv/app/empty")
            .file("/etc/hosts", "127.0.0.1 localhost\n")
            .file("/etc/sysctl.conf", "net.ipv4.ip_forward = 1\n")
            .file("/etc/ssl/certs/app.pem", network::CERTIFICATE)
            .file("/opt/tool/bin/tool", PROGRAM)
            .file("/opt/tool/notes.txt.gz", NOTES)
            .file("/opt/tool/notes.tar", archive())
            .dir("/tmp")
            .parameter("kernel.hostname", "example")
            .parameter("net.ipv4.ip_forward", "0")
            .host("app.example.com", "93.184.215.14")
            .page(
                "http://app.example.com/health",
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n",
            )
            .page(
                "http://app.example.com/notes",
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\ntaken\n",
            )
            .example_units()
            .example_processes()
    }

    /// Adds a file and its missing parent directories, as `dir`, `link` and `special` do.
    ///
    /// # Panics
    /// If the path is not absolute, is the root, or leads through something other than a directory.
    #[must_use]
    pub fn file(self, path: &str, contents: impl AsRef<[u8]>) -> Self {
        self.put(path, NodeBody::File(contents.as_ref().to_vec().into()))
    }

    /// Adds an empty directory.
    ///
    /// # Panics
    /// As [`MemOs::file`].
    #[must_use]
    pub fn dir(self, path: &str) -> Self {
        self.put(path, NodeBody::Directory(TreeEntries::new()))
    }

    /// Adds a symbolic link.
    ///
    /// # Panics
    /// As [`MemOs::file`].
    #[must_use]
    pub fn link(self, path: &str, target: impl AsRef<[u8]>) -> Self {
        self.put(path, NodeBody::Link(target.as_ref().to_vec()))
    }

    /// Adds a pipe, a socket or a device.
    ///
    /// # Panics
    /// As [`MemOs::file`].
    #[must_use]
    pub fn special(self, path: &str, kind: EntryKind) -> Self {
        self.put(path, NodeBody::Special(kind))
    }

    /// Adds an empty file to `dir` with a name that is not UTF-8, or that a path cannot contain for another reason.
    ///
    /// # Panics
    /// If the directory does not exist.
    #[must_use]
    pub fn raw_name(self, dir: &str, name: &[u8]) -> Self {
        let mut tree = self.tree();
        let file = tree.node(NodeBody::File(FileContents::default()));
        let put = AbsPath::parse(dir).ok().and_then(|path| match &mut tree.get_mut(&path).ok()?.body {
            NodeBody::Directory(entries) => Some(entries.insert(name.to_vec(), file)),
            _ => None,
        });
        assert!(put.is_some(), "there is no directory `{dir}`");
        drop(tree);
        self
    }

    /// Replaces the users and groups, as `/etc/passwd` and `/etc/group` list them.
    #[must_use]
    pub fn with_accounts(mut self, users: &str, groups: &str) -> Self {
        self.accounts = [users.to_owned(), groups.to_owned()];
        self
    }

    /// Adds a kernel parameter.
    #[must_use]
    pub fn parameter(self, name: &str, value: &str) -> Self {
        self.parameters.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the modification time of a path.
    ///
    /// # Panics
    /// If the path does not exist.
    #[must_use]
    pub fn modified(self, path: &str, time: Timestamp) -> Self {
        let known =
            AbsPath::parse(path).ok().and_then(|path| self.tree().get_mut(&path).ok().map(|node| node.modified = time));
        assert!(known.is_some(), "there is no `{path}`");
        self
    }

    /// Mounts another file system, with this number, on a directory.
    ///
    /// # Panics
    /// If the path does not exist.
    #[must_use]
    pub fn mounted(self, path: &str, device: u64) -> Self {
        let mount = |node: &mut tree::TreeNode| node.device = Some(device);
        let known = AbsPath::parse(path).ok().and_then(|path| self.tree().get_mut(&path).ok().map(mount));
        assert!(known.is_some(), "there is no `{path}`");
        self
    }

    /// Adds an extended attribute to a path.
    ///
    /// # Panics
    /// If the path does not exist.
    #[must_use]
    pub fn xattr(self, path: &str, name: &str, value: &str) -> Self {
        let set = |node: &mut tree::TreeNode| drop(node.xattrs.insert(name.to_owned(), value.as_bytes().to_vec()));
        let known = AbsPath::parse(path).ok().and_then(|path| self.tree().get_mut(&path).ok().map(set));
        assert!(known.is_some(), "there is no `{path}`");
        self
    }

    /// Returns how often a method of [`Os`] was called, that is, how often the system was reached.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Returns the contents of a file; `None` if no file has exactly this name. For tests: it does not count as a call.
    #[must_use]
    pub fn contents(&self, path: &str) -> Option<Vec<u8>> {
        match &self.tree().get(&AbsPath::parse(path).ok()?).ok()?.body {
            NodeBody::File(FileContents::Here(bytes)) => Some(bytes.to_vec()),
            _ => None,
        }
    }

    /// Counts a call. Every method of the capability trait that reaches this world calls it.
    pub(crate) fn count(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    pub(crate) fn tree(&self) -> MutexGuard<'_, FileTree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(self, path: &str, body: NodeBody) -> Self {
        let mut tree = self.tree();
        let node = tree.node(body);
        let put = AbsPath::parse(path).ok().filter(|path| !path.is_root()).and_then(|path| tree.put(&path, node));
        assert!(put.is_some(), "nothing can be put at `{path}`");
        drop(tree);
        self
    }
}
