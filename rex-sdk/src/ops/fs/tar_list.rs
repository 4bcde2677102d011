//! `fs::tar_list`

use std::borrow::Cow;

use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{Action, Code, Error, Value};

use super::EntryMap;
use crate::archive::{Member, walk};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Lists the members of a tar archive.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::tar_list",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The archive."),
            Param::option("max", ParamKind::Count, Literal::Null, "Stop after so many entries, without reading on."),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`entries`: a list of maps with `path`, as the archive has it; `kind` (`file`, `directory`, `symlink`, `hard link`, `fifo`, `device`, \
                  `sparse file`, `unknown`); `size` in bytes; `mode`; `modified`; and of a link the `target`. An entry with something that is not \
                  UTF-8, which is replaced, has `lossy: true`. `complete`: false if `max` stopped it.",
        },
        doc: "Lists what is in an archive of tar.\nOne that is compressed by gzip, Zstandard, xz or bzip2 is told by its contents.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/opt/tool/notes.tar"]"#,
            returns: r#"{"complete":true,"entries":[{"kind":"file","mode":420,"modified":"2026-03-02T12:00:00Z","path":"notes.txt","size":6}]}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (max, bytes) = (args.count_option("max")?.unwrap_or(u64::MAX), session.limits().file_bytes);
    let file = session.open(args.path("path")?)?;
    let (mut entries, mut held, mut complete) = (Vec::new(), 0, true);
    walk(session, &file, |member, _| {
        if entries.len() as u64 >= max {
            complete = false;
            return Ok(false);
        }
        held += (member.name.len() + member.target.as_ref().map_or(0, Vec::len)) as u64;
        if held > bytes {
            return Err(exceeded("file_bytes", bytes, "bytes of names in memory"));
        }
        entries.push(Value::Map(describe(member)));
        Ok(true)
    })?;
    Ok(Value::map([("entries", Value::List(entries)), ("complete", complete.into())]))
}

fn describe(member: &Member) -> EntryMap {
    let mut entry = EntryMap::new();
    let mut lossy = false;
    let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    let mut text = |bytes: &[u8]| -> Value {
        let text = String::from_utf8_lossy(bytes);
        lossy |= matches!(text, Cow::Owned(_));
        text.into_owned().into()
    };
    put("path", text(&member.name));
    if let Some(target) = &member.target {
        put("target", text(target));
    }
    put("kind", member.kind.as_str().into());
    put("size", Value::count(member.size));
    put("mode", Value::Int(member.mode.into()));
    put("modified", member.modified.to_string().into());
    if lossy {
        put("lossy", true.into());
    }
    entry
}

#[cfg(test)]
mod tests {
    use rex_core::Limits;

    use super::super::tar_extract::testing::{archive, gzipped, header};
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;
    use crate::compress::compress;
    use crate::expand::CompressionFormat;

    #[test]
    fn everything_is_listed_as_the_archive_has_it() {
        let plain = archive(&[
            ("../up", '0', "12"),
            ("/abs\n", '2', "/etc/passwd"),
            ("d", '5', ""),
            ("d/h", '1', "up"),
            ("p", '6', ""),
        ]);
        let zst = compress(CompressionFormat::Zstandard, plain.as_slice(), u64::MAX).unwrap();
        let os = MemOs::new().file("/a.tar", &plain).file("/a.tgz", gzipped(&plain)).file("/a.zst", zst);
        let world = World::new(os);
        let entry = |kind: &str, path: &str, size: u64, target: &str| {
            format!(
                r#"{{"kind":"{kind}","mode":420,"modified":"2026-03-02T12:00:00Z","path":"{path}","size":{size}{target}}}"#
            )
        };
        let entries = [
            entry("file", "../up", 2, ""),
            entry("symlink", "/abs\\n", 0, r#","target":"/etc/passwd""#),
            entry("directory", "d", 0, ""),
            entry("hard link", "d/h", 0, r#","target":"up""#),
            entry("fifo", "p", 0, ""),
        ];
        for name in ["/a.tar", "/a.tgz", "/a.zst"] {
            let expected = format!(r#"{{"complete":true,"entries":[{}]}}"#, entries.join(","));
            assert_eq!(world.returns("fs::tar_list", &format!("[\"{name}\"]")), expected, "{name}");
            let expected = format!(r#"{{"complete":false,"entries":[{}]}}"#, entries[..2].join(","));
            assert_eq!(world.returns("fs::tar_list", &format!("[\"{name}\", {{\"max\": 2}}]")), expected);
        }
    }

    #[test]
    fn what_is_damaged_is_told_wherever_it_is() {
        let plain = archive(&[("f", '0', "some text"), ("g", '0', "more")]);
        let packed = gzipped(&plain);
        let mut other = packed.clone();
        *other.last_mut().unwrap() ^= 1;
        let trailing = [plain.as_slice(), &archive(&[("hidden", '0', "x")])].concat();
        let os = MemOs::new()
            .file("/text", "no archive of any kind".repeat(100))
            .file("/cut", &plain[..700])
            .file("/cut.gz", &packed[..packed.len() - 9])
            .file("/other", other)
            .file("/trailing", trailing);
        let world = World::new(os);
        for name in ["/text", "/cut", "/cut.gz", "/other", "/trailing"] {
            assert_eq!(world.fails("fs::tar_list", &format!("[\"{name}\"]")), Code::Io, "{name}");
        }
    }

    #[test]
    fn names_and_numbers_are_bounded() {
        let many: Vec<_> = (0..200).map(|_| ("f", '0', "")).collect();
        let mut long = header("x", 'L', 3 << 20);
        long.extend(vec![b'n'; 3 << 20]);
        long.extend(archive(&[("f", '0', "")]));
        let limits = Limits { entries: 100, ..Limits::default() };
        let os = MemOs::new().file("/many", archive(&many)).file("/long", gzipped(&long));
        let world = World::limited(os, |_, _| true, limits);
        for name in ["/many", "/long"] {
            let error = world.call("fs::tar_list", &format!("[\"{name}\"]")).unwrap_err();
            assert!(error.code == Code::LimitExceeded && !error.is_fatal(), "{name}: {error}");
        }
        assert!(world.run.budget().bytes_read() < 2 << 20, "no more of a name is read than may be held");
        let limits = Limits { read_bytes: 1_000, ..Limits::default() };
        let world = World::limited(MemOs::new().file("/f", archive(&many)), |_, _| true, limits);
        assert!(world.call("fs::tar_list", r#"["/f"]"#).unwrap_err().is_fatal());
    }
}
