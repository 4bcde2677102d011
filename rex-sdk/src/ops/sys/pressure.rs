//! `sys::pressure`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::inspect;
use crate::os::SystemFile;
use crate::proc::pressure;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the time lost waiting for processors, memory and disks.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::pressure",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "map",
            doc: "`cpu`, `memory` and `io`, each with `some` and `full` (whether some or all that could run waited), each with `avg10`, `avg60`, `avg300` in percent of the last so many seconds, and `total_seconds`.",
        },
        doc: "Tells how much time is lost waiting for processors, memory and disks.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"{"cpu":{"some":{"avg10":1.5,"avg300":0.0,"avg60":0.5,"total_seconds":2.0}},"io":{"some":{"avg10":1.5,"avg300":0.0,"avg60":0.5,"total_seconds":2.0}},"memory":{"some":{"avg10":1.5,"avg300":0.0,"avg60":0.5,"total_seconds":2.0}}}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let files = [SystemFile::PressureCpu, SystemFile::PressureMemory, SystemFile::PressureIo];
    let [cpu, memory, io] = inspect(session, files)?;
    Ok(Value::map([("cpu", pressure(&cpu)), ("memory", pressure(&memory)), ("io", pressure(&io))]))
}
