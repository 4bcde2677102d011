//! `process::set_priority`

use rex_core::action::process;
use rex_core::{Action, Code, Error, Value};

use super::{act, one};
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Sets the scheduling priority of a process.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::set_priority",
        aliases: &[],
        needs: &[process::List::SPEC, process::SetPriority::SPEC],
        params: &[
            super::PID,
            Param::required("nice", ParamKind::Int, "The nice value: from -20, the most favoured, to 19."),
        ],
        returns: ReturnSpec { kind: "int", doc: "The nice value before." },
        doc: "Changes how a process is scheduled among others.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"[4243, 10]"#, returns: r#"0"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let nice = args.int("nice")?;
    if !(-20..=19).contains(&nice) {
        return Err(Error::validation(format!("a nice value is from -20 to 19, got {nice}")));
    }
    let process = one(session, args)?.process;
    let before = act(session, process::SetPriority { nice }, &process, |grant| {
        session.os.set_priority(grant, session.run.budget())
    })?;
    Ok(Value::Int(before))
}
