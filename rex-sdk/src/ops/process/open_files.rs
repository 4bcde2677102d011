//! `process::open_files`

use rex_core::action::process;
use rex_core::process::Process;
use rex_core::{Action, Code, Error, Value};

use super::{act, one};
use crate::os::OpenFile;
use crate::{Args, Example, Op, OpSpec, Returns, Session};

/// Lists what a process has open.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::open_files",
        aliases: &[],
        needs: &[process::List::SPEC, process::Inspect::SPEC],
        params: &[super::PID],
        returns: Returns {
            kind: "list",
            doc: "Of maps: `descriptor`, and `name`: the path, or what the kernel calls it (`socket:[4711]`, `pipe:[42]`).",
        },
        doc: "Lists what a process has open.",
        errors: &[Code::NotFound, Code::Io, Code::LimitExceeded],
        example: Example {
            args: r#"[4243]"#,
            returns: r#"[{"descriptor":3,"name":"/srv/app/logs/app.log"},{"descriptor":4,"name":"socket:[4711]"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let process = one(session, args)?.process;
    let open = open(session, &process)?;
    let entry =
        |file: OpenFile| Value::map([("descriptor", Value::count(file.descriptor)), ("name", file.name.into())]);
    Ok(Value::List(open.into_iter().map(entry).collect()))
}

pub(in super::super) fn open(session: &Session<'_>, process: &Process) -> Result<Vec<OpenFile>, Error> {
    let max = session.limits().entries;
    act(session, process::Inspect {}, process, |grant| session.os.open_files(grant, max, session.run.budget()))
}
