//! `process::tree`

use std::collections::{BTreeMap, BTreeSet};

use rex_core::action::process;
use rex_core::{Action, Code, Error, Value};

use super::{PARTIAL, SelectedProcesses, all, hidden};
use crate::os::ProcessStatus;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Returns the tree of processes and their children.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::tree",
        aliases: &[],
        needs: &[process::List::SPEC],
        params: &[
            Param::option(
                "pid",
                ParamKind::Count,
                Literal::Null,
                "Begin with this process instead of those without a parent.",
            ),
            PARTIAL,
        ],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `pid`, `name`, `user`, `depth` (0 for where it begins), each process before those that it started.",
        },
        doc: "Shows which process started which.\nWhere others are hidden from Rex, this is an error, unless `partial` is set.",
        errors: &[Code::NotFound, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"[{"pid": 1}]"#,
            returns: r#"[{"depth":0,"name":"systemd","pid":1,"user":"root"},{"depth":1,"name":"nginx","pid":4242,"user":"root"},{"depth":1,"name":"nginx","pid":4243,"user":"www-data"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let top = args.count_option("pid")?;
    let found = all(session, None)?;
    let found = SelectedProcesses { others: hidden(&found), found: found.processes }.complete(args)?;
    let here: BTreeSet<u32> = found.iter().map(|status| status.process.pid()).collect();
    let mut children = BTreeMap::<u32, Vec<&ProcessStatus>>::new();
    for status in &found {
        children.entry(status.parent).or_default().push(status);
    }
    let begins = |status: &&ProcessStatus| match top {
        Some(pid) => u64::from(status.process.pid()) == pid,
        None => !here.contains(&status.parent),
    };
    // The first ones to return are at the top of the stack.
    let mut todo: Vec<_> = found.iter().filter(begins).map(|status| (0, status)).rev().collect();
    if let (Some(pid), []) = (top, &*todo) {
        return Err(Error::new(Code::NotFound, format!("there is no process {pid}")));
    }
    let mut rows = Vec::new();
    // Each is taken out of the table once, so that numbers that changed in the meantime cannot form a cycle.
    while let Some((depth, status)) = todo.pop() {
        let identity = status.process.identity();
        rows.push(Value::map([
            ("depth", Value::Int(depth)),
            ("pid", Value::count(status.process.pid())),
            ("name", identity.name.as_str().into()),
            ("user", identity.user.as_deref().into()),
        ]));
        let below = children.remove(&status.process.pid()).unwrap_or_default();
        todo.extend(below.into_iter().rev().map(|child| (depth + 1, child)));
    }
    Ok(rows.into())
}
