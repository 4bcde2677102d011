//! `sys::packages`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Lists the installed packages.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::packages",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[
            Param::option("name", ParamKind::Text, Literal::Null, "Only the package of this name."),
            Param::option(
                "removed",
                ParamKind::Bool,
                Literal::Bool(false),
                "Tell those too that were removed, and left their configuration.",
            ),
        ],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `name`, `version`, `architecture`, `state`: `installed`, or how far its installation came (`unpacked`, `half-configured`, ...); with `removed`, also `config-files`.",
        },
        doc: "Lists the packages that are installed, by dpkg or rpm, which are confined to their databases.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[{"name": "nginx"}]"#,
            returns: r#"[{"architecture":"amd64","name":"nginx","state":"installed","version":"1.22.1-9"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let wanted = args.text_option("name")?;
    let grant = session.permit(sys::Inspect {}, Host)?;
    let text = session.os.packages(grant, session.run.budget()).map_err(|error| error.into_error(&Host))?;
    let removed = args.flag("removed")?;
    let package = |line: &str| match *line.split('\t').collect::<Vec<_>>() {
        // `dpkg` lists packages that it knows of but that were never installed.
        [_, _, _, "not-installed"] => None,
        [_, _, _, "config-files"] if !removed => None,
        [name, version, architecture, state] if wanted.is_none_or(|wanted| wanted == name) => Some(Ok(Value::map([
            ("name", name.into()),
            ("version", version.into()),
            ("architecture", architecture.into()),
            ("state", state.into()),
        ]))),
        [_, _, _, _] => None,
        _ => Some(Err(Error::new(
            Code::Io,
            format!("the package database is not as expected: `{}`", line.escape_debug()),
        ))),
    };
    text.lines().filter_map(package).collect::<Result<_, _>>().map(Value::List)
}

#[cfg(test)]
mod tests {
    use crate::MemOs;
    use crate::ops::fs::testing::World;

    #[test]
    fn what_was_removed_is_not_installed() {
        let world = World::new(MemOs::example());
        assert_eq!(world.returns("sys::packages", r#"[{"name": "oldpkg"}]"#), "[]");
        assert_eq!(
            world.returns("sys::packages", r#"[{"name": "oldpkg", "removed": true}]"#),
            r#"[{"architecture":"amd64","name":"oldpkg","state":"config-files","version":"1.0-1"}]"#
        );
    }
}
