//! `process::wait`

use rex_core::action::process;
use rex_core::{Action, Code, Error, Value};

use super::{act, one};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Waits until a process has ended.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::wait",
        aliases: &[],
        needs: &[process::List::SPEC, process::Inspect::SPEC],
        params: &[
            super::PID,
            Param::option("timeout", ParamKind::Duration, Literal::Text("10s"), "How long it waits at most."),
        ],
        returns: ReturnSpec { kind: "bool", doc: "Whether it has ended." },
        doc: "Waits until a process has ended.\nOne that is not there to begin with has.",
        errors: &[Code::Io],
        example: CallExample { args: r#"[4243]"#, returns: r#"false"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let timeout = args.millis("timeout")?;
    let process = match one(session, args) {
        Ok(status) => status.process,
        Err(error) if error.code == Code::NotFound => return Ok(Value::Bool(true)),
        Err(error) => return Err(error),
    };
    let ended =
        act(session, process::Inspect {}, &process, |grant| session.os.wait(grant, timeout, session.run.budget()))?;
    Ok(Value::Bool(ended))
}
