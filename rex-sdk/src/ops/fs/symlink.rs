//! `fs::symlink`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::into_missing;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Creates a symbolic link.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::symlink",
        aliases: &[],
        needs: &[fs::Symlink::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The new name."),
            Param::required("target", ParamKind::Text, "Where it leads: the text of the link, taken as it is."),
        ],
        returns: ReturnSpec { kind: "nothing", doc: "." },
        doc: "Creates a symbolic link.\nIt lends no permission: whoever goes through it is asked about where it leads.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/latest", "logs/app.log"]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (target, path) = (args.text("target")?, args.path("path")?);
    if target.is_empty() || target.contains('\0') || target.len() >= 4096 {
        return Err(Error::validation(format!("`{}` is not a valid target of a link", target.escape_debug())));
    }
    session
        .act(fs::Symlink { target: target.to_owned() }, path, |grant| session.os.symlink(grant))
        .map_err(into_missing)?;
    Ok(Value::Null)
}
