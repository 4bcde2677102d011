//! `fs::write`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::into_missing;
use crate::os::WriteOptions;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Creates a file or replaces its contents.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::write",
        aliases: &["write"],
        needs: &[fs::Write::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file."),
            Param::required("contents", ParamKind::Data, "What it holds from then on."),
            Param::option("new", ParamKind::Bool, Literal::Bool(false), "Fail if the file exists."),
        ],
        returns: ReturnSpec { kind: "int", doc: "How many bytes were written." },
        doc: "Creates a file or replaces its contents.\nAtomic: whoever looks sees the old file or the new one. Mode and owner of an old one are kept.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/version.txt", "1.5.0\n"]"#, returns: "6" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let contents = args.data("contents")?;
    let options = WriteOptions { new: args.flag("new")?, ..WriteOptions::default() };
    let action = fs::Write { bytes: i64::try_from(contents.len()).unwrap_or(i64::MAX) };
    session
        .act(action, args.path("path")?, |grant| session.put(grant, contents, options))
        .map(Value::count)
        .map_err(into_missing)
}

#[cfg(test)]
mod tests {
    use rex_core::{Code, Limits};

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn a_new_file_takes_the_place_of_nothing() {
        let world = World::ruled(MemOs::example(), |_, path| !path.starts_with("/etc"));
        assert_eq!(world.fails("fs::write", r#"["version.txt", "x", {"new": true}]"#), Code::AlreadyExists);
        assert_eq!(world.returns("fs::write", r#"["new.txt", [255, 0], {"new": true}]"#), "2");
        assert_eq!(world.os.contents("/srv/app/new.txt").unwrap(), [255, 0]);
        assert_eq!(world.os.contents("/srv/app/version.txt").unwrap(), b"1.4.2\n");
        assert_eq!(world.fails("fs::write", r#"["/etc/hosts", "x"]"#), Code::AccessDenied);
    }

    #[test]
    fn what_is_written_counts_once_where_the_name_crosses_a_link() {
        let limits = Limits { written_bytes: 5, ..Limits::default() };
        let world = World::limited(MemOs::example(), |_, _| true, limits);
        assert_eq!(world.returns("fs::write", r#"["current.log", "12345"]"#), "5");
        assert_eq!(world.run.budget().bytes_written(), 5);
        let error = world.call("fs::write", r#"["version.txt", "6"]"#).unwrap_err();
        assert!(error.is_fatal() && error.code == Code::LimitExceeded, "{error}");
        assert_eq!(world.os.contents("/srv/app/version.txt").unwrap(), b"1.4.2\n");
    }

    #[test]
    fn a_missing_directory_is_named_as_such() {
        let error = World::new(MemOs::example()).call("fs::write", r#"["/none/f", ""]"#).unwrap_err();
        assert_eq!(error.code, Code::NotFound);
        assert!(error.help.unwrap().contains("directory"));
    }
}
