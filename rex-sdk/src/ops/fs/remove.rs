//! `fs::remove`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Removes a file or a symbolic link.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::remove",
        aliases: &[],
        needs: &[fs::Remove::SPEC],
        params: &[Param::required(
            "path",
            ParamKind::Path,
            "The file, as text, or as bytes where its name is not UTF-8; of a symbolic link, the link goes.",
        )],
        returns: ReturnSpec { kind: "nothing", doc: "" },
        doc: "Removes a file or a symbolic link.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/logs/old.log"]"#, returns: "null" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    session.act(fs::Remove {}, args.path("path")?, |grant| session.os.remove(grant))?;
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use rex_core::Code;

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn of_a_link_the_link_goes() {
        let world = World::ruled(MemOs::example(), |_, path| !path.starts_with("/srv/app/logs/"));
        assert_eq!(world.returns("fs::remove", r#"["current.log"]"#), "null");
        assert_eq!(world.fails("fs::remove", r#"["current.log"]"#), Code::NotFound);
        assert_eq!(world.fails("fs::remove", r#"["logs"]"#), Code::Unsupported);
        assert_eq!(world.fails("fs::remove", r#"["logs/app.log"]"#), Code::AccessDenied);
        assert!(world.os.contents("/srv/app/logs/app.log").is_some());
    }
}
