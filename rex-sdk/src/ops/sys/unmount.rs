//! `sys::unmount`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Unmounts a file system.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::unmount",
        aliases: &[],
        needs: &[sys::Unmount::SPEC],
        params: &[Param::required("path", ParamKind::Path, "Where it is mounted.")],
        returns: ReturnSpec { kind: "nothing", doc: "." },
        doc: "Takes a file system away from where it is mounted.\nOne that is in use stays, which is an error.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/run"]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    session.act(sys::Unmount {}, path, |grant| session.os.unmount(grant, session.run.budget()))?;
    Ok(Value::Null)
}
