//! `service::enable`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::changed;
use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Has a unit started with the machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::enable",
        aliases: &[],
        needs: &[service::Enable::SPEC],
        params: &[Param::required("unit", Kind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: Returns {
            kind: "list",
            doc: "Of maps, one for each change on disk: `kind` (`symlink`, `unlink`), `path`, `target` (where a link leads). Empty, if it was so already.",
        },
        doc: "Has a unit started when the machine is, from now on. It is not started now.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: Example {
            args: r#"["nginx"]"#,
            returns: r#"[{"kind":"symlink","path":"/etc/systemd/system/nginx.service","target":"/lib/systemd/system/nginx.service"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let unit = args.unit("unit")?;
    session.act(service::Enable {}, unit, |grant| session.os.enable(grant, session.run.budget())).map(changed)
}
