//! `process::shared_memory`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::super::sys::inspect;
use crate::os::SystemFile;
use crate::proc::rows;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the segments of System V shared memory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::shared_memory",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `id`, `size` in bytes, `mode` (the permission bits), `uid`, `creator_pid`, `last_pid`, `attached` (how often).",
        },
        doc: "Lists the segments of System V shared memory.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"attached":2,"creator_pid":4242,"id":7,"last_pid":4243,"mode":384,"size":4096,"uid":33}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [text] = inspect(session, [SystemFile::SharedMemory])?;
    let segment = |row: Vec<&str>| {
        let number = |place: usize| row.get(place)?.parse::<i64>().ok();
        Some(Value::map([
            ("id", number(1)?.into()),
            ("mode", i64::from_str_radix(row.get(2)?, 8).ok()?.into()),
            ("size", number(3)?.into()),
            ("creator_pid", number(4)?.into()),
            ("last_pid", number(5)?.into()),
            ("attached", number(6)?.into()),
            ("uid", number(7)?.into()),
        ]))
    };
    Ok(Value::List(rows(&text).filter_map(segment).collect()))
}
