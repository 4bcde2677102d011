//! `fs::set_xattr`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::xattr::{NAME, named};
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Sets or removes an extended attribute of a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::set_xattr",
        aliases: &[],
        needs: &[fs::SetXattr::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The file or directory."),
            NAME,
            Param::option("value", Kind::Text, Literal::Null, "The value; without one, the attribute is removed."),
        ],
        returns: Returns { kind: "nothing", doc: "." },
        doc: "Sets or removes an extended attribute of a file.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: Example { args: r#"["/srv/app/config.yaml", "user.origin", {"value": "hand"}]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let name = named(args)?;
    let value = args.text_option("value")?.map(str::as_bytes);
    session.act(fs::SetXattr { name }, args.path("path")?, |grant| session.os.set_xattr(grant, value))?;
    Ok(Value::Null)
}
