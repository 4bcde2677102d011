//! `service::unmask`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::changed;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Unmasks a unit: it can be started again.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::unmask",
        aliases: &[],
        needs: &[service::Mask::SPEC],
        params: &[Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, one for each change on disk: `kind` (`symlink`, `unlink`), `path`, `target` (where a link leads). Empty, if it was so already.",
        },
        doc: "Makes it possible again to start a unit that was masked.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample { args: r#"["nginx"]"#, returns: r#"[]"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let unit = args.unit("unit")?;
    session.act(service::Mask {}, unit, |grant| session.os.mask(grant, false, session.run.budget())).map(changed)
}
