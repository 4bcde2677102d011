//! `sys::memory`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::{inspect, percent, unclear};
use crate::os::SystemFile;
use crate::proc::kibibytes;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns total and free memory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::memory",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "map",
            doc: "In bytes: `total`, `available` (without swapping), `free` (used by nothing at all), `swap_total`, `swap_free`; and `used_percent`.",
        },
        doc: "Tells how much memory there is, and how much is free.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"{"available":6442450944,"free":5368709120,"swap_free":1073741824,"swap_total":1073741824,"total":8589934592,"used_percent":25.0}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [text] = inspect(session, [SystemFile::Memory])?;
    let bytes = |name| kibibytes(&text, name).ok_or_else(|| unclear(SystemFile::Memory));
    let (total, available) = (bytes("MemTotal")?, bytes("MemAvailable")?);
    Ok(Value::map([
        ("total", Value::count(total)),
        ("available", Value::count(available)),
        ("free", Value::count(bytes("MemFree")?)),
        ("swap_total", Value::count(bytes("SwapTotal")?)),
        ("swap_free", Value::count(bytes("SwapFree")?)),
        ("used_percent", percent(total.saturating_sub(available), total).into()),
    ]))
}
