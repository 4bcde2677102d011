//! `fs::copy`

use std::io::{Cursor, Read};

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Code, Error, Grant, Value};

use super::into_missing;
use crate::os::WriteOptions;
use crate::ownership::Ownership;
use crate::session::MeteredFile;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Copies a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::copy",
        aliases: &[],
        needs: &[fs::Read::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("from", ParamKind::Path, "The file."),
            Param::required("to", ParamKind::Path, "The copy."),
            Param::option("new", ParamKind::Bool, Literal::Bool(false), "Fail if the copy exists."),
            Param::option(
                "preserve",
                ParamKind::Bool,
                Literal::Bool(false),
                "Give the copy owner, group, mode and time of the file; asks for `fs::stat` on the file, and for `fs::chown`, `fs::chmod` and `fs::touch` on \
                 the copy, before anything is written. The copy is then named without a link on the way.",
            ),
        ],
        returns: ReturnSpec { kind: "int", doc: "How many bytes were copied." },
        doc: "Copies a file.\nThe copy has the mode of the file, as the umask lets it, or of the one that it replaces, and never lets anybody do more than the \
              file does: bits for group and others are left out where the copy has another owner or group. Owner and times are those of a new file, without `preserve`. The copy appears all at once. Of a file that grows meanwhile, what it held at the start is copied.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample { args: r#"["/srv/app/config.yaml", "/tmp/config.yaml"]"#, returns: "11" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (from, to) = (args.path("from")?, args.path("to")?);
    let source = open(session, from, &to)?;
    let options = like(&source, args)?;
    let opened = source.path().clone();
    // A size of 0 may be a file of `/proc`: only reading it shows its length.
    let (bytes, mut source): (u64, Box<dyn Read + '_>) = match source.size() {
        0 => {
            let contents = source.read_all()?;
            (contents.len() as u64, Box::new(Cursor::new(contents)))
        }
        size => (size, Box::new(source.take(size))),
    };
    if args.flag("preserve")? {
        return preserve(session, &opened, &to, (bytes, &mut source), options);
    }
    write(session, &opened, to, (bytes, &mut source), options)
}

/// Writes a copy and gives it the owner, mode and time of the file.
fn preserve(
    session: &Session<'_>,
    opened: &AbsPath,
    to: &AbsPath,
    (bytes, contents): (u64, &mut dyn Read),
    options: WriteOptions,
) -> Result<Value, Error> {
    let of = session.permit(fs::Stat {}, opened.clone())?;
    let of = session.os.stat(of).map_err(|error| error.into_error(opened))?;
    let write = session.permit(fs::Write { bytes: i64::try_from(bytes).unwrap_or(i64::MAX) }, to.clone())?;
    let owner = Ownership::ask(session, to, (of.uid, of.gid), Some(of.mode & 0o1777), of.modified)?;
    let written = session.put(write, contents, options);
    let written = written.map_err(|error| into_missing(error.into_error(to)))?;
    owner.set(session.os).map_err(|error| {
        let error = error.into_error(to);
        Error { message: format!("{}; the contents are copied, owner, mode or time are not", error.message), ..error }
    })?;
    Ok(Value::count(written))
}

/// Opens a file whose contents are to be written under another name.
pub(super) fn open<'r>(session: &Session<'r>, from: AbsPath, to: &AbsPath) -> Result<MeteredFile<'r>, Error> {
    if from == *to {
        return Err(onto_itself(&from));
    }
    session.open(from)
}

/// Returns the options for writing a file that is made from an open file.
pub(super) fn like(file: &MeteredFile<'_>, args: &Args) -> Result<WriteOptions, Error> {
    Ok(WriteOptions { new: args.flag("new")?, private: false, like: Some(file.state()?.access) })
}

/// Writes this many bytes to a file other than the opened one, and returns the number written.
pub(super) fn write(
    session: &Session<'_>,
    opened: &AbsPath,
    to: AbsPath,
    (bytes, contents): (u64, &mut dyn Read),
    options: WriteOptions,
) -> Result<Value, Error> {
    let action = fs::Write { bytes: i64::try_from(bytes).unwrap_or(i64::MAX) };
    let write = |grant: Grant<fs::Write>| {
        // A link led to the same file. Data written to the old file from now on would be lost.
        if grant.resource() == opened {
            return Err(onto_itself(opened).into());
        }
        session.put(grant, &mut *contents, options)
    };
    session.act(action, to, write).map(Value::count).map_err(into_missing)
}

fn onto_itself(path: &AbsPath) -> Error {
    Error::validation(format!("`{}` cannot be written onto itself", path.as_str().escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    #[test]
    fn a_file_is_not_copied_onto_itself() {
        let world = World::new(MemOs::example());
        for args in [
            r#"["version.txt", "./version.txt"]"#,
            r#"["current.log", "logs/app.log"]"#,
            r#"["logs/app.log", "current.log"]"#,
        ] {
            assert_eq!(world.fails("fs::copy", args), Code::Validation, "{args}");
        }
        let error = world.call("fs::copy", r#"["/a\nb", "/a\nb"]"#).unwrap_err();
        assert_eq!(error.message, r"`/a\nb` cannot be written onto itself");
    }

    #[test]
    fn owner_mode_and_time_are_kept_where_that_is_permitted() {
        let keep = r#"["/srv/key", "/tmp/key", {"preserve": true}]"#;
        let world = || MemOs::example().file("/srv/key", "k");
        for denied in ["stat", "chown", "chmod", "touch"] {
            let rule: fn(&str, &str) -> bool = match denied {
                "stat" => |action, _| action != "stat",
                "chown" => |action, _| action != "chown",
                "chmod" => |action, _| action != "chmod",
                _ => |action, _| action != "touch",
            };
            let world = World::ruled(world(), rule);
            assert_eq!(world.fails("fs::copy", keep), Code::AccessDenied, "{denied}");
            assert_eq!(world.os.contents("/tmp/key"), None, "{denied}");
        }
        let world = World::new(world());
        world.call("fs::chown", r#"["/srv/key", {"owner": "33", "group": "4"}]"#).unwrap();
        world.call("fs::chmod", r#"["/srv/key", "0640"]"#).unwrap();
        world.call("fs::copy", keep).unwrap();
        world.call("fs::copy", r#"["/srv/key", "/tmp/new"]"#).unwrap();
        let kept = |name: &str| {
            let stat = world.call("fs::stat", &format!(r#"["{name}"]"#)).unwrap();
            ["uid", "gid", "mode_text", "modified"].map(|key| stat.get(key).unwrap().to_string())
        };
        assert_eq!(kept("/tmp/key"), kept("/srv/key"));
        assert_eq!(kept("/tmp/new")[..3], ["0", "0", r#""0600""#]);
    }

    #[test]
    fn both_names_need_a_permission() {
        let world = World::ruled(MemOs::example(), |_, path| !path.starts_with("/etc"));
        assert_eq!(world.fails("fs::copy", r#"["/etc/hosts", "/tmp/h"]"#), Code::AccessDenied);
        assert_eq!(world.fails("fs::copy", r#"["version.txt", "/etc/hosts"]"#), Code::AccessDenied);
        assert_eq!(world.asked(), ["!read /etc/hosts", "read /srv/app/version.txt", "!write /etc/hosts"]);
        assert_eq!(world.os.contents("/etc/hosts").unwrap(), b"127.0.0.1 localhost\n");
    }

    #[test]
    fn what_is_copied_counts_as_read_and_as_written() {
        let world = World::new(MemOs::example());
        assert_eq!(world.returns("fs::copy", r#"["version.txt", "/tmp/v", {"new": true}]"#), "6");
        assert_eq!((world.run.budget().bytes_read(), world.run.budget().bytes_written()), (6, 6));
        assert_eq!(world.fails("fs::copy", r#"["version.txt", "/tmp/v", {"new": true}]"#), Code::AlreadyExists);
        assert_eq!(world.fails("fs::copy", r#"["logs", "/tmp/logs"]"#), Code::Unsupported);
    }
}
