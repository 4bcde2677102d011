//! `service::reload`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::describe;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Makes a unit reload its configuration.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::reload",
        aliases: &[],
        needs: &[service::Reload::SPEC],
        params: &[Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: ReturnSpec { kind: "map", doc: super::STATUS },
        doc: "Has a unit read its configuration again.\nWaits until the service manager has done it, and fails if it could not.",
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
        .act(service::Reload {}, unit, |grant| session.os.reload(grant, session.run.budget()))
        .map(|status| describe(&status))
}
