//! `fs::set_xattr`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::xattr::{NAME, named};
use crate::os::{ANY_MODE, is_permission};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Sets or removes an extended attribute of a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::set_xattr",
        aliases: &[],
        needs: &[fs::SetXattr::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file or directory."),
            NAME,
            Param::option("value", ParamKind::Text, Literal::Null, "The value; without one, the attribute is removed."),
        ],
        returns: ReturnSpec { kind: "nothing", doc: "." },
        doc: "Sets or removes an extended attribute of a file.\nAn attribute outside of `user.` says who may do what with the file (`system.posix_acl_access`, `security.capability`): it asks for `fs::chmod` with the mode 07777, too.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"["/srv/app/config.yaml", "user.origin", {"value": "hand"}]"#,
            returns: r#"null"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let name = named(args)?;
    let value = args.text_option("value")?.map(str::as_bytes);
    let permissions = is_permission(&name);
    session.act(fs::SetXattr { name }, args.path("path")?, |grant| {
        let besides = permissions.then(|| session.permit(fs::Chmod { mode: ANY_MODE }, grant.resource().clone()));
        session.os.set_xattr(grant, besides.transpose()?, value)
    })?;
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use rex_core::Code;

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn what_says_who_may_do_what_is_asked_for_as_such() {
        let lists =
            ["system.posix_acl_access", "system.posix_acl_default", "security.capability", "trusted.x", "User.x"];
        for name in lists {
            let world = World::ruled(MemOs::example(), |action, _| action != "chmod");
            for value in [r#"{"value": "x"}"#, "{}"] {
                let args = format!(r#"["config.yaml", "{name}", {value}]"#);
                assert_eq!(world.fails("fs::set_xattr", &args), Code::AccessDenied, "{name}");
            }
            let asked = ["set_xattr /srv/app/config.yaml", "!chmod /srv/app/config.yaml"];
            assert_eq!(world.asked(), [asked, asked].concat());
            let world = World::new(MemOs::example());
            assert_eq!(
                world.returns("fs::set_xattr", &format!(r#"["config.yaml", "{name}", {{"value": "x"}}]"#)),
                "null"
            );
        }
        let world = World::ruled(MemOs::example(), |action, _| action == "set_xattr");
        assert_eq!(world.returns("fs::set_xattr", r#"["config.yaml", "user.x", {"value": "x"}]"#), "null");
        assert_eq!(world.asked(), ["set_xattr /srv/app/config.yaml"]);
    }
}
