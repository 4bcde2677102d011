//! `service::wait_until`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::describe;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Waits until a unit is in a state.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::wait_until",
        aliases: &[],
        needs: &[service::Status::SPEC],
        params: &[
            Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`."),
            Param::required(
                "state",
                ParamKind::Text,
                "`active`, `inactive`, `failed`, `activating`, `deactivating` or `reloading`.",
            )
            .of(ParamForm::OneOf(&[
                "active",
                "inactive",
                "failed",
                "activating",
                "deactivating",
                "reloading",
            ])),
            Param::option("timeout", ParamKind::Duration, Literal::Text("10s"), "How long it waits at most."),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "What `service::status` returns, and `reached`: whether it came to be in that state.",
        },
        doc: "Waits until a unit is in a state, for instance `active` after a restart, or `inactive` after a stop.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample {
            args: r#"["nginx", "active"]"#,
            returns: r#"{"active":"active","description":"A web server","load":"loaded","main_pid":4242,"reached":true,"since":"2026-03-02T12:00:00Z","since_epoch":1772452800.0,"sub":"running","unit":"nginx.service"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (unit, state) = (args.unit("unit")?, args.text("state")?);
    let timeout = args.millis("timeout")?;
    let status = session.act(service::Status {}, unit, |grant| {
        session.os.wait_until(grant, state.to_owned(), timeout, session.run.budget())
    })?;
    let mut told = describe(&status);
    if let Value::Map(entries) = &mut told {
        entries.insert("reached".to_owned(), Value::Bool(status.active == state));
    }
    Ok(told)
}
