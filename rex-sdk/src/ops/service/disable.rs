//! `service::disable`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::{changed, reaching};
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Disables a unit: it no longer starts with the machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::disable",
        aliases: &[],
        needs: &[service::Disable::SPEC],
        params: &[Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, one for each change on disk: `kind` (`symlink`, `unlink`), `path`, `target` (where a link leads). Empty, if it was so already.",
        },
        doc: "No longer has a unit started when the machine is. It is not stopped now.\nUnits that its files disable along with it (`Also=`) are asked for, too, before anything is done.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample { args: r#"["nginx"]"#, returns: r#"[]"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let unit = args.unit("unit")?;
    reaching(session, &service::Disable {}, &unit, |grant, also| session.os.disable(grant, also, session.run.budget()))
        .map(changed)
}
