//! `fs::remove`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Removes a file or a symbolic link.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::remove",
        aliases: &[],
        needs: &[fs::Remove::SPEC],
        params: &[Param::required("path", Kind::Path, "The file; of a symbolic link, the link goes.")],
        returns: Returns { kind: "nothing", doc: "" },
        doc: "Removes a file or a symbolic link.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: Example { args: r#"["/srv/app/logs/old.log"]"#, returns: "null" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    session.act(fs::Remove {}, args.path("path")?, |grant| session.os.remove(grant))?;
    Ok(Value::Null)
}
