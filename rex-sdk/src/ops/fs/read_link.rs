//! `fs::read_link`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::stat::{look, unsupported};
use crate::os::EntryKind;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Returns the target of a symbolic link.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::read_link",
        aliases: &[],
        needs: &[fs::Stat::SPEC],
        params: &[Param::required("path", ParamKind::Path, "The symbolic link.")],
        returns: ReturnSpec {
            kind: "text",
            doc: "What the link says, as it says it: relative to its directory if it does not start with `/`.",
        },
        doc: "Tells where a symbolic link leads.\nOne step, whether there is something or not; `fs::stat` follows links to their end.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/current.log"]"#, returns: r#""logs/app.log""# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, metadata) = look(session, args.path("path")?)?;
    if metadata.kind != EntryKind::Symlink {
        return Err(unsupported(&path, &format!("it is a {}, not a symbolic link", metadata.kind.as_str())));
    }
    let target = metadata.target.ok_or_else(|| unsupported(&path, "where it leads is not UTF-8"))?;
    Ok(Value::Text(target))
}

#[cfg(test)]
mod tests {
    use rex_core::Code;

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn one_step_and_no_more() {
        let world = World::new(MemOs::example().link("/a", "/b").link("/raw", b"\xff").link("/d", "/srv/app"));
        assert_eq!(world.returns("fs::read_link", r#"["/a"]"#), r#""/b""#);
        // Links on the way are followed, each with its own permission.
        assert_eq!(world.returns("fs::read_link", r#"["/d/current.log"]"#), r#""logs/app.log""#);
        assert_eq!(world.asked()[1..], ["stat /d/current.log", "stat /srv/app/current.log"]);
        for (name, code) in [("/raw", Code::Unsupported), ("/none", Code::NotFound), ("/etc/hosts", Code::Unsupported)]
        {
            assert_eq!(world.fails("fs::read_link", &format!("[\"{name}\"]")), code, "{name}");
        }
    }
}
