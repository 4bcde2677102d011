//! `service::try_restart`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::describe;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Restarts a unit if it runs.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::try_restart",
        aliases: &[],
        needs: &[service::Restart::SPEC],
        params: &[Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: ReturnSpec { kind: "map", doc: super::STATUS },
        doc: "Restarts a unit if it runs, and does nothing if it does not.\nWaits until the service manager has done it.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample {
            args: r#"["nginx"]"#,
            returns: r#"{"active":"active","description":"A web server","load":"loaded","main_pid":4242,"since":"2026-03-02T12:00:00Z","since_epoch":1772452800.0,"sub":"running","unit":"nginx.service"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let unit = args.unit("unit")?;
    session
        .act(service::Restart {}, unit, |grant| session.os.try_restart(grant, session.run.budget()))
        .map(|status| describe(&status))
}
