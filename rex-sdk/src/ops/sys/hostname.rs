//! `sys::hostname`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::inspect;
use crate::os::SystemFile;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the name of the machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::hostname",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec { kind: "text", doc: "The name." },
        doc: "Tells the name of the machine.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample { args: r#"[]"#, returns: r#""example""# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [name] = inspect(session, [SystemFile::Hostname])?;
    Ok(name.trim_end().into())
}
