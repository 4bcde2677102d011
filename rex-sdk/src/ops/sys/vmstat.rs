//! `sys::vmstat`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::twice;
use crate::ops::{INTERVAL, INTERVAL_MS};
use crate::os::SystemFile;
use crate::proc::counts;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the counters of virtual memory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::vmstat",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[INTERVAL, INTERVAL_MS],
        returns: ReturnSpec {
            kind: "map of names",
            doc: "The counts by the names that the kernel gives them: `pgfault`, `pswpin`, `nr_free_pages`, ...",
        },
        doc: "Tells the counts of virtual memory.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample { args: r#"[]"#, returns: r#"{"nr_free_pages":1310720,"pgfault":1000}"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (before, after) = twice(session, args, SystemFile::Vmstat)?;
    let before = counts(&before);
    // Some counters, such as a number of pages, can decrease.
    let change = |(name, now): (String, u64)| {
        let then = before.get(&name).copied().unwrap_or(0);
        (name, Value::Int(now.cast_signed().wrapping_sub(then.cast_signed())))
    };
    Ok(Value::Map(counts(&after).into_iter().map(change).collect()))
}
