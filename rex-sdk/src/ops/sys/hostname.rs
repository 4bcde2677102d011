//! `sys::hostname`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Op, OpSpec, Returns, Session};

/// Tells the name of the machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::hostname",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: Returns { kind: "text", doc: "The name." },
        doc: "Tells the name of the machine.",
        errors: &[Code::Io],
        example: Example { args: "[]", returns: r#""example""# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.gate.permit(sys::Inspect {}, Host)?;
    session.os.hostname(grant).map(Value::Text).map_err(|error| error.about(&Host))
}
