//! `process::top`

use std::time::Duration;

use rex_core::action::process;
use rex_core::{Action, Code, Error, Value};

use super::{PARTIAL, SelectedProcesses, all, describe, hidden};
use crate::ops::{INTERVAL_MS, interval};
use crate::os::ProcessStatus;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Finds the processes that use the most CPU time or memory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::top",
        aliases: &[],
        needs: &[process::List::SPEC],
        params: &[
            Param::option("by", ParamKind::Text, Literal::Text("cpu"), "What counts: `cpu` or `memory`.")
                .of(ParamForm::OneOf(&["cpu", "memory"])),
            Param::option("max", ParamKind::Count, Literal::Null, "How many are told; all, if not given."),
            Param::option(
                "interval",
                ParamKind::Duration,
                Literal::Null,
                "How long it is watched what they use; a second, if not given.",
            ),
            INTERVAL_MS,
            PARTIAL,
        ],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps as `process::list` tells them, the one that uses most first, with `cpu_percent`: how much of one processor it used in the interval.",
        },
        doc: "Tells which processes use most.\nWatches them for a while, so that what counts is what they use now. All of them are told, unless `max` is given. Where others are hidden from Rex, this is an error, unless `partial` is set.",
        errors: &[Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"[{"max": 1}]"#,
            returns: r#"[{"cpu_percent":4.243,"cpu_seconds":1.5,"exe":"/usr/sbin/nginx","memory":8388608,"name":"nginx","nice":0,"parent":1,"pid":4243,"started":"2026-03-02T11:00:00Z","started_epoch":1772449200.0,"state":"sleeping","threads":1,"uid":33,"unit":"nginx.service","user":"www-data","virtual_memory":67108864}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (by, max) = (args.text("by")?, args.count_option("max")?.unwrap_or(u64::MAX));
    let interval = interval(args)?.unwrap_or(Duration::from_secs(1));
    session.ensure_time_left(interval)?;
    let found = all(session, Some(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)))?;
    let mut found = SelectedProcesses { others: hidden(&found), found: found.processes }.complete(args)?;
    found.sort_by(|a, b| match by {
        "cpu" => b.cpu_percent.unwrap_or_default().total_cmp(&a.cpu_percent.unwrap_or_default()),
        _ => b.memory.cmp(&a.memory),
    });
    let entry = |status: &ProcessStatus| {
        let mut entry = describe(status);
        entry.insert("cpu_percent".to_owned(), status.cpu_percent.into());
        Value::Map(entry)
    };
    Ok(Value::List(found.iter().take(usize::try_from(max).unwrap_or(usize::MAX)).map(entry).collect()))
}
