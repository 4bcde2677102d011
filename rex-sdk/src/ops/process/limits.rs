//! `process::limits`

use rex_core::action::process;
use rex_core::{Action, Code, Error, Value};

use super::{act, one};
use crate::os::ProcessLimit;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the resource limits of a process.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::limits",
        aliases: &[],
        needs: &[process::List::SPEC, process::Inspect::SPEC],
        params: &[super::PID],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `name` as the kernel calls it (`Max open files`), `soft` (the limit that holds) and `hard` (the most that the process may set it to); `()` where there is none.",
        },
        doc: "Tells what a process may use at most.",
        errors: &[Code::NotFound, Code::Io],
        example: CallExample { args: r#"[4243]"#, returns: r#"[]"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let process = one(session, args)?.process;
    let details = act(session, process::Inspect {}, &process, |grant| session.os.details(grant, session.run.budget()))?;
    let bound = |bound: Option<u64>| bound.map(Value::count).into();
    let limit = |limit: ProcessLimit| {
        Value::map([("name", limit.name.into()), ("soft", bound(limit.soft)), ("hard", bound(limit.hard))])
    };
    Ok(Value::List(details.limits.into_iter().map(limit).collect()))
}
