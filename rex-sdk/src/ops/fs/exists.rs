//! `fs::exists`

use std::io::ErrorKind;

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, OsError, Param, ParamKind, ReturnSpec, Session};

/// Returns `true` if a name exists.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::exists",
        aliases: &[],
        needs: &[fs::Stat::SPEC],
        params: &[Param::required("path", ParamKind::Path, "The name.")],
        returns: ReturnSpec {
            kind: "bool",
            doc: "Whether there is anything; a symbolic link counts, even one that leads nowhere.",
        },
        doc: "Tells whether there is something of that name.\nWhat may not be looked at is denied, so the answer tells nothing that is not permitted.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/config.yaml"]"#, returns: "true" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let exists = |grant| match session.os.stat(grant) {
        Ok(_) => Ok(true),
        // A file has nothing below it.
        Err(OsError::Io(error)) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    };
    session.act(fs::Stat {}, args.path("path")?, exists).map(Value::Bool)
}

#[cfg(test)]
mod tests {
    use rex_core::Code;

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn only_what_is_permitted_is_answered() {
        let os = MemOs::example().link("/srv/app/lost", "none");
        let world = World::ruled(os, |_, path| path.starts_with("/srv/app"));
        for (name, exists) in
            [("version.txt", "true"), ("logs", "true"), ("lost", "true"), ("none", "false"), ("version.txt/x", "false")]
        {
            assert_eq!(world.returns("fs::exists", &format!("[\"{name}\"]")), exists, "{name}");
        }
        for name in ["/etc/hosts", "/etc/none"] {
            assert_eq!(world.fails("fs::exists", &format!("[\"{name}\"]")), Code::AccessDenied, "{name}");
        }
    }
}
