//! `sys::io`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::twice;
use crate::ops::{INTERVAL, INTERVAL_MS};
use crate::os::SystemFile;
use crate::proc::{DiskCounters, disks};
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the reads from and writes to each disk.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::io",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[INTERVAL, INTERVAL_MS],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `device`, `reads`, `read_bytes`, `read_ms`, `writes`, `written_bytes`, `write_ms`, `in_flight` (now), `busy_ms`.",
        },
        doc: "Tells what was read from and written to each disk.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"busy_ms":60,"device":"vda","in_flight":0,"read_bytes":1048576,"read_ms":50,"reads":100,"write_ms":20,"writes":10,"written_bytes":524288}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (before, after) = twice(session, args, SystemFile::Disks)?;
    let before = disks(&before);
    let entry = |(name, disk): (String, DiskCounters)| {
        let disk = disk.since(before.get(&name).unwrap_or(&DiskCounters::default()));
        Value::map([
            ("device", name.into()),
            ("reads", Value::count(disk.reads)),
            ("read_bytes", Value::count(disk.read_bytes)),
            ("read_ms", Value::count(disk.read_ms)),
            ("writes", Value::count(disk.writes)),
            ("written_bytes", Value::count(disk.written_bytes)),
            ("write_ms", Value::count(disk.write_ms)),
            ("in_flight", Value::count(disk.in_flight)),
            ("busy_ms", Value::count(disk.busy_ms)),
        ])
    };
    Ok(Value::List(disks(&after).into_iter().map(entry).collect()))
}
