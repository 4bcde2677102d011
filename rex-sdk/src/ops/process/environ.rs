//! `process::environ`

use rex_core::action::process;
use rex_core::{Action, Code, Error, Value};

use super::{act, one};
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Reads the environment that a process was started with.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::environ",
        aliases: &[],
        needs: &[process::List::SPEC, process::Environ::SPEC],
        params: &[super::PID],
        returns: ReturnSpec {
            kind: "map of names",
            doc: "The variables by their names. What a process changes later is not there.",
        },
        doc: "Reads the environment that a process was started with.\nSecrets live there, so this has an action of its own.",
        errors: &[Code::NotFound, Code::Io],
        example: CallExample { args: r#"[4243]"#, returns: r#"{"LANG":"C.UTF-8"}"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let process = one(session, args)?.process;
    let environ = act(session, process::Environ {}, &process, |grant| session.os.environ(grant, session.run.budget()))?;
    let variable = |word: String| match word.split_once('=') {
        Some((name, value)) => (name.to_owned(), Value::from(value)),
        None => (word, Value::Null),
    };
    Ok(Value::Map(environ.into_iter().map(variable).collect()))
}
