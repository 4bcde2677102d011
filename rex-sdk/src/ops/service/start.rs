//! `service::start`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::describe;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Starts a unit.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::start",
        aliases: &[],
        needs: &[service::Start::SPEC],
        params: &[Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: ReturnSpec { kind: "map", doc: super::STATUS },
        doc: "Starts a unit.\nWaits until the service manager has done it, and fails if it could not.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample {
            args: r#"["backup"]"#,
            returns: r#"{"active":"active","description":"Nightly backup","load":"loaded","main_pid":5000,"since":"2026-03-02T12:00:00Z","since_epoch":1772452800.0,"sub":"running","unit":"backup.service"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let unit = args.unit("unit")?;
    session
        .act(service::Start {}, unit, |grant| session.os.start(grant, session.run.budget()))
        .map(|status| describe(&status))
}
