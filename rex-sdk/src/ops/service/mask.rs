//! `service::mask`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::changed;
use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Masks a unit: it cannot be started.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::mask",
        aliases: &[],
        needs: &[service::Mask::SPEC],
        params: &[Param::required("unit", Kind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: Returns {
            kind: "list",
            doc: "Of maps, one for each change on disk: `kind` (`symlink`, `unlink`), `path`, `target` (where a link leads). Empty, if it was so already.",
        },
        doc: "Makes it impossible to start a unit, by hand or as a dependency. It is not stopped now.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: Example {
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
