//! `sys::time`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the time.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::time",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "map",
            doc: "`text` as RFC 3339 in UTC, `epoch` in seconds, `epoch_millis` in milliseconds.",
        },
        doc: "Tells the time.",
        errors: &[],
        example: CallExample {
            args: "[]",
            returns: r#"{"epoch":1772452800,"epoch_millis":1772452800000,"text":"2026-03-02T12:00:00Z"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    // The clock is that of the run and needs no system call; the grant is the permission to return it.
    drop(session.permit(sys::Inspect {}, Host)?);
    let now = session.run.now();
    Ok(Value::map([
        ("text", now.to_string().into()),
        ("epoch", now.as_secs().into()),
        ("epoch_millis", now.as_millis().into()),
    ]))
}
