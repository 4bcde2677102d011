//! `service::enable`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::{changed, reaching};
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Enables a unit: it starts with the machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::enable",
        aliases: &[],
        needs: &[service::Enable::SPEC],
        params: &[Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, one for each change on disk: `kind` (`symlink`, `unlink`), `path`, `target` (where a link leads). Empty, if it was so already.",
        },
        doc: "Has a unit started when the machine is, from now on. It is not started now.\nUnits that its files enable along with it (`Also=`) are asked for, too, and those whose names it takes, before anything is done.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample {
            args: r#"["nginx"]"#,
            returns: r#"[{"kind":"symlink","path":"/etc/systemd/system/nginx.service","target":"/lib/systemd/system/nginx.service"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let unit = args.unit("unit")?;
    reaching(session, &service::Enable {}, &unit, |grant, also| session.os.enable(grant, also, session.run.budget()))
        .map(changed)
}

#[cfg(test)]
mod tests {
    use rex_core::Code;
    use rex_core::resource::Unit;

    use super::super::super::fs::testing::World;
    use crate::MemOs;

    #[test]
    fn each_unit_that_is_reached_is_asked_for_first() {
        let os = || MemOs::example().unit_also("nginx.service", Unit::parse("secret").unwrap());
        for verb in ["enable", "disable"] {
            let operation = format!("service::{verb}");
            let world = World::ruled(os(), |_, unit| unit != "secret.service");
            assert_eq!(world.fails(&operation, r#"["nginx"]"#), Code::AccessDenied);
            assert_eq!(world.asked(), [format!("{verb} nginx.service"), format!("!{verb} secret.service")]);
            let world = World::new(os());
            world.call(&operation, r#"["nginx"]"#).unwrap();
            let again = format!("{verb} nginx.service");
            assert_eq!(world.asked(), [again.clone(), format!("{verb} secret.service"), again]);
        }
    }
}
