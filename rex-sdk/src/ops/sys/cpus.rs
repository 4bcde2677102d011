//! `sys::cpus`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the number of processors.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::cpus",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec { kind: "int", doc: "How many processors Rex may use." },
        doc: "Tells how many processors there are.",
        errors: &[Code::Io],
        example: CallExample { args: "[]", returns: r#"4"# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(sys::Inspect {}, Host)?;
    session.os.cpus(grant, session.run.budget()).map(Value::count).map_err(|error| error.into_error(&Host))
}
