//! `sys::kernel_log`

use std::time::Duration;

use rex_core::action::sys;
use rex_core::limits::exceeded;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::proc::log_record;
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Reads what the kernel has logged.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::kernel_log",
        aliases: &[],
        needs: &[sys::KernelLog::SPEC],
        params: &[Param::option("max", Kind::Count, Literal::Int(1_000), "The last so many records.")],
        returns: Returns {
            kind: "list",
            doc: "Of maps, oldest first: `seconds` since the machine started, `priority` (`emerg` to `debug`), `text`.",
        },
        doc: "Reads what the kernel has logged.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example {
            args: r#"[]"#,
            returns: r#"[{"priority":"info","seconds":0.001,"text":"Linux version 6.12.0"},{"priority":"err","seconds":2.0,"text":"ext4: I/O error"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    const PRIORITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    let max = args.count("max")?;
    if max > session.limits().entries {
        return Err(exceeded("entries", session.limits().entries, "records"));
    }
    let grant = session.permit(sys::KernelLog {}, Host)?;
    let records = session.os.kernel_log(grant, max, session.run.budget()).map_err(|error| error.about(&Host))?;
    session.run.budget().count_read(records.iter().map(|record| record.len() as u64).sum())?;
    let entry = |record: &String| {
        let (priority, micros, text) = log_record(record)?;
        let seconds = Duration::from_micros(micros).as_secs_f64();
        let priority = PRIORITIES.get(usize::from(priority)).copied();
        Some(Value::map([("seconds", seconds.into()), ("priority", priority.into()), ("text", text.into())]))
    };
    Ok(Value::List(records.iter().filter_map(entry).collect()))
}
