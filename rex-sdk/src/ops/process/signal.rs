//! `process::signal`

use rex_core::action::process;
use rex_core::{Action, Code, Error, Value};

use super::{act, one, signal_name};
use crate::{Args, CallExample, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Sends a signal to a process.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::signal",
        aliases: &[],
        needs: &[process::List::SPEC, process::Signal::SPEC],
        params: &[
            super::PID,
            Param::required("signal", ParamKind::Text, "Its name: `TERM`, `HUP`, `KILL`, ...")
                .of(ParamForm::Read(|text| signal_name(text).map(drop))),
        ],
        returns: ReturnSpec { kind: "nothing", doc: "." },
        doc: "Sends a signal to a process.\nTo the very process that was decided on, never to a later one with its number. No process of Rex itself is signalled.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"[4243, "HUP"]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let signal = signal_name(args.text("signal")?)?;
    let process = one(session, args)?.process;
    act(session, process::Signal { signal }, &process, |grant| session.os.signal(grant, session.run.budget()))?;
    Ok(Value::Null)
}
