//! `fs::tar_create`

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;

use flate2::Compression;
use flate2::write::GzEncoder;
use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{AbsPath, Action, Code, Error, Timestamp, Value};
use tar::{Builder, EntryType, Header};

use super::list::named;
use super::{as_listed, copy, skipped};
use crate::archive::ExactReader;
use crate::compress::Spool;
use crate::os::{DirEntry, EntryKind, FileAccess, OsError, WriteOptions};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Writes a tar archive of everything in a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::tar_create",
        aliases: &[],
        needs: &[fs::List::SPEC, fs::Read::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("dir", ParamKind::Path, "The directory. Names in the archive start below it."),
            Param::required("to", ParamKind::Path, "The archive."),
            Param::option("gzip", ParamKind::Bool, Literal::Bool(false), "Compress it by gzip."),
            Param::option(
                "stat",
                ParamKind::Bool,
                Literal::Bool(false),
                "Keep owner and time of each entry, and all of its mode; asks for `fs::stat` on each. Without, the owner is root, the time is now, and \
                 of the modes setuid, setgid and sticky are left out.",
            ),
            Param::option(
                "skip_denied",
                ParamKind::Bool,
                Literal::Bool(false),
                "Leave out what is not permitted instead of failing; `dir` itself must be.",
            ),
            Param::option("new", ParamKind::Bool, Literal::Bool(false), "Fail if the archive exists."),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`bytes` of the archive; `files` and `directories` in it; `skipped`: a list of maps with `path`, `code`, `message`, of what \
                  is neither a file nor a directory, cannot be said as a path, or was left out by `skip_denied`.",
        },
        doc: "Writes an archive of tar with all that is in a directory.\nAsks for `fs::list` on every directory, and for `fs::read` on every file. The archive appears all at \
              once, and is held in memory until then. Nobody may read the archive who may not read all that is in it, see `fs::copy`. Links are never followed. An old archive at `to` is not put into the new one.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/opt/tool/bin", "/tmp/bin.tar"]"#,
            returns: r#"{"bytes":2048,"directories":0,"files":1,"skipped":[]}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (dir, to) = (args.path("dir")?, args.path("to")?);
    let spool = Spool::new(session.limits().file_bytes);
    let sink = if args.flag("gzip")? {
        ArchiveSink::Gzip(Box::new(GzEncoder::new(spool, Compression::default())))
    } else {
        ArchiveSink::Plain(spool)
    };
    let mut archive = ArchiveWriter {
        session,
        to: to.clone(),
        stat: args.flag("stat")?,
        skip_denied: args.flag("skip_denied")?,
        now: session.run.now(),
        builder: Builder::new(sink),
        access: None,
        files: 0,
        directories: 0,
        skipped: Vec::new(),
    };
    let mut top = session.act(fs::List {}, dir, |grant| session.os.directory(grant, session.limits().entries))?;
    let dir = top.path().clone();
    archive.bind(top.access().map_err(|error| error.into_error(&dir))?.of_directory());
    archive.add_all(&dir, top.take_entries())?;
    let ArchiveWriter { builder, files, directories, skipped, access, .. } = archive;
    let bytes = builder.into_inner().and_then(ArchiveSink::finish).map_err(|error| failed(&dir, error))?;
    // An archive is not executable, even if its members are.
    let like = access.map(|access| FileAccess { mode: access.mode & 0o666, ..access });
    let options = WriteOptions { new: args.flag("new")?, private: false, like };
    let written = copy::write(session, &dir, to, (bytes.len() as u64, &mut bytes.as_slice()), options)?;
    Ok(Value::map([
        ("bytes", written),
        ("files", Value::count(files)),
        ("directories", Value::count(directories)),
        ("skipped", Value::List(skipped)),
    ]))
}

/// The output of the archive.
enum ArchiveSink {
    Plain(Spool),
    Gzip(Box<GzEncoder<Spool>>),
}

impl ArchiveSink {
    fn finish(self) -> io::Result<Vec<u8>> {
        let spool = match self {
            Self::Plain(spool) => spool,
            Self::Gzip(encoder) => encoder.finish()?,
        };
        Ok(spool.into_bytes())
    }
}

impl Write for ArchiveSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(spool) => spool.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(path: &AbsPath, error: io::Error) -> Error {
    OsError::Io(error).into_error(path)
}

/// An archive under construction.
struct ArchiveWriter<'s, 'r> {
    session: &'s Session<'r>,
    to: AbsPath,
    stat: bool,
    skip_denied: bool,
    now: Timestamp,
    builder: Builder<ArchiveSink>,
    /// The access that everything in it so far allows.
    access: Option<FileAccess>,
    files: u64,
    directories: u64,
    skipped: Vec<Value>,
}

impl ArchiveWriter<'_, '_> {
    /// Adds everything below a directory, each directory before its contents.
    fn add_all(&mut self, top: &AbsPath, entries: Vec<DirEntry>) -> Result<(), Error> {
        let limits = self.session.limits();
        let below = |dir: &AbsPath, name: &str, depth, entries: Vec<DirEntry>| {
            let (dir, name) = (dir.clone(), name.to_owned());
            entries.into_iter().rev().map(move |entry| (dir.clone(), name.clone(), depth, entry))
        };
        let mut todo: Vec<_> = below(top, "", 1, entries).collect();
        let mut visited = 0;
        while let Some((dir, prefix, depth, entry)) = todo.pop() {
            self.session.run.budget().check()?;
            visited += 1;
            if visited > limits.entries {
                return Err(exceeded("entries", limits.entries, "entries"));
            }
            if depth > limits.tree_depth {
                return Err(exceeded("tree_depth", limits.tree_depth, "levels of directories"));
            }
            let (name, path) = match named(&dir, entry.name) {
                Ok((name, path)) => (format!("{prefix}{name}"), path),
                Err((_, error)) => {
                    self.skipped.push(skipped(dir.as_str(), &error));
                    continue;
                }
            };
            match self.add(&name, &path, entry.kind) {
                Ok(entries) => todo.extend(below(&path, &format!("{name}/"), depth + 1, entries)),
                Err(error) if error.code == Code::AccessDenied && self.skip_denied && !error.is_fatal() => {
                    self.skipped.push(skipped(path.as_str(), &error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Restricts the access to the archive to that of one source.
    fn bind(&mut self, access: FileAccess) {
        self.access = Some(self.access.map_or(access, |before| before.and(access)));
    }

    /// Adds one entry; returns the entries of a directory.
    fn add(&mut self, name: &str, path: &AbsPath, kind: EntryKind) -> Result<Vec<DirEntry>, Error> {
        let session = self.session;
        match kind {
            EntryKind::Directory => {
                let max = session.limits().entries;
                let mut directory =
                    session.act(fs::List {}, path.clone(), |grant| as_listed(session.os.directory(grant, max)))?;
                let access = directory.access().map_err(|error| error.into_error(path))?;
                let header = self.header(path, EntryType::Directory, access.mode, 0)?;
                self.append(header, name, path, io::empty())?;
                self.bind(access.of_directory());
                self.directories += 1;
                Ok(directory.take_entries())
            }
            EntryKind::File if *path != self.to => {
                let file = session.open(path.clone())?;
                if file.path() != path {
                    return Err(OsError::Changed.into_error(path));
                }
                let access = file.state()?.access;
                self.bind(access);
                // A size of 0 may be a file of `/proc`: only reading it shows its length.
                if file.size() == 0 {
                    let contents = file.read_all()?;
                    let header = self.header(path, EntryType::Regular, access.mode, contents.len() as u64)?;
                    self.append(header, name, path, contents.as_slice())?;
                } else {
                    let size = file.size();
                    let header = self.header(path, EntryType::Regular, access.mode, size)?;
                    self.append(header, name, path, ExactReader::new(file, size))?;
                }
                self.files += 1;
                Ok(Vec::new())
            }
            kind => {
                let why = match kind {
                    EntryKind::File => "it is the archive itself".to_owned(),
                    kind => format!("it is a {}, and only files and directories are archived", kind.as_str()),
                };
                let message = format!("`{}`: {why}", path.as_str().escape_debug());
                self.skipped.push(skipped(path.as_str(), &Error::new(Code::Unsupported, message)));
                Ok(Vec::new())
            }
        }
    }

    fn header(&self, path: &AbsPath, kind: EntryType, mode: u32, size: u64) -> Result<Header, Error> {
        let (mut mode, mut owner, mut modified) = (mode & 0o777, (0, 0), self.now);
        if self.stat {
            let metadata =
                self.session.act(fs::Stat {}, path.clone(), |grant| as_listed(self.session.os.stat(grant)))?;
            (mode, owner, modified) = (metadata.mode, (metadata.uid, metadata.gid), metadata.modified);
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner.0.into());
        header.set_gid(owner.1.into());
        header.set_mtime(u64::try_from(modified.as_secs()).unwrap_or(0));
        header.set_size(size);
        Ok(header)
    }

    fn append(&mut self, mut header: Header, name: &str, path: &AbsPath, contents: impl Read) -> Result<(), Error> {
        // The name in the bytes of the system, which need not be UTF-8.
        let name = rex_core::spelling::bytes(name);
        self.builder.append_data(&mut header, OsStr::from_bytes(&name), contents).map_err(|error| failed(path, error))
    }
}

#[cfg(test)]
mod tests {
    use rex_core::Limits;

    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    fn tree() -> MemOs {
        MemOs::new()
            .file("/d/a", "first")
            .file("/d/sub/b", "x".repeat(1_000))
            .file(&format!("/d/sub/{}", "long".repeat(40)), "")
            .dir("/d/sub/empty")
            .dir("/d/z")
            .link("/d/link", "/etc/passwd")
            .special("/d/pipe", EntryKind::Fifo)
            .file("/etc/passwd", "root")
            .dir("/to")
    }

    #[test]
    fn what_is_archived_comes_out_again() {
        for options in ["{}", r#"{"gzip": true, "stat": true}"#] {
            let world = World::new(tree());
            let value = world.call("fs::tar_create", &format!(r#"["/d", "/a.tar", {options}]"#)).unwrap();
            let counted = ["files", "directories"].map(|key| value.get(key).cloned().unwrap());
            assert_eq!(counted, [Value::Int(3), Value::Int(3)]);
            let skipped = value.get("skipped").unwrap().to_string();
            assert!(skipped.contains("symlink") && skipped.contains("fifo") && !skipped.contains("first"), "{skipped}");
            let value = world.returns("fs::tar_extract", r#"["/a.tar", "/to"]"#);
            assert_eq!(value, r#"{"bytes":1005,"directories":3,"files":3,"links":0,"skipped":[]}"#);
            for name in ["a", "sub/b", &format!("sub/{}", "long".repeat(40))] {
                let there = |dir: &str| world.os.contents(&format!("{dir}/{name}"));
                assert!(there("/to").is_some() && there("/to") == there("/d"), "{name}");
            }
            assert_eq!(world.returns("fs::exists", r#"["/to/sub/empty"]"#), "true");
        }
    }

    #[test]
    fn times_are_kept_where_they_may_be_asked_for() {
        let world = World::new(tree());
        world.call("fs::tar_create", r#"["/d", "/a.tar", {"stat": true}]"#).unwrap();
        let listed = world.returns("fs::tar_list", r#"["/a.tar"]"#);
        assert!(listed.contains(r#""modified":"2026-03-02T12:00:00Z""#), "{listed}");
        world.call("fs::tar_create", r#"["/d", "/a.tar"]"#).unwrap();
        let listed = world.returns("fs::tar_list", r#"["/a.tar"]"#);
        assert!(listed.contains(r#""modified":"2026-03-02T12:01:00Z""#), "{listed}");
    }

    #[test]
    fn what_is_denied_fails_or_is_told() {
        let world = World::ruled(tree(), |_, path| !path.ends_with("/b") && path != "/d/z" && path != "/secret");
        assert_eq!(world.fails("fs::tar_create", r#"["/d", "/a.tar"]"#), Code::AccessDenied);
        assert_eq!(world.os.contents("/a.tar"), None);
        let value = world.call("fs::tar_create", r#"["/d", "/a.tar", {"skip_denied": true}]"#).unwrap();
        assert_eq!((value.get("files"), value.get("directories")), (Some(&Value::Int(2)), Some(&Value::Int(2))));
        let skipped = value.get("skipped").unwrap().to_string();
        assert!(skipped.contains(r#""path":"/d/sub/b""#) && skipped.contains(r#""path":"/d/z""#), "{skipped}");
        for args in [r#"["/d/z", "/a.tar", {"skip_denied": true}]"#, r#"["/d", "/secret", {"skip_denied": true}]"#] {
            assert_eq!(world.fails("fs::tar_create", args), Code::AccessDenied);
        }
    }

    #[test]
    fn an_archive_is_not_part_of_itself_and_has_a_size() {
        let world = World::new(tree());
        for _ in 0..2 {
            let value = world.call("fs::tar_create", r#"["/d/sub", "/d/sub/a.tar"]"#).unwrap();
            assert_eq!(value.get("files"), Some(&Value::Int(2)));
        }
        assert_eq!(world.fails("fs::tar_create", r#"["/d", "/d/sub/a.tar", {"new": true}]"#), Code::AlreadyExists);
        for (limits, gzip) in [
            (Limits { file_bytes: 3_000, ..Limits::default() }, false),
            (Limits { file_bytes: 100, ..Limits::default() }, true),
            (Limits { entries: 3, ..Limits::default() }, true),
            (Limits { tree_depth: 1, ..Limits::default() }, true),
        ] {
            let world = World::limited(tree(), |_, _| true, limits);
            let args = format!(r#"["/d", "/a.tar", {{"gzip": {gzip}}}]"#);
            assert_eq!(world.fails("fs::tar_create", &args), Code::LimitExceeded, "{limits:?}");
            assert_eq!(world.os.contents("/a.tar"), None);
        }
    }
}
