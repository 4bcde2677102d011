//! `net::routes`

use rex_core::action::net;
use rex_core::{Action, Code, Error, Value};

use crate::os::NetworkTable as Table;
use crate::proc::{self, RouteRow};
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the routes of this machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "net::routes",
        aliases: &[],
        needs: &[net::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `destination` (a network, `10.0.0.0/8`; `0.0.0.0/0` and `::/0` are the default routes), `gateway` (the host that it leads through, or \
                  nothing), `interface`, `metric` (the lowest is taken).",
        },
        doc: "Lists the routes of this machine that are in use, IPv4 first.\nThose of the main table; what other tables and rules add is not told.",
        errors: &[Code::Io],
        example: CallExample {
            args: "[]",
            returns: r#"[{"destination":"0.0.0.0/0","gateway":"10.0.0.1","interface":"eth0","metric":100}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [v4, v6] = super::tables(session, [Table::Route, Table::Route6])?;
    let told = |route: RouteRow| {
        Value::map([
            ("destination", format!("{}/{}", route.destination, route.bits).into()),
            ("gateway", route.gateway.map_or(Value::Null, |gateway| gateway.to_string().into())),
            ("interface", route.interface.into()),
            ("metric", Value::count(route.metric)),
        ])
    };
    Ok(Value::List(proc::routes(&v4).into_iter().chain(proc::routes6(&v6)).map(told).collect()))
}
