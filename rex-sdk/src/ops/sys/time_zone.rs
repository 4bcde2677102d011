//! `sys::time_zone`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::inspect;
use crate::os::SystemFile;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the time zone of the machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::time_zone",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec { kind: "text", doc: "Its name, `Europe/Berlin`." },
        doc: "Tells the time zone of the machine.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample { args: r#"[]"#, returns: r#""Etc/UTC""# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [name] = inspect(session, [SystemFile::TimeZone])?;
    Ok(name.trim().into())
}
