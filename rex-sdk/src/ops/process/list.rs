//! `process::list`

use std::collections::BTreeMap;

use rex_core::action::process;
use rex_core::process::Process;
use rex_core::{Action, Code, Error, Value};

use super::{FILTERS, PARTIAL, act, all, describe, meant};
use crate::os::ProcessStatus;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Lists the processes that run.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::list",
        aliases: &[],
        needs: &[process::List::SPEC],
        params: &[
            FILTERS[0],
            FILTERS[1],
            FILTERS[2],
            FILTERS[3],
            Param::option(
                "details",
                ParamKind::Bool,
                Literal::Bool(false),
                "Tell the command line, the control group and the namespaces too. This asks for `process::inspect` on each.",
            ),
            PARTIAL,
        ],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps in the order of the numbers, each with `pid`, `parent`, `name`, `exe`, `user` (by name), `uid`, `unit` (empty if there is none), `state` (`running`, `sleeping`, `zombie`, ...), `memory` and `virtual_memory` in bytes, `cpu_seconds`, `threads`, `nice`, `started`, `started_epoch`. What could not be found out is `()`. With `details`, also `arguments`, `directory`, `cgroup`, `namespaces`, or `skipped`: why these are not told.",
        },
        doc: "Lists the processes that run.\nWhere others are hidden from Rex, or a filter asks for what could not be found out, this is an error, unless `partial` is set.",
        errors: &[Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"[{"user": "www-data"}]"#,
            returns: r#"[{"cpu_seconds":1.5,"exe":"/usr/sbin/nginx","memory":8388608,"name":"nginx","nice":0,"parent":1,"pid":4243,"started":"2026-03-02T11:00:00Z","started_epoch":1772449200.0,"state":"sleeping","threads":1,"uid":33,"unit":"nginx.service","user":"www-data","virtual_memory":67108864}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let found = meant(args, all(session, None)?)?.complete(args)?;
    if !args.flag("details")? {
        return Ok(Value::List(found.iter().map(|status| Value::Map(describe(status))).collect()));
    }
    let entry = |status: &ProcessStatus| {
        session.run.budget().check()?;
        let mut entry = describe(status);
        match look(session, &status.process) {
            Ok(more) => entry.extend(more),
            Err(error) if matches!(error.code, Code::AccessDenied | Code::NotFound | Code::Io) => {
                entry.insert("skipped".to_owned(), error.code.as_str().into());
            }
            Err(error) => return Err(error),
        }
        Ok(Value::Map(entry))
    };
    found.iter().map(entry).collect::<Result<_, _>>().map(Value::List)
}

/// Returns details of a process that not every user may see.
pub(super) fn look(session: &Session<'_>, process: &Process) -> Result<BTreeMap<String, Value>, Error> {
    let details = act(session, process::Inspect {}, process, |grant| session.os.details(grant, session.run.budget()))?;
    let spaces = details.namespaces.into_iter().map(|(kind, number)| (kind, Value::count(number))).collect();
    let (read, written) = details.io.unzip();
    let entries: [(&str, Value); 7] = [
        ("arguments", Value::List(details.arguments.into_iter().map(Value::from).collect())),
        ("directory", details.directory.into()),
        ("root", details.root.into()),
        ("cgroup", details.cgroup.into()),
        ("namespaces", Value::Map(spaces)),
        ("read_bytes", read.map(Value::count).into()),
        ("written_bytes", written.map(Value::count).into()),
    ];
    Ok(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
