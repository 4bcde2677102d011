//! `process::semaphores`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::super::sys::inspect;
use crate::os::SystemFile;
use crate::proc::rows;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the sets of System V semaphores.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::semaphores",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `id`, `mode` (the permission bits), `count` (of semaphores in the set), `uid`.",
        },
        doc: "Lists the sets of System V semaphores.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample { args: r#"[]"#, returns: r#"[{"count":1,"id":3,"mode":384,"uid":33}]"# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [text] = inspect(session, [SystemFile::Semaphores])?;
    let set = |row: Vec<&str>| {
        let number = |place: usize| row.get(place)?.parse::<i64>().ok();
        Some(Value::map([
            ("id", number(1)?.into()),
            ("mode", i64::from_str_radix(row.get(2)?, 8).ok()?.into()),
            ("count", number(3)?.into()),
            ("uid", number(4)?.into()),
        ]))
    };
    Ok(Value::List(rows(&text).filter_map(set).collect()))
}
