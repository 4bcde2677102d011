//! `fs::tar_extract`

use std::collections::BTreeSet;
use std::io::{self, Read};

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Code, Error, Grant, Timestamp, Value};

use super::{into_missing, skipped, stat};
use crate::archive::{ExactReader, ExtractPlan, MemberKind as Sort, refused, walk};
use crate::os::{EntryKind, FileAccess, OsError, WriteOptions};
use crate::ownership::Ownership;
use crate::session::MeteredFile;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Extracts a tar archive below a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::tar_extract",
        aliases: &[],
        needs: &[fs::Read::SPEC, fs::CreateDir::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The archive."),
            Param::required(
                "to",
                ParamKind::Path,
                "The directory; it is created if it is missing. If it exists, asks for `fs::stat` on it, and so for every directory in it \
                 that the archive has too.",
            ),
            Param::option(
                "strip",
                ParamKind::Count,
                Literal::Int(0),
                "How many directories to leave out at the start of each name.",
            ),
            Param::option(
                "preserve",
                ParamKind::Bool,
                Literal::Bool(false),
                "Give files and directories owner, group and time of the archive; asks for `fs::chown` and `fs::touch` on each, before anything is written.",
            ),
            Param::option("overwrite", ParamKind::Bool, Literal::Bool(false), "Replace files that exist."),
            Param::option(
                "skip_links",
                ParamKind::Bool,
                Literal::Bool(false),
                "Leave out what is neither a file nor a directory, such as links and devices, instead of making links and refusing the rest.",
            ),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`files` and `bytes` that were written; `directories` that were created, `to` not counted; `links` that were made; `skipped`: a list of maps with `path`, \
                  `code`, `message`, of files and links that exist, of what `skip_links` left out, and of files of whose name `strip` left nothing.",
        },
        doc: "Writes what is in an archive of tar below a directory.\nOne that is compressed by gzip, Zstandard, xz or bzip2 is told by its contents. All of it is read before anything \
              is written, and refused if a name is absolute, has `..` in it, or stands for two things. Then asks for `fs::create_dir` and `fs::write` on \
              every entry before it writes the first: if one is denied, nothing but the directory itself is created. Nothing is written through a \
              symbolic link below it. Links that lead to something in the archive are made, each with `fs::symlink`, or `fs::hard_link` on the file and \
              `fs::write` on its second name; with any other, the archive is refused. Modes are those of the archive, without setuid, setgid and sticky, and less \
              what the umask takes; whoever may not read the archive may not read what comes out of it, see `fs::copy`. Without `preserve`, owners and times are those of new files.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/opt/tool/notes.tar", "/tmp/notes"]"#,
            returns: r#"{"bytes":6,"directories":0,"files":1,"links":0,"skipped":[]}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, to) = (args.path("path")?, args.path("to")?);
    let file = session.open(path)?;
    let access = file.state()?.access;
    let strip = usize::try_from(args.count("strip")?).unwrap_or(usize::MAX);
    let written = session.run.budget().bytes_written();
    let mut plan = ExtractPlan::new(strip, args.flag("skip_links")?, session.limits(), written);
    walk(session, &file, |member, _| plan.add(member).map(|()| true))?;
    plan.finish(|| session.run.budget().check())?;
    let to = destination(session, to, access.of_entry(DIRECTORY))?;
    let grants = ExtractionGrants::ask(session, &plan, &to)?;
    let owners = if args.flag("preserve")? { owners(session, &plan, &to)? } else { Vec::new() };
    let options = WriteOptions { new: !args.flag("overwrite")?, ..WriteOptions::default() };
    let mut extraction =
        Extraction { session, plan, access, there: BTreeSet::new(), created: 0, written: 0, links: 0, bytes: 0 };
    extraction.create(grants.directories)?;
    extraction.write(&file, grants.files, options)?;
    extraction.link(grants.hard_links, grants.symlinks)?;
    extraction.preserve(owners)?;
    Ok(Value::map([
        ("files", Value::count(extraction.written)),
        ("bytes", Value::count(extraction.bytes)),
        ("directories", Value::count(extraction.created)),
        ("links", Value::count(extraction.links)),
        ("skipped", Value::List(extraction.plan.skipped)),
    ]))
}

/// The mode of a directory for which the archive has none.
const DIRECTORY: u32 = 0o755;

/// All grants, which are obtained before anything is written.
struct ExtractionGrants {
    directories: Vec<Grant<fs::CreateDir>>,
    files: Vec<Grant<fs::Write>>,
    hard_links: Vec<(Grant<fs::HardLink>, Grant<fs::Write>)>,
    symlinks: Vec<Grant<fs::Symlink>>,
}

impl ExtractionGrants {
    fn ask(session: &Session<'_>, plan: &ExtractPlan, to: &AbsPath) -> Result<Self, Error> {
        let write = |name: &str, size: u64| {
            session.permit(fs::Write { bytes: i64::try_from(size).unwrap_or(i64::MAX) }, below(to, name)?)
        };
        let directories = plan.directories.iter().map(|name| session.permit(fs::CreateDir {}, below(to, name)?));
        let directories = directories.collect::<Result<_, Error>>()?;
        let files = plan.files.iter().map(|(name, size, _)| write(name, *size)).collect::<Result<_, Error>>()?;
        let hard_links = plan
            .hard_links
            .iter()
            .map(|(name, first, size)| Ok((session.permit(fs::HardLink {}, below(to, first)?)?, write(name, *size)?)));
        let hard_links = hard_links.collect::<Result<_, Error>>()?;
        let symlinks = plan
            .symlinks
            .iter()
            .map(|(name, target)| session.permit(fs::Symlink { target: target.clone() }, below(to, name)?));
        Ok(Self { directories, files, hard_links, symlinks: symlinks.collect::<Result<_, Error>>()? })
    }
}

/// Requests the grants for owners and times.
fn owners(session: &Session<'_>, plan: &ExtractPlan, to: &AbsPath) -> Result<Vec<(AbsPath, Ownership)>, Error> {
    let ask = |(name, owner, modified): &(String, Option<(u32, u32)>, Timestamp)| {
        let path = below(to, name)?;
        let owner = owner.ok_or_else(|| refused(name.as_bytes(), "the archive records no owner for it"))?;
        Ok((path.clone(), Ownership::ask(session, &path, owner, None, *modified)?))
    };
    plan.owners.iter().map(ask).collect()
}

/// Returns the destination directory under its canonical name.
fn destination(session: &Session<'_>, to: AbsPath, like: FileAccess) -> Result<AbsPath, Error> {
    let created = session.act(fs::CreateDir {}, to.clone(), |grant| {
        let path = grant.resource().clone();
        session.os.create_dir(grant, Some(like)).map(|()| path)
    });
    match created {
        Err(error) if error.code == Code::AlreadyExists => match stat::follow(session, to)? {
            (path, metadata) if metadata.kind == EntryKind::Directory => Ok(path),
            _ => Err(error.with_help("it is not a directory")),
        },
        created => created.map_err(into_missing),
    }
}

fn below(to: &AbsPath, name: &str) -> Result<AbsPath, Error> {
    let path = to.resolve(name).map_err(|error| refused(name.as_bytes(), &error.to_string()))?;
    // The name was checked part by part. This check holds even if that one has a gap.
    if path.is_in(to) { Ok(path) } else { Err(refused(name.as_bytes(), "it lies outside of the destination")) }
}

/// The progress of an extraction.
struct Extraction<'s, 'r> {
    session: &'s Session<'r>,
    plan: ExtractPlan,
    /// Owner and permission bits of the archive.
    access: FileAccess,
    /// The files and directories that were created.
    there: BTreeSet<AbsPath>,
    created: u64,
    written: u64,
    links: u64,
    bytes: u64,
}

impl Extraction<'_, '_> {
    /// Creates the directories, each after its parent.
    fn create(&mut self, grants: Vec<Grant<fs::CreateDir>>) -> Result<(), Error> {
        let names = self.plan.directories.clone();
        for (grant, name) in grants.into_iter().zip(names) {
            self.session.run.budget().check()?;
            let path = grant.resource().clone();
            let like = self.access.of_entry(self.plan.mode(&name).unwrap_or(DIRECTORY));
            match self.session.os.create_dir(grant, Some(like)) {
                Ok(()) => {
                    self.created += 1;
                    self.there.insert(path);
                }
                Err(OsError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let metadata = self
                        .session
                        .act(fs::Stat {}, path.clone(), |grant| self.session.os.stat(grant).map_err(uncrossed))?;
                    if metadata.kind != EntryKind::Directory {
                        let error = OsError::WrongKind(metadata.kind).into_error(&path);
                        return Err(self.so_far(error.with_help("the archive has a directory of this name")));
                    }
                }
                Err(error) => return Err(self.so_far(uncrossed(error).into_error(&path))),
            }
        }
        Ok(())
    }

    /// Writes the files. They must still be the same in the archive.
    fn write(
        &mut self,
        archive: &MeteredFile<'_>,
        grants: Vec<Grant<fs::Write>>,
        options: WriteOptions,
    ) -> Result<(), Error> {
        let changed = || {
            let path = archive.path().as_str().escape_debug();
            Error::new(Code::Io, format!("`{path}` changed meanwhile"))
        };
        let mut files = std::mem::take(&mut self.plan.files).into_iter().zip(grants);
        walk(self.session, archive, |member, contents| {
            let name = self.plan.relative(&member.name).ok().flatten();
            let (Sort::File, Some(name)) = (member.kind, name) else { return Ok(true) };
            match files.next() {
                Some(((planned, size, mode), grant)) if (planned.as_str(), size) == (name.as_str(), member.size) => {
                    let options = WriteOptions { like: Some(self.access.of_entry(mode)), ..options };
                    self.write_one(grant, ExactReader::new(contents, size), options)
                        .map_err(|error| self.so_far(error))?;
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
        contents: ExactReader<&mut dyn Read>,
        options: WriteOptions,
    ) -> Result<(), Error> {
        let path = grant.resource().clone();
        match self.session.put(grant, contents, options) {
            Ok(bytes) => {
                self.written += 1;
                self.bytes += bytes;
                self.there.insert(path);
                Ok(())
            }
            Err(OsError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.plan.skipped.push(skipped(path.as_str(), &OsError::Io(error).into_error(&path)));
                Ok(())
            }
            Err(error) => Err(uncrossed(error).into_error(&path)),
        }
    }

    /// Creates the links, once all their targets exist.
    fn link(
        &mut self,
        hard_links: Vec<(Grant<fs::HardLink>, Grant<fs::Write>)>,
        symlinks: Vec<Grant<fs::Symlink>>,
    ) -> Result<(), Error> {
        for (first, name) in hard_links {
            self.session.run.budget().check()?;
            let (file, path) = (first.resource().clone(), name.resource().clone());
            if !self.there.contains(&file) {
                let why = "it is a hard link to a file that was there before, and that stays as it is";
                self.plan.skipped.push(skipped(path.as_str(), &refused(path.as_str().as_bytes(), why)));
                continue;
            }
            let linked = self.session.os.hold(first).and_then(|held| held.link(name));
            self.linked(&path, linked)?;
            self.there.insert(path);
        }
        for grant in symlinks {
            self.session.run.budget().check()?;
            let path = grant.resource().clone();
            let linked = self.session.os.symlink(grant);
            self.linked(&path, linked)?;
        }
        Ok(())
    }

    /// Sets owners and times of what was created, those of a directory after those of its contents.
    fn preserve(&mut self, owners: Vec<(AbsPath, Ownership)>) -> Result<(), Error> {
        for (path, owner) in owners.into_iter().rev() {
            self.session.run.budget().check()?;
            if self.there.contains(&path) {
                owner.set(self.session.os).map_err(|error| self.so_far(uncrossed(error).into_error(&path)))?;
            }
        }
        Ok(())
    }

    fn linked(&mut self, path: &AbsPath, linked: Result<(), OsError>) -> Result<(), Error> {
        match linked {
            Ok(()) => self.links += 1,
            Err(OsError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.plan.skipped.push(skipped(path.as_str(), &OsError::Io(error).into_error(path)));
            }
            Err(error) => return Err(self.so_far(uncrossed(error).into_error(path))),
        }
        Ok(())
    }

    /// Adds the progress to an error: what was written stays.
    fn so_far(&self, error: Error) -> Error {
        let (files, directories, links) = (self.written, self.created, self.links);
        Error {
            message: format!(
                "{}; {files} files were written, {directories} directories and {links} links created before",
                error.message
            ),
            ..error
        }
    }
}

/// Rejects a link in the way: no grant covers its target.
fn uncrossed(error: OsError) -> OsError {
    match error {
        OsError::Crossed(_) => OsError::Refused("a symbolic link is in the way, and nothing is extracted through one"),
        other => other,
    }
}

/// Archives that no ordinary program writes.
#[cfg(test)]
pub(super) mod testing {
    use crate::compress::compress;
    use crate::expand::CompressionFormat;

    /// Returns a header with exactly this name, dated noon of the example.
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

    /// Returns an archive of members by name, type and contents; for links, the target.
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
        compress(CompressionFormat::Gzip, contents, u64::MAX).unwrap()
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
        let expected = r#"{"bytes":4,"directories":2,"files":2,"links":0,"skipped":[]}"#;
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
        // A second extraction accepts the directories and keeps the files.
        let value = world.call("fs::tar_extract", r#"["/a.tar", "/to/new"]"#).unwrap();
        assert!(matches!(value.get("skipped"), Some(Value::List(skipped)) if skipped.len() == 2), "{value}");
        assert_eq!((value.get("files"), value.get("directories")), (Some(&Value::Int(0)), Some(&Value::Int(0))));
        let expected = r#"{"bytes":4,"directories":0,"files":2,"links":0,"skipped":[]}"#;
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
            (&[("l", '2', "/etc"), ("l/passwd", '0', "x")], "symlink to `/etc`"),
            (&[("l", '1', "/etc/passwd"), ("l", '0', "x")], "hard link"),
            (&[("l", '1', "../etc/passwd")], "outside"),
            (&[("l", '1', "later"), ("later", '0', "x")], "before it"),
            (&[("l", '1', "s"), ("s", '2', "first")], "before it"),
            (&[("l", '2', "../etc/passwd")], "out of the archive"),
            (&[("d/l", '2', "../../etc")], "out of the archive"),
            (&[("l", '2', "nowhere")], "not in the archive"),
            (&[("l", '2', "first/x")], "through a file"),
            (&[("l", '2', "")], "outside"),
            (&[("a", '2', "b"), ("b", '2', "a")], "circle"),
            (&[("d/e/", '5', ""), ("l", '2', "d/e"), ("l/f", '0', "x")], "two things"),
            // Behind a link, `..` does not lead where it seems to.
            (&[("d/e/", '5', ""), ("d/e/up", '2', "../.."), ("out", '2', "d/e/up/../etc")], "out of the archive"),
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
        // A skipped member does not reserve its name.
        let world = World::new(self::world(archive(&[("l", '2', "/etc"), ("l/passwd", '0', "x")])));
        world.call("fs::tar_extract", r#"["/a.tar", "/to", {"skip_links": true}]"#).unwrap();
        assert_eq!(world.os.contents("/to/l/passwd").unwrap(), b"x");
        assert_eq!(world.os.contents("/etc/passwd").unwrap(), b"root");
    }

    #[test]
    fn links_to_what_is_in_the_archive_are_made_each_with_a_decision() {
        let members = [
            ("v1/", '5', ""),
            ("v1/bin/tool", '0', "tool"),
            ("v1/bin/second", '1', "v1/bin/tool"),
            ("current", '2', "v1"),
            ("v1/run", '2', "../current/./bin/second"),
            ("top", '2', "v1/.."),
        ];
        let all = || self::world(archive(&members));
        let world = World::new(all());
        let expected = r#"{"bytes":4,"directories":2,"files":1,"links":4,"skipped":[]}"#;
        assert_eq!(world.returns("fs::tar_extract", r#"["/a.tar", "/to/new"]"#), expected);
        let asked = world.asked().split_off(4);
        assert_eq!(
            asked,
            [
                "write /to/new/v1/bin/tool",
                "hard_link /to/new/v1/bin/tool",
                "write /to/new/v1/bin/second",
                "symlink /to/new/current",
                "symlink /to/new/v1/run",
                "symlink /to/new/top"
            ]
        );
        assert_eq!(world.returns("fs::read_link", r#"["/to/new/v1/run"]"#), r#""../current/./bin/second""#);
        assert_eq!(world.returns("fs::read", r#"["/to/new/v1/run"]"#), r#""tool""#);
        // A second extraction changes nothing.
        let again = world.call("fs::tar_extract", r#"["/a.tar", "/to/new"]"#).unwrap();
        assert!(matches!(again.get("skipped"), Some(Value::List(skipped)) if skipped.len() == 5), "{again}");
        // With leading directories left out.
        let world = World::new(self::world(archive(&members[..3])));
        world.call("fs::tar_extract", r#"["/a.tar", "/to", {"strip": 1}]"#).unwrap();
        assert_eq!(world.os.contents("/to/bin/second").unwrap(), b"tool");
        for denied in ["hard_link", "symlink"] {
            let rule: fn(&str, &str) -> bool =
                if denied == "symlink" { |action, _| action != "symlink" } else { |action, _| action != "hard_link" };
            let world = World::ruled(all(), rule);
            assert_eq!(world.fails("fs::tar_extract", r#"["/a.tar", "/to/new"]"#), Code::AccessDenied);
            assert_eq!(world.returns("fs::list", r#"["/to/new"]"#), "[]");
        }
    }

    #[test]
    fn modes_are_those_of_the_archive_and_no_wider_than_the_archive() {
        let mut members = archive(&[("tool", '0', "x"), ("key", '0', "x"), ("suid", '0', "x"), ("d/", '5', "")]);
        for (place, mode) in [(0, "0000755"), (1024, "0000600"), (2048, "0004711"), (3072, "0000700")] {
            members[place + 100..place + 107].copy_from_slice(mode.as_bytes());
            let header = &mut members[place..place + 512];
            header[148..156].copy_from_slice(b"        ");
            let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        for (archive, modes) in
            [("0644", ["0755", "0600", "0711", "0700", "0755"]), ("0600", ["0700", "0600", "0700", "0700", "0700"])]
        {
            let world = World::new(world(members.clone()));
            world.call("fs::chmod", &format!(r#"["/a.tar", "{archive}"]"#)).unwrap();
            world.call("fs::tar_extract", r#"["/a.tar", "/to/new"]"#).unwrap();
            for (name, mode) in ["tool", "key", "suid", "d", ""].into_iter().zip(modes) {
                let stat = world.call("fs::stat", &format!(r#"["/to/new/{name}"]"#)).unwrap();
                assert_eq!(stat.get("mode_text"), Some(&mode.into()), "{name} of {archive}");
            }
        }
    }

    #[test]
    fn owners_and_times_are_kept_where_that_is_permitted() {
        let members = [("d/", '5', ""), ("d/f", '0', "x")];
        let world =
            World::ruled(world(archive(&members)), |action, path| action != "chown" || path.starts_with("/to/a"));
        let keep = |to: &str| format!(r#"["/a.tar", "/to/{to}", {{"preserve": true}}]"#);
        assert_eq!(world.fails("fs::tar_extract", &keep("b")), Code::AccessDenied);
        assert_eq!(world.returns("fs::list", r#"["/to/b"]"#), "[]");
        world.call("fs::tar_extract", &keep("a")).unwrap();
        for name in ["d", "d/f"] {
            let stat = world.call("fs::stat", &format!(r#"["/to/a/{name}"]"#)).unwrap();
            assert_eq!(stat.get("modified"), Some(&"2026-03-02T12:00:00Z".into()), "{stat}");
        }
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
        // The destination itself may be a link, if its target is permitted.
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
