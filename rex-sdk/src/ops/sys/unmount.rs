//! `sys::unmount`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Unmounts a file system.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::unmount",
        aliases: &[],
        needs: &[sys::Unmount::SPEC],
        params: &[Param::required("path", Kind::Path, "Where it is mounted.")],
        returns: Returns { kind: "nothing", doc: "." },
        doc: "Takes a file system away from where it is mounted.\nOne that is in use stays, which is an error.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: Example { args: r#"["/run"]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    session.act(sys::Unmount {}, path, |grant| session.os.unmount(grant, session.run.budget()))?;
    Ok(Value::Null)
}
