//! `service::reload_daemon`

use rex_core::action::service;
use rex_core::resource::ServiceManager;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Makes the service manager reload all unit files.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::reload_daemon",
        aliases: &[],
        needs: &[service::ReloadDaemon::SPEC],
        params: &[],
        returns: ReturnSpec { kind: "nothing", doc: "." },
        doc: "Has the manager read the files of all units again, as is needed after one was changed.",
        errors: &[Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample { args: r#"[]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(service::ReloadDaemon {}, ServiceManager)?;
    session.os.reload_daemon(grant, session.run.budget()).map_err(|error| error.into_error(&ServiceManager))?;
    Ok(Value::Null)
}
