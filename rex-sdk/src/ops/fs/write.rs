//! `fs::write`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::into_missing;
use crate::os::WriteOptions;
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Creates a file or replaces its contents.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::write",
        aliases: &["write"],
        needs: &[fs::Write::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The file."),
            Param::required("contents", Kind::Data, "What it holds from then on."),
            Param::option("new", Kind::Bool, Literal::Bool(false), "Fail if the file exists."),
        ],
        returns: Returns { kind: "int", doc: "How many bytes were written." },
        doc: "Creates a file or replaces its contents.\nAtomic: whoever looks sees the old file or the new one. Mode and owner of an old one are kept.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io],
        example: Example { args: r#"["/srv/app/version.txt", "1.5.0\n"]"#, returns: "6" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let contents = args.data("contents")?;
    let options = WriteOptions { new: args.flag("new")? };
    let action = fs::Write { bytes: i64::try_from(contents.len()).unwrap_or(i64::MAX) };
    session
        .act(action, args.path("path")?, |grant| session.os.write(grant, &mut session.written(contents), options))
        .map(Value::count)
        .map_err(into_missing)
}
