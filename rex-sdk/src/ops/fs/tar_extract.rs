//! `fs::tar_extract`

use std::collections::BTreeMap;
use std::io::{self, Read};

use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{AbsPath, Action, Code, Error, Grant, Value};

use super::{into_missing, skipped, stat};
use crate::archive::{Exactly, Kind as Sort, Member, walk};
use crate::os::{EntryKind, OsError, WriteOptions};
use crate::session::Metered;
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Writes what is in an archive of tar below a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::tar_extract",
        aliases: &[],
        needs: &[fs::Read::SPEC, fs::CreateDir::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The archive."),
            Param::required(
                "to",
                Kind::Path,
                "The directory; it is created if it is missing. If it exists, asks for `fs::stat` on it, and so for every directory in it \
                 that the archive has too.",
            ),
            Param::option(
                "strip",
                Kind::Count,
                Literal::Int(0),
                "How many directories to leave out at the start of each name.",
            ),
            Param::option("overwrite", Kind::Bool, Literal::Bool(false), "Replace files that exist."),
            Param::option(
                "skip_links",
                Kind::Bool,
                Literal::Bool(false),
                "Leave out what is neither a file nor a directory, such as links and devices, instead of refusing the archive.",
            ),
        ],
        returns: Returns {
            kind: "map",
            doc: "`files` and `bytes` that were written; `directories` that were created, `to` not counted; `skipped`: a list of maps with `path`, \
                  `code`, `message`, of files that exist, of what `skip_links` left out, and of files of whose name `strip` left nothing.",
        },
        doc: "Writes what is in an archive of tar below a directory.\nOne that is compressed by gzip, Zstandard, xz or bzip2 is told by its contents. All of it is read before anything \
              is written, and refused if a name is absolute, has `..` in it, or stands for two things. Then asks for `fs::create_dir` and `fs::write` on \
              every entry before it writes the first: if one is denied, nothing but the directory itself is created. Nothing is written through a \
              symbolic link below it. Owners, modes and times are those of new files.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example {
            args: r#"["/opt/tool/notes.tar", "/tmp/notes"]"#,
            returns: r#"{"bytes":6,"directories":0,"files":1,"skipped":[]}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, to) = (args.path("path")?, args.path("to")?);
    let file = session.open(path)?;
    let mut plan = Plan {
        strip: usize::try_from(args.count("strip")?).unwrap_or(usize::MAX),
        skip_links: args.flag("skip_links")?,
        entries: session.limits().entries,
        depth: session.limits().tree_depth,
        room: session.limits().written_bytes.saturating_sub(session.run.budget().bytes_written()),
        written: session.limits().written_bytes,
        known: BTreeMap::new(),
        directories: Vec::new(),
        files: Vec::new(),
        skipped: Vec::new(),
    };
    walk(session, &file, |member, _| plan.add(member).map(|()| true))?;
    let to = destination(session, to)?;
    let mut directories = Vec::with_capacity(plan.directories.len());
    for name in &plan.directories {
        directories.push(session.permit(fs::CreateDir {}, below(&to, name)?)?);
    }
    let mut files = Vec::with_capacity(plan.files.len());
    for (name, size) in &plan.files {
        let bytes = i64::try_from(*size).unwrap_or(i64::MAX);
        files.push(session.permit(fs::Write { bytes }, below(&to, name)?)?);
    }
    let mut extraction = Extraction { session, plan, created: 0, written: 0, bytes: 0 };
    extraction.create(directories)?;
    extraction.write(&file, files, WriteOptions { new: !args.flag("overwrite")?, private: false })?;
    Ok(Value::map([
        ("files", Value::count(extraction.written)),
        ("bytes", Value::count(extraction.bytes)),
        ("directories", Value::count(extraction.created)),
        ("skipped", Value::List(extraction.plan.skipped)),
    ]))
}

/// The directory below which everything goes, by the name that it has without links.
fn destination(session: &Session<'_>, to: AbsPath) -> Result<AbsPath, Error> {
    let created = session.act(fs::CreateDir {}, to.clone(), |grant| {
        let path = grant.resource().clone();
        session.os.create_dir(grant).map(|()| path)
    });
    match created {
        Err(error) if error.code == Code::AlreadyExists => match stat::follow(session, to)? {
            (path, metadata) if metadata.kind == EntryKind::Directory => Ok(path),
            _ => Err(error.with_help("it is no directory")),
        },
        created => created.map_err(into_missing),
    }
}

fn below(to: &AbsPath, name: &str) -> Result<AbsPath, Error> {
    let path = to.resolve(name).map_err(|error| refused(name.as_bytes(), &error.to_string()))?;
    // The name was checked part by part. This holds even if that overlooks something.
    if path.is_in(to) { Ok(path) } else { Err(refused(name.as_bytes(), "it lies outside of the destination")) }
}

fn refused(name: &[u8], why: &str) -> Error {
    let message = format!("the entry `{}` is not extracted: {why}", String::from_utf8_lossy(name).escape_debug());
    Error::new(Code::Unsupported, message)
}

/// What is to be done, made of all that the archive has before any of it is done.
struct Plan {
    strip: usize,
    skip_links: bool,
    entries: u64,
    depth: u64,
    /// How many more bytes may be written.
    room: u64,
    written: u64,
    /// Every name so far, and whether it is a directory.
    known: BTreeMap<String, bool>,
    directories: Vec<String>,
    files: Vec<(String, u64)>,
    skipped: Vec<Value>,
}

impl Plan {
    fn add(&mut self, member: &Member) -> Result<(), Error> {
        let refuse = |why: &str| refused(&member.name, why);
        let name = relative(&member.name, self.strip).map_err(refuse)?;
        if !matches!(member.kind, Sort::File | Sort::Directory) {
            let error = refuse(&format!("it is a {}", member.kind.as_str()));
            if self.skip_links {
                self.skipped.push(skipped(&String::from_utf8_lossy(&member.name), &error));
                return Ok(());
            }
            return Err(error.with_help("the option `skip_links` leaves out what is neither a file nor a directory"));
        }
        let Some(name) = name else {
            if member.kind == Sort::File {
                let error = refuse("`strip` leaves nothing of its name");
                self.skipped.push(skipped(&String::from_utf8_lossy(&member.name), &error));
            }
            return Ok(());
        };
        if name.split('/').count() as u64 > self.depth {
            return Err(exceeded("tree_depth", self.depth, "levels of directories"));
        }
        for (end, _) in name.match_indices('/') {
            self.directory(name.get(..end).unwrap_or_default()).map_err(refuse)?;
        }
        if member.kind == Sort::Directory {
            self.directory(&name).map_err(refuse)?;
        } else {
            if self.known.insert(name.clone(), false).is_some() {
                return Err(refuse("its name stands for two things"));
            }
            self.room = self
                .room
                .checked_sub(member.size)
                .ok_or_else(|| exceeded("written_bytes", self.written, "bytes written"))?;
            self.files.push((name, member.size));
        }
        if self.known.len() as u64 > self.entries {
            return Err(exceeded("entries", self.entries, "entries"));
        }
        Ok(())
    }

    fn directory(&mut self, name: &str) -> Result<(), &'static str> {
        match self.known.get(name) {
            Some(true) => Ok(()),
            Some(false) => Err("its name stands for two things"),
            None => {
                self.known.insert(name.to_owned(), true);
                self.directories.push(name.to_owned());
                Ok(())
            }
        }
    }
}

/// The name below the destination; `None` if nothing is left of it.
fn relative(name: &[u8], strip: usize) -> Result<Option<String>, &'static str> {
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
    Ok(parts.get(strip..).filter(|rest| !rest.is_empty()).map(|rest| rest.join("/")))
}

/// What was done so far.
struct Extraction<'s, 'r> {
    session: &'s Session<'r>,
    plan: Plan,
    created: u64,
    written: u64,
    bytes: u64,
}

impl Extraction<'_, '_> {
    /// Creates the directories, of which those above come before those below.
    fn create(&mut self, grants: Vec<Grant<fs::CreateDir>>) -> Result<(), Error> {
        for grant in grants {
            self.session.run.budget().check()?;
            let path = grant.resource().clone();
            match self.session.os.create_dir(grant) {
                Ok(()) => self.created += 1,
                Err(OsError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let metadata = self
                        .session
                        .act(fs::Stat {}, path.clone(), |grant| self.session.os.stat(grant).map_err(uncrossed))?;
                    if metadata.kind != EntryKind::Directory {
                        let error = OsError::WrongKind(metadata.kind).about(&path);
                        return Err(self.so_far(error.with_help("the archive has a directory of this name")));
                    }
                }
                Err(error) => return Err(self.so_far(uncrossed(error).about(&path))),
            }
        }
        Ok(())
    }

    /// Writes the files, of which the archive must still have the same.
    fn write(
        &mut self,
        archive: &Metered<'_>,
        grants: Vec<Grant<fs::Write>>,
        options: WriteOptions,
    ) -> Result<(), Error> {
        let changed = || {
            let path = archive.path().as_str().escape_debug();
            Error::new(Code::Io, format!("`{path}` has changed meanwhile"))
        };
        let mut files = std::mem::take(&mut self.plan.files).into_iter().zip(grants);
        walk(self.session, archive, |member, contents| {
            let name = relative(&member.name, self.plan.strip).ok().flatten();
            let (Sort::File, Some(name)) = (member.kind, name) else { return Ok(true) };
            match files.next() {
                Some(((planned, size), grant)) if (planned.as_str(), size) == (name.as_str(), member.size) => {
                    self.write_one(grant, Exactly::new(contents, size), options).map_err(|error| self.so_far(error))?;
                    Ok(true)
                }
                _ => Err(self.so_far(changed())),
            }
        })?;
        if files.next().is_some() { Err(self.so_far(changed())) } else { Ok(()) }
    }

    fn write_one(
        &mut self,
        grant: Grant<fs::Write>,
        contents: Exactly<&mut dyn Read>,
        options: WriteOptions,
    ) -> Result<(), Error> {
        let path = grant.resource().clone();
        match self.session.os.write(grant, &mut self.session.written(contents), options) {
            Ok(bytes) => {
                self.written += 1;
                self.bytes += bytes;
                Ok(())
            }
            Err(OsError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.plan.skipped.push(skipped(path.as_str(), &OsError::Io(error).about(&path)));
                Ok(())
            }
            Err(error) => Err(uncrossed(error).about(&path)),
        }
    }

    /// Told as it is: what is written stays.
    fn so_far(&self, error: Error) -> Error {
        let (files, directories) = (self.written, self.created);
        Error {
            message: format!(
                "{}; {files} files were written and {directories} directories created before",
                error.message
            ),
            ..error
        }
    }
}

/// Nothing is written through a link: where it leads, nobody was asked for.
fn uncrossed(error: OsError) -> OsError {
    match error {
        OsError::Crossed(_) => OsError::Refused("a symbolic link is in the way, and nothing is extracted through one"),
        other => other,
    }
}

/// Archives that no honest program writes.
#[cfg(test)]
pub(super) mod testing {
    use crate::compress::compress;
    use crate::expand::Format;

    /// A header with these names as they are, from noon of the example.
    pub(in super::super) fn header(name: &str, kind: char, size: usize) -> Vec<u8> {
        linked(name.as_bytes(), kind, size, "")
    }

    fn linked(name: &[u8], kind: char, size: usize, target: &str) -> Vec<u8> {
        let mut block = vec![0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, name);
        put(100, b"0000644\x000000000\x000000000\0");
        put(124, format!("{size:011o}\0{:011o}\0        ", 1_772_452_800).as_bytes());
        put(156, &[kind as u8]);
        put(157, target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    /// Members by name, type and contents; of links, where they lead.
    pub(in super::super) fn archive(members: &[(&str, char, &str)]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, kind, contents) in members {
            let link = matches!(kind, '1' | '2');
            let (target, contents) = if link { (*contents, "") } else { ("", *contents) };
            archive.extend(linked(name.as_bytes(), *kind, contents.len(), target));
            archive.extend(contents.as_bytes());
            archive.resize(archive.len().next_multiple_of(512), 0);
        }
        archive.resize(archive.len() + 1024, 0);
        archive
    }

    pub(in super::super) fn gzipped(contents: &[u8]) -> Vec<u8> {
        compress(Format::Gzip, contents, u64::MAX).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use rex_core::Limits;

    use super::super::testing::World;
    use super::testing::{archive, gzipped, header};
    use super::*;
    use crate::MemOs;

    const ALL: &[(&str, char, &str)] =
        &[("./app/", '5', ""), ("app/bin/tool", '0', "tool"), ("app/README", '0', ""), ("app//./lib/../x", '0', "")];

    fn world(archive: Vec<u8>) -> MemOs {
        MemOs::new().file("/a.tar", archive).dir("/to").file("/etc/passwd", "root")
    }

    #[test]
    fn every_entry_is_asked_for_before_the_first_is_written() {
        let world = World::new(world(gzipped(&archive(&ALL[..3]))));
        let expected = r#"{"bytes":4,"directories":2,"files":2,"skipped":[]}"#;
        assert_eq!(world.returns("fs::tar_extract", r#"["/a.tar", "/to/new"]"#), expected);
        assert_eq!(world.os.contents("/to/new/app/bin/tool").unwrap(), b"tool");
        assert_eq!(world.os.contents("/to/new/app/README").unwrap(), b"");
        assert_eq!(
            world.asked(),
            [
                "read /a.tar",
                "create_dir /to/new",
                "create_dir /to/new/app",
                "create_dir /to/new/app/bin",
                "write /to/new/app/bin/tool",
                "write /to/new/app/README"
            ]
        );
        // Again: directories are taken as they are, files stay.
        let value = world.call("fs::tar_extract", r#"["/a.tar", "/to/new"]"#).unwrap();
        assert!(matches!(value.get("skipped"), Some(Value::List(skipped)) if skipped.len() == 2), "{value}");
        assert_eq!((value.get("files"), value.get("directories")), (Some(&Value::Int(0)), Some(&Value::Int(0))));
        let expected = r#"{"bytes":4,"directories":0,"files":2,"skipped":[]}"#;
        assert_eq!(world.returns("fs::tar_extract", r#"["/a.tar", "/to/new", {"overwrite": true}]"#), expected);
    }

    #[test]
    fn one_denied_entry_leaves_an_empty_directory() {
        let os = world(archive(&ALL[..3]));
        let world = World::ruled(os, |_, path| !path.ends_with("README"));
        assert_eq!(world.fails("fs::tar_extract", r#"["/a.tar", "/to/new"]"#), Code::AccessDenied);
        assert_eq!(world.returns("fs::list", r#"["/to/new"]"#), "[]");
    }

    #[test]
    fn directories_are_left_out_at_the_start() {
        let world = World::new(world(archive(&[("top", '5', ""), ("top/d/f", '0', "1"), ("f", '0', "2")])));
        let value = world.call("fs::tar_extract", r#"["/a.tar", "/to", {"strip": 1}]"#).unwrap();
        assert_eq!((value.get("files"), value.get("directories")), (Some(&Value::Int(1)), Some(&Value::Int(1))));
        assert!(value.get("skipped").unwrap().to_string().contains(r#""path":"f""#));
        assert_eq!((world.os.contents("/to/d/f").unwrap(), world.os.contents("/to/f")), (b"1".to_vec(), None));
    }

    #[test]
    fn archives_that_lead_out_or_say_two_things_are_refused_whole() {
        for (members, why) in [
            (&[("/etc/passwd", '0', "x")][..], "absolute"),
            (&[("../etc/passwd", '0', "x")], "`..`"),
            (&ALL[1..], "`..`"),
            (&[("a/../../etc/passwd", '0', "x")], "`..`"),
            (&[("l", '2', "/etc"), ("l/passwd", '0', "x")], "symlink"),
            (&[("l", '1', "/etc/passwd"), ("l", '0', "x")], "hard link"),
            (&[("d", '3', "")], "device"),
            (&[("f", '0', "1"), ("./f", '0', "2")], "two things"),
            (&[("f", '0', "1"), ("f/g", '0', "2")], "two things"),
            (&[("f/g", '0', "1"), ("f", '0', "2")], "two things"),
            (&[("f", '0', "1"), ("f", '5', "")], "two things"),
            (&[("f", 'S', "")], "damaged"),
        ] {
            let mut all = vec![("first", '0', "x")];
            all.extend(members);
            let world = World::new(world(archive(&all)));
            let error = world.call("fs::tar_extract", r#"["/a.tar", "/to/new"]"#).unwrap_err();
            assert!(error.message.contains(why), "{members:?}: {error}");
            assert_eq!(world.asked(), ["read /a.tar"], "{members:?}");
            assert_eq!(world.os.contents("/etc/passwd").unwrap(), b"root");
        }
        let world = World::new(world(archive(&[("l\n", '2', "/etc"), ("f", '0', "x")])));
        let value = world.returns("fs::tar_extract", r#"["/a.tar", "/to", {"skip_links": true}]"#);
        assert!(
            value.contains(r#""files":1"#) && value.contains(r#""path":"l\n""#) && value.contains("symlink"),
            "{value}"
        );
        // What is left out gives its name to nobody.
        let world = World::new(self::world(archive(&[("l", '2', "/etc"), ("l/passwd", '0', "x")])));
        world.call("fs::tar_extract", r#"["/a.tar", "/to", {"skip_links": true}]"#).unwrap();
        assert_eq!(world.os.contents("/to/l/passwd").unwrap(), b"x");
        assert_eq!(world.os.contents("/etc/passwd").unwrap(), b"root");
    }

    #[test]
    fn nothing_goes_through_a_link_that_is_there() {
        for (members, options) in [
            (&[("l/passwd", '0', "x")][..], r#"{"overwrite": true}"#),
            (&[("l/d/", '5', "")], "{}"),
            (&[("to-passwd", '0', "x")], r#"{"overwrite": true}"#),
            (&[("l/", '5', "")], "{}"),
            (&[("plain/", '5', "")], "{}"),
        ] {
            let os = world(archive(members))
                .link("/to/l", "/etc")
                .link("/to/to-passwd", "/etc/passwd")
                .file("/to/plain", "");
            let world = World::new(os);
            assert_eq!(world.fails("fs::tar_extract", &format!(r#"["/a.tar", "/to", {options}]"#)), Code::Unsupported);
            assert_eq!(world.os.contents("/etc/passwd").unwrap(), b"root");
            assert_eq!(world.returns("fs::exists", r#"["/etc/d"]"#), "false");
        }
        // The destination itself may be named by a link, where its target is permitted.
        let os = world(archive(&[("f", '0', "x")])).link("/link", "/to");
        let world = World::ruled(os, |_, path| path != "/link/f");
        world.call("fs::tar_extract", r#"["/a.tar", "/link"]"#).unwrap();
        assert_eq!(world.os.contents("/to/f").unwrap(), b"x");
    }

    #[test]
    fn bombs_are_told_before_anything_is_written() {
        let mut large = header("zeros", '0', 8 << 20);
        large.resize(large.len() + (8 << 20) + 1024, 0);
        let deep = "d/".repeat(65);
        let many: Vec<_> = (0..60).map(|number| format!("{number}/f")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), '0', "")).collect();
        let limits = Limits { written_bytes: 1 << 20, entries: 100, ..Limits::default() };
        let deep_os = {
            let mut long = header("x", 'L', deep.len());
            long.extend(deep.as_bytes());
            long.resize(long.len().next_multiple_of(512), 0);
            long.extend(archive(&[("x", '5', "")]));
            long
        };
        for bomb in [gzipped(&large), deep_os, archive(&many)] {
            let world = World::limited(world(bomb), |_, _| true, limits);
            let error = world.call("fs::tar_extract", r#"["/a.tar", "/to/new"]"#).unwrap_err();
            assert!(error.code == Code::LimitExceeded && !error.is_fatal(), "{error}");
            assert_eq!(world.asked(), ["read /a.tar"]);
            assert!(world.run.budget().bytes_read() < 1 << 20);
        }
    }
}
