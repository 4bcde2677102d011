//! `fs::exists`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Tells whether there is something of that name.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::exists",
        aliases: &[],
        needs: &[fs::Stat::SPEC],
        params: &[Param::required("path", Kind::Path, "The name.")],
        returns: Returns { kind: "bool", doc: "Whether there is anything; a symbolic link counts, wherever it leads." },
        doc: "Tells whether there is something of that name.\nWhat may not be looked at is denied, so the answer tells nothing that is not permitted.",
        errors: &[Code::Io],
        example: Example { args: r#"["/srv/app/config.yaml"]"#, returns: "true" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    match session.act(fs::Stat {}, args.path("path")?, |grant| session.os.stat(grant)) {
        Ok(_) => Ok(true.into()),
        Err(error) if error.code == Code::NotFound => Ok(false.into()),
        Err(error) => Err(error),
    }
}
