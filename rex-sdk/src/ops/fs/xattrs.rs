//! `fs::xattrs`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Lists the names of the extended attributes of a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::xattrs",
        aliases: &[],
        needs: &[fs::GetXattr::SPEC],
        params: &[Param::required("path", ParamKind::Path, "The file or directory.")],
        returns: ReturnSpec { kind: "list", doc: "Of the names, in their order." },
        doc: "Lists the names of the extended attributes of a file.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/etc/hosts"]"#, returns: r#"[]"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let names =
        session.act(fs::GetXattr { name: String::new() }, args.path("path")?, |grant| session.os.xattrs(grant))?;
    Ok(Value::List(names.into_iter().map(Value::Text).collect()))
}
