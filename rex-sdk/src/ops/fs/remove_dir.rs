//! `fs::remove_dir`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Removes an empty directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::remove_dir",
        aliases: &[],
        needs: &[fs::Remove::SPEC],
        params: &[Param::required("path", Kind::Path, "The directory.")],
        returns: Returns { kind: "nothing", doc: "" },
        doc: "Removes an empty directory.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: Example { args: r#"["/srv/app/empty"]"#, returns: "null" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    session.act(fs::Remove {}, args.path("path")?, |grant| session.os.remove_dir(grant))?;
    Ok(Value::Null)
}
