//! `fs::append`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::into_missing;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Appends to a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::append",
        aliases: &["append"],
        needs: &[fs::Append::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file; it is created if it is missing."),
            Param::required("contents", ParamKind::Data, "What is added; no newline is put behind it."),
        ],
        returns: ReturnSpec { kind: "int", doc: "How many bytes were added." },
        doc: "Adds to the end of a file.\nThe file is never read, so this takes no longer for a large one, and what it holds need not be text.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/logs/app.log", "triaged\n"]"#, returns: "8" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let contents = args.data("contents")?;
    let action = fs::Append { bytes: i64::try_from(contents.len()).unwrap_or(i64::MAX) };
    let mut counted = false;
    let append = |grant| {
        // Counted once, also if the name crosses a link and the action is requested again.
        if !std::mem::replace(&mut counted, true) {
            session.run.budget().count_written(contents.len() as u64)?;
        }
        session.os.append(grant, contents)
    };
    session.act(action, args.path("path")?, append).map_err(into_missing)?;
    Ok(Value::count(contents.len()))
}

#[cfg(test)]
mod tests {
    use rex_core::{Code, Limits};

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn what_cannot_be_read_is_kept() {
        // Files that may not be read, or are not text.
        let world = World::ruled(MemOs::example(), |action, path| action == "append" && path != "/etc/hosts");
        assert_eq!(world.returns("fs::append", r#"["icon.bin", [1]]"#), "1");
        assert_eq!(world.os.contents("/srv/app/icon.bin").unwrap(), [0x89, b'P', b'N', b'G', 0xff, 0, 1]);
        assert_eq!(world.returns("fs::append", r#"["new", "x"]"#), "1");
        assert_eq!(world.fails("fs::append", r#"["/etc/hosts", "x"]"#), Code::AccessDenied);
        assert_eq!(world.run.budget().bytes_read(), 0);
    }

    #[test]
    fn what_is_added_counts_once_where_the_name_crosses_a_link() {
        let limits = Limits { written_bytes: 5, ..Limits::default() };
        let world = World::limited(MemOs::example(), |_, _| true, limits);
        assert_eq!(world.returns("fs::append", r#"["current.log", "12345"]"#), "5");
        assert_eq!(world.run.budget().bytes_written(), 5);
        assert!(world.call("fs::append", r#"["version.txt", "6"]"#).unwrap_err().is_fatal());
        assert_eq!(world.os.contents("/srv/app/version.txt").unwrap(), b"1.4.2\n");
    }
}
