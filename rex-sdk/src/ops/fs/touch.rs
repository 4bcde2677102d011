//! `fs::touch`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Creates an empty file, or sets the times of an existing file or directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::touch",
        aliases: &[],
        needs: &[fs::Touch::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file or directory."),
            Param::option(
                "time",
                ParamKind::Moment,
                Literal::Null,
                "When it was changed and read last; now, if not given.",
            ),
            Param::option("create", ParamKind::Bool, Literal::Bool(true), "Create it if it is missing."),
        ],
        returns: ReturnSpec { kind: "nothing", doc: "." },
        doc: "Creates an empty file, or sets the times of what is there.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/new"]"#, returns: r#"null"# },
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
