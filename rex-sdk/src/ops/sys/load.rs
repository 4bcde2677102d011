//! `sys::load`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Op, OpSpec, Returns, Session};

/// Tells load and uptime.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::load",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: Returns {
            kind: "map",
            doc: "`one`, `five`, `fifteen`: the load averages over so many minutes; `uptime`: seconds since the machine started.",
        },
        doc: "Tells load and uptime.",
        errors: &[Code::Io],
        example: Example { args: "[]", returns: r#"{"fifteen":0.125,"five":0.25,"one":0.5,"uptime":86400.5}"# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.gate.permit(sys::Inspect {}, Host)?;
    let load = session.os.load(grant).map_err(|error| error.about(&Host))?;
    let [one, five, fifteen] = load.average;
    Ok(Value::map([
        ("one", one.into()),
        ("five", five.into()),
        ("fifteen", fifteen.into()),
        ("uptime", load.uptime.into()),
    ]))
}
