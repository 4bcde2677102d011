//! `sys::kernel_log`

use std::time::Duration;

use rex_core::action::sys;
use rex_core::limits::exceeded;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::proc::log_record;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Reads the log of the kernel.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::kernel_log",
        aliases: &[],
        needs: &[sys::KernelLog::SPEC],
        params: &[Param::option(
            "max",
            ParamKind::Count,
            Literal::Null,
            "The last so many records; all, if not given.",
        )],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, oldest first: `seconds` since the machine started, `priority` (`emerg` to `debug`), `text`.",
        },
        doc: "Reads what the kernel has logged.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"priority":"info","seconds":0.001,"text":"Linux version 6.12.0"},{"priority":"err","seconds":2.0,"text":"ext4: I/O error"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    const PRIORITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    let (max, limit) = (args.count_option("max")?, session.limits().entries);
    let too_many = || {
        let error = exceeded("entries", limit, "records");
        let help = error.help.clone().unwrap_or_default();
        error.with_help(format!("set the number of the last records in `max`; {help}"))
    };
    if max.is_some_and(|max| max > limit) {
        return Err(too_many());
    }
    let grant = session.permit(sys::KernelLog {}, Host)?;
    // One record more shows whether there are too many.
    let most = max.unwrap_or(limit.saturating_add(1));
    let records = session.os.kernel_log(grant, most, session.run.budget()).map_err(|error| error.into_error(&Host))?;
    if max.is_none() && records.len() as u64 > limit {
        return Err(too_many());
    }
    session.run.budget().count_read(records.iter().map(|record| record.len() as u64).sum())?;
    let entry = |record: &String| {
        // A record that does not match the kernel's manual is returned unparsed.
        let Some((priority, micros, text)) = log_record(record) else {
            let text = record.trim_end().into();
            return Value::map([("seconds", Value::Null), ("priority", Value::Null), ("text", text)]);
        };
        let seconds = Duration::from_micros(micros).as_secs_f64();
        let priority = PRIORITIES.get(usize::from(priority)).copied();
        Value::map([("seconds", seconds.into()), ("priority", priority.into()), ("text", text.into())])
    };
    Ok(Value::List(records.iter().map(entry).collect()))
}
