//! `fs::truncate`

use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Cuts a file, or fills it up.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::truncate",
        aliases: &[],
        needs: &[fs::Write::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The file, which exists."),
            Param::option("size", Kind::Size, Literal::Int(0), "Its new size."),
        ],
        returns: Returns { kind: "nothing", doc: "." },
        doc: "Cuts a file, or fills it up with zeros, to a size.\nThe file itself is changed and not replaced, so that a program that has it open goes on writing to it: this is for logs.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example { args: r#"["/srv/app/logs/app.log"]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, size) = (args.path("path")?, args.size("size")?);
    let limit = session.limits().file_bytes;
    if size > limit {
        return Err(exceeded("file_bytes", limit, "bytes of one file"));
    }
    let bytes = i64::try_from(size).unwrap_or(i64::MAX);
    session.act(fs::Write { bytes }, path, |grant| session.os.resize(grant))?;
    Ok(Value::Null)
}
