//! `service::stop`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::describe;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Stops a unit.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::stop",
        aliases: &[],
        needs: &[service::Stop::SPEC],
        params: &[Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: ReturnSpec { kind: "map", doc: super::STATUS },
        doc: "Stops a unit.\nWaits until the service manager has done it, and fails if it could not.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample {
            args: r#"["nginx"]"#,
            returns: r#"{"active":"inactive","description":"A web server","load":"loaded","main_pid":null,"since":null,"since_epoch":null,"sub":"dead","unit":"nginx.service"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let unit = args.unit("unit")?;
    session
        .act(service::Stop {}, unit, |grant| session.os.stop(grant, session.run.budget()))
        .map(|status| describe(&status))
}
