//! `process::get`

use rex_core::action::process;
use rex_core::{Action, Code, Error, Value};

use super::list::look;
use super::{describe, one};
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the status of one process.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::get",
        aliases: &[],
        needs: &[process::List::SPEC, process::Inspect::SPEC],
        params: &[super::PID],
        returns: ReturnSpec {
            kind: "map",
            doc: "What `process::list` tells with `details`: also `arguments`, `directory`, `root`, `cgroup`, `namespaces`, `read_bytes`, `written_bytes`. What Rex may not look at is `()`.",
        },
        doc: "Tells about one process.",
        errors: &[Code::NotFound, Code::Io],
        example: CallExample {
            args: r#"[4243]"#,
            returns: r#"{"arguments":["nginx: worker process"],"cgroup":"/system.slice/nginx.service","cpu_seconds":1.5,"directory":"/","exe":"/usr/sbin/nginx","memory":8388608,"name":"nginx","namespaces":{},"nice":0,"parent":1,"pid":4243,"read_bytes":null,"root":"/","started":"2026-03-02T11:00:00Z","started_epoch":1772449200.0,"state":"sleeping","threads":1,"uid":33,"unit":"nginx.service","user":"www-data","virtual_memory":67108864,"written_bytes":null}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let status = one(session, args)?;
    let mut entry = describe(&status);
    entry.extend(look(session, &status.process)?);
    Ok(Value::Map(entry))
}
