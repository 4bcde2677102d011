//! `sys::memory`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::os::Memory;
use crate::{Args, Example, Op, OpSpec, Returns, Session};

/// Tells how much memory there is, and how much is free.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::memory",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: Returns {
            kind: "map",
            doc: "In bytes: `total`, `available` (without swapping), `free` (used by nothing at all), `swap_total`, `swap_free`; and `used_percent`.",
        },
        doc: "Tells how much memory there is, and how much is free.",
        errors: &[Code::Io],
        example: Example {
            args: "[]",
            returns: r#"{"available":6442450944,"free":5368709120,"swap_free":1073741824,"swap_total":1073741824,"total":8589934592,"used_percent":25.0}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.gate.permit(sys::Inspect {}, Host)?;
    let memory = session.os.memory(grant).map_err(|error| error.about(&Host))?;
    Ok(describe(&memory))
}

#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
fn describe(memory: &Memory) -> Value {
    let used = memory.total.saturating_sub(memory.available);
    let percent = if memory.total == 0 { 0.0 } else { used as f64 * 100.0 / memory.total as f64 };
    Value::map([
        ("total", Value::count(memory.total)),
        ("available", Value::count(memory.available)),
        ("free", Value::count(memory.free)),
        ("swap_total", Value::count(memory.swap_total)),
        ("swap_free", Value::count(memory.swap_free)),
        ("used_percent", percent.into()),
    ])
}
