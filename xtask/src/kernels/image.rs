//! The archive that another kernel is started with: files of this machine (newc, as `cpio` writes it), which the kernel unpacks
//! into memory.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::{Stop, shell};

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const DEVICE: u32 = 0o020_000;

/// An archive that is being built. Each name is in it once.
#[derive(Default)]
pub(super) struct Image {
    bytes: Vec<u8>,
    names: BTreeSet<PathBuf>,
    count: u32,
}

impl Image {
    /// Adds a directory, and those above it.
    pub(super) fn directory(&mut self, path: &Path, mode: u32) {
        if let Some(parent) = path.parent().filter(|parent| parent.parent().is_some()) {
            self.directory(parent, 0o755);
        }
        self.entry(path, DIRECTORY | mode, &[], (0, 0));
    }

    /// Adds a file with these contents.
    pub(super) fn file(&mut self, path: &Path, mode: u32, contents: &[u8]) {
        if let Some(parent) = path.parent() {
            self.directory(parent, 0o755);
        }
        self.entry(path, FILE | mode, contents, (0, 0));
    }

    /// Adds a device that bytes are read from and written to.
    pub(super) fn device(&mut self, path: &Path, number: (u32, u32)) {
        self.entry(path, DEVICE | 0o600, &[], number);
    }

    /// Adds a file of this machine, or a directory with everything in it but the names `without`, and the links on the way.
    pub(super) fn take(&mut self, path: &Path, without: &[&str]) -> Result<(), Stop> {
        let real = self.links(path, 0)?;
        let metadata = metadata(&real)?;
        if !metadata.is_dir() {
            let contents = fs::read(&real).map_err(|error| unreadable(&real, &error))?;
            self.file(&real, metadata.permissions().mode() & 0o7777, &contents);
            return Ok(());
        }
        self.directory(&real, metadata.mode() & 0o7777);
        for entry in fs::read_dir(&real).map_err(|error| unreadable(&real, &error))? {
            let entry = entry.map_err(|error| unreadable(&real, &error))?;
            let known = entry.file_type().map_err(|error| unreadable(&entry.path(), &error))?;
            let left_out = without.iter().any(|name| entry.file_name() == **name);
            if !left_out && (known.is_dir() || known.is_file() || (known.is_symlink() && entry.path().exists())) {
                self.take(&entry.path(), without)?;
            }
        }
        Ok(())
    }

    /// Adds a program of this machine, with the libraries that it is linked to.
    pub(super) fn program(&mut self, path: &Path) -> Result<(), Stop> {
        self.take(path, &[])?;
        self.libraries(path)
    }

    /// Adds the libraries that a program is linked to.
    pub(super) fn libraries(&mut self, path: &Path) -> Result<(), Stop> {
        let list = shell::output(Command::new("ldd").arg(path)).unwrap_or_default();
        // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`, and the loader without an arrow.
        let words = list.split_whitespace().filter(|word| word.starts_with('/'));
        words
            .map(|word| word.trim_end_matches(':'))
            .filter(|word| Path::new(word) != path)
            .try_for_each(|library| self.take(Path::new(library), &[]))
    }

    /// Adds each link on the way to a name, and returns the name that they lead to.
    fn links(&mut self, path: &Path, depth: u32) -> Result<PathBuf, Stop> {
        if depth > 40 {
            return Err(Stop::new(format!("`{}` leads in a circle", path.display())));
        }
        let mut found = PathBuf::from("/");
        let mut parts = path.components();
        while let Some(part) = parts.next() {
            match part {
                Component::ParentDir => {
                    found.pop();
                }
                Component::Normal(name) => {
                    let next = found.join(name);
                    if let Ok(target) = fs::read_link(&next) {
                        if let Some(parent) = next.parent() {
                            self.directory(parent, 0o755);
                        }
                        self.entry(&next, LINK | 0o777, target.as_os_str().as_bytes(), (0, 0));
                        return self.links(&found.join(target).join(parts.as_path()), depth + 1);
                    }
                    found = next;
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Returns the archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.raw("TRAILER!!!".as_bytes(), 0, &[], (0, 0));
        self.bytes
    }

    fn entry(&mut self, path: &Path, mode: u32, contents: &[u8], device: (u32, u32)) {
        let Ok(name) = path.strip_prefix("/") else { return };
        if name.as_os_str().is_empty() || !self.names.insert(path.to_owned()) {
            return;
        }
        self.raw(name.as_os_str().as_bytes(), mode, contents, device);
    }

    /// Appends an entry: all fields are eight hexadecimal digits; the name and the contents are padded to a multiple of four bytes.
    fn raw(&mut self, name: &[u8], mode: u32, contents: &[u8], (major, minor): (u32, u32)) {
        self.count += 1;
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let fields =
            [self.count, mode, 0, 0, 1, 0, length(contents.len()), 0, 0, major, minor, length(name.len() + 1), 0];
        self.bytes.extend(b"070701");
        self.bytes.extend(fields.map(|field| format!("{field:08X}")).concat().as_bytes());
        self.bytes.extend(name);
        self.bytes.push(0);
        self.fill();
        self.bytes.extend(contents);
        self.fill();
    }

    fn fill(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn metadata(path: &Path) -> Result<fs::Metadata, Stop> {
    fs::symlink_metadata(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Stop {
    Stop::new(format!("`{}` cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_each_name_once_with_what_is_above_it() {
        let mut image = Image::default();
        image.file(Path::new("/a/b/c"), 0o755, b"hello");
        image.file(Path::new("/a/b/d"), 0o600, b"");
        image.device(Path::new("/dev/console"), (5, 1));
        let bytes = image.finish();
        let text = String::from_utf8_lossy(&bytes);
        let names = ["a\0", "a/b\0", "a/b/c\0", "a/b/d\0", "dev/console\0", "TRAILER!!!\0"];
        assert!(names.iter().all(|name| text.matches(name).count() == 1), "{text}");
        assert!(bytes.len().is_multiple_of(4) && text.matches("070701").count() == names.len());
        assert!(text.starts_with("07070100000001000041ED") && text.contains("hello\x00\x00\x00070701"), "{text}");
    }

    #[test]
    fn links_on_the_way_come_along() {
        let dir = tempfile();
        fs::create_dir_all(dir.join("real/sub")).unwrap();
        fs::write(dir.join("real/sub/file"), "text").unwrap();
        std::os::unix::fs::symlink("real", dir.join("link")).unwrap();
        let mut image = Image::default();
        image.take(&dir.join("link/sub/file"), &[]).unwrap();
        let names: Vec<_> = image.names.iter().filter_map(|name| name.strip_prefix(&dir).ok()).collect();
        assert_eq!(names, ["", "link", "real", "real/sub", "real/sub/file"].map(Path::new));
        fs::remove_dir_all(dir).unwrap();
    }

    /// Creates a directory for this process.
    fn tempfile() -> PathBuf {
        let dir = std::env::temp_dir().canonicalize().unwrap().join(format!("xtask-image-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }
}
