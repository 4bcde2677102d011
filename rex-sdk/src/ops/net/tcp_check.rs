//! `net::tcp_check`

use std::time::Instant;

use rex_core::action::net;
use rex_core::net::Network;
use rex_core::{Action, Code, Error, Value};

use super::HOST;
use crate::connection::{OpenConnection, TIMEOUT, deadline};
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Checks whether a port accepts connections.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "net::tcp_check",
        aliases: &[],
        needs: &[net::Resolve::SPEC, net::Connect::SPEC],
        params: &[HOST, Param::required("port", ParamKind::Count, "The port."), TIMEOUT],
        returns: ReturnSpec {
            kind: "map",
            doc: "`open`; if it is, `address`, `network` and `ms` (how long it took, name included); if it is not, `why`.",
        },
        doc: "Tries whether a port takes connections.\nOne is made and ended; nothing is sent.",
        errors: &[Code::NotFound, Code::Unsupported],
        example: CallExample {
            args: r#"["app.example.com", 81]"#,
            returns: r#"{"open":false,"why":"`app.example.com` does not take a connection to port 81 at 93.184.215.14: connection refused"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (host, port, start) = (super::host(args)?, super::port(args)?, Instant::now());
    match OpenConnection::open(session, &host, port, false, deadline(session, args)?) {
        Ok(line) => Ok(Value::map([
            ("open", true.into()),
            ("address", line.address.to_string().into()),
            ("network", Network::of(line.address).as_str().into()),
            ("ms", Value::Float(start.elapsed().as_secs_f64() * 1e3)),
        ])),
        Err(error) if error.code == Code::Io => Ok(Value::map([("open", false.into()), ("why", error.message.into())])),
        Err(error) => Err(error),
    }
}
