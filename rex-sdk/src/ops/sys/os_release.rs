//! `sys::os_release`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::inspect;
use crate::os::SystemFile;
use crate::proc::assignments;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Identifies the distribution.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::os_release",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "map of names",
            doc: "What `os-release(5)` says, its names in lower case: `id`, `version_id`, `pretty_name`, ...",
        },
        doc: "Tells which distribution this is.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"{"id":"debian","pretty_name":"Debian GNU/Linux 12 (bookworm)","version_id":"12"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [text] = inspect(session, [SystemFile::OsRelease])?;
    Ok(Value::Map(assignments(&text)))
}
