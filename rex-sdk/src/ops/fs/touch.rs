//! `fs::touch`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Creates an empty file, or sets the times of an existing file or directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::touch",
        aliases: &[],
        needs: &[fs::Touch::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The file or directory."),
            Param::option("time", Kind::Moment, Literal::Null, "When it was changed and read last; now, if not given."),
            Param::option("create", Kind::Bool, Literal::Bool(true), "Create it if it is missing."),
        ],
        returns: Returns { kind: "nothing", doc: "." },
        doc: "Creates an empty file, or sets the times of what is there.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: Example { args: r#"["/srv/app/new"]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let now = session.run.now();
    let time = args.moment_option("time", now)?.unwrap_or(now);
    let create = args.flag("create")?;
    session.act(fs::Touch {}, path, |grant| session.os.touch(grant, time, create))?;
    Ok(Value::Null)
}
