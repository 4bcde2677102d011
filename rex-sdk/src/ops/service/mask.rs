//! `service::mask`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::changed;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Masks a unit: it cannot be started.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::mask",
        aliases: &[],
        needs: &[service::Mask::SPEC],
        params: &[Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, one for each change on disk: `kind` (`symlink`, `unlink`), `path`, `target` (where a link leads). Empty, if it was so already.",
        },
        doc: "Makes it impossible to start a unit, by hand or as a dependency. It is not stopped now.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample {
            args: r#"["nginx"]"#,
            returns: r#"[{"kind":"symlink","path":"/etc/systemd/system/nginx.service","target":"/dev/null"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let unit = args.unit("unit")?;
    session.act(service::Mask {}, unit, |grant| session.os.mask(grant, true, session.run.budget())).map(changed)
}
