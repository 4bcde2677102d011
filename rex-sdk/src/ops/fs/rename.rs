//! `fs::rename`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::into_missing;
use crate::os::WriteOptions;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Gives a file another name.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::rename",
        aliases: &[],
        needs: &[fs::Rename::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("from", ParamKind::Path, "The file."),
            Param::required("to", ParamKind::Path, "Its new name, on the same file system."),
            Param::option("new", ParamKind::Bool, Literal::Bool(false), "Fail if the new name is taken."),
        ],
        returns: ReturnSpec { kind: "nothing", doc: "" },
        doc: "Gives a file another name.\nA file that has the new name is replaced. Directories are not renamed: what lies below them would get names that nobody decided on.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/logs/app.log", "/srv/app/logs/app.log.1"]"#, returns: "null" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (from, to) = (args.path("from")?, args.path("to")?);
    let options = WriteOptions { new: args.flag("new")?, ..WriteOptions::default() };
    let taken = session.act(fs::Rename {}, from, |grant| session.os.take(grant))?;
    let action = fs::Write { bytes: i64::try_from(taken.size()).unwrap_or(i64::MAX) };
    session.act(action, to, |grant| taken.rename(grant, options)).map_err(into_missing)?;
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use rex_core::Code;

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn both_names_need_a_permission() {
        let world = World::ruled(MemOs::example(), |_, path| !path.starts_with("/etc"));
        assert_eq!(world.fails("fs::rename", r#"["/etc/hosts", "/tmp/h"]"#), Code::AccessDenied);
        assert_eq!(world.fails("fs::rename", r#"["version.txt", "/etc/hosts"]"#), Code::AccessDenied);
        assert_eq!(world.asked(), ["!rename /etc/hosts", "rename /srv/app/version.txt", "!write /etc/hosts"]);
        assert!(world.os.contents("/etc/hosts").is_some() && world.os.contents("/srv/app/version.txt").is_some());
    }

    #[test]
    fn a_file_takes_the_place_of_another_unless_it_must_be_new() {
        let world = World::new(MemOs::example());
        assert_eq!(world.fails("fs::rename", r#"["version.txt", "config.yaml", {"new": true}]"#), Code::AlreadyExists);
        assert_eq!(world.fails("fs::rename", r#"["logs", "other"]"#), Code::Unsupported);
        assert_eq!(world.returns("fs::rename", r#"["version.txt", "config.yaml"]"#), "null");
        assert_eq!(world.os.contents("/srv/app/config.yaml").unwrap(), b"1.4.2\n");
        assert_eq!(world.os.contents("/srv/app/version.txt"), None);
    }
}
