//! `process::open_files`

use rex_core::action::process;
use rex_core::process::Process;
use rex_core::{Action, Code, Error, Value};

use super::{act, one};
use crate::os::OpenFile;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the open files of a process.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::open_files",
        aliases: &[],
        needs: &[process::List::SPEC, process::Inspect::SPEC],
        params: &[super::PID],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `descriptor`; `name`: the path, or what the kernel calls it (`socket:[4711]`, `pipe:[42]`, `/tmp/f (deleted)`); `size` of a file in bytes, `()` of other things; `deleted`: whether it is a file that has no name any more, and takes room until it is closed.",
        },
        doc: "Lists what a process has open.",
        errors: &[Code::NotFound, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"[4243]"#,
            returns: r#"[{"deleted":false,"descriptor":3,"name":"/srv/app/logs/app.log","size":204},{"deleted":false,"descriptor":4,"name":"socket:[4711]","size":null}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let process = one(session, args)?.process;
    let open = open(session, &process)?;
    let entry = |file: OpenFile| {
        Value::map([
            ("descriptor", file.descriptor.map(Value::count).into()),
            ("name", file.name.into()),
            ("size", file.size.map(Value::count).into()),
            ("deleted", file.deleted.into()),
        ])
    };
    Ok(Value::List(open.into_iter().map(entry).collect()))
}

pub(in super::super) fn open(session: &Session<'_>, process: &Process) -> Result<Vec<OpenFile>, Error> {
    used(session, process, false)
}

/// Returns the open files of a process, or, with `all`, every file that it uses.
pub(super) fn used(session: &Session<'_>, process: &Process, all: bool) -> Result<Vec<OpenFile>, Error> {
    let max = session.limits().entries;
    act(session, process::Inspect {}, process, |grant| session.os.open_files(grant, max, all, session.run.budget()))
}
