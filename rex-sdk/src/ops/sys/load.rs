//! `sys::load`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::{inspect, unclear};
use crate::os::SystemFile;
use crate::proc::numbers;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns load averages and uptime.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::load",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "map",
            doc: "`one`, `five`, `fifteen`: the load averages over so many minutes; `uptime`: seconds since the machine started.",
        },
        doc: "Tells load and uptime.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample { args: r#"[]"#, returns: r#"{"fifteen":0.125,"five":0.25,"one":0.5,"uptime":86400.5}"# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [load, uptime] = inspect(session, [SystemFile::Load, SystemFile::Uptime])?;
    let [one, five, fifteen] = numbers(&load).ok_or_else(|| unclear(SystemFile::Load))?;
    let [uptime] = numbers(&uptime).ok_or_else(|| unclear(SystemFile::Uptime))?;
    Ok(Value::map([("one", one.into()), ("five", five.into()), ("fifteen", fifteen.into()), ("uptime", uptime.into())]))
}
