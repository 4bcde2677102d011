//! `fs::hard_link`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::into_missing;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Gives a file a second name.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::hard_link",
        aliases: &[],
        needs: &[fs::HardLink::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file."),
            Param::required("to", ParamKind::Path, "Its second name, which is new."),
        ],
        returns: ReturnSpec { kind: "nothing", doc: "." },
        doc: "Gives a file a second name.\nA policy speaks of names: what may be done under one of them is done to the file.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/version.txt", "/srv/app/version.old"]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, to) = (args.path("path")?, args.path("to")?);
    let held = session.act(fs::HardLink {}, path, |grant| session.os.hold(grant))?;
    let bytes = i64::try_from(held.size()).unwrap_or(i64::MAX);
    session.act(fs::Write { bytes }, to, |grant| held.link(grant)).map_err(into_missing)?;
    Ok(Value::Null)
}
