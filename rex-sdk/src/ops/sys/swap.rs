//! `sys::swap`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::inspect;
use crate::os::SystemFile;
use crate::proc::{rows, unescape};
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the swap areas.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::swap",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `name`, `kind` (`partition`, `file`), `size` and `used` in bytes, `priority`.",
        },
        doc: "Lists the swap areas.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"kind":"partition","name":"/dev/vda2","priority":-2,"size":1073741824,"used":0}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [text] = inspect(session, [SystemFile::Swaps])?;
    let bytes = |word: &str| word.parse::<u64>().ok().map(|kib| Value::count(kib.saturating_mul(1024)));
    let area = |row: Vec<&str>| match *row {
        [name, kind, size, used, priority] => Some(Value::map([
            ("name", unescape(name).into()),
            ("kind", kind.into()),
            ("size", bytes(size)?),
            ("used", bytes(used)?),
            ("priority", priority.parse::<i64>().ok()?.into()),
        ])),
        _ => None,
    };
    Ok(Value::List(rows(&text).filter_map(area).collect()))
}
