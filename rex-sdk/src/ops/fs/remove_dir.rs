//! `fs::remove_dir`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Removes an empty directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::remove_dir",
        aliases: &[],
        needs: &[fs::Remove::SPEC],
        params: &[Param::required("path", ParamKind::Path, "The directory.")],
        returns: ReturnSpec { kind: "nothing", doc: "" },
        doc: "Removes an empty directory.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/empty"]"#, returns: "null" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    session.act(fs::Remove {}, args.path("path")?, |grant| session.os.remove_dir(grant))?;
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use rex_core::Code;

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn only_an_empty_directory_goes() {
        let world = World::ruled(MemOs::example(), |_, path| path != "/tmp");
        assert_eq!(world.fails("fs::remove_dir", r#"["logs"]"#), Code::Io);
        assert_eq!(world.fails("fs::remove_dir", r#"["version.txt"]"#), Code::Unsupported);
        assert_eq!(world.fails("fs::remove_dir", r#"["/tmp"]"#), Code::AccessDenied);
        assert_eq!(world.returns("fs::remove_dir", r#"["empty"]"#), "null");
        assert_eq!(world.returns("fs::exists", r#"["empty"]"#), "false");
    }
}
