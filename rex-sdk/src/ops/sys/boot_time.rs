//! `sys::boot_time`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Timestamp, Value};

use super::{inspect, unclear};
use crate::os::SystemFile;
use crate::proc::stat;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the boot time of the machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::boot_time",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec { kind: "map", doc: "`text` as RFC 3339 in UTC, `epoch` in seconds." },
        doc: "Tells when the machine was started.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample { args: r#"[]"#, returns: r#"{"epoch":1772366400,"text":"2026-03-01T12:00:00Z"}"# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [text] = inspect(session, [SystemFile::Stat])?;
    let seconds = stat(&text, "btime").and_then(|seconds| i64::try_from(seconds).ok());
    let seconds = seconds.ok_or_else(|| unclear(SystemFile::Stat))?;
    let time = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    Ok(Value::map([("text", time.to_string().into()), ("epoch", seconds.into())]))
}
