//! `sys::packages`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Lists the packages that are installed.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::packages",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[Param::option("name", Kind::Text, Literal::Null, "Only the package of this name.")],
        returns: Returns { kind: "list", doc: "Of maps: `name`, `version`, `architecture`." },
        doc: "Lists the packages that are installed, by dpkg or rpm, which are confined to their databases.",
        errors: &[Code::Unsupported, Code::Io],
        example: Example {
            args: r#"[{"name": "nginx"}]"#,
            returns: r#"[{"architecture":"amd64","name":"nginx","version":"1.22.1-9"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let wanted = args.text_option("name")?;
    let grant = session.permit(sys::Inspect {}, Host)?;
    let text = session.os.packages(grant, session.run.budget()).map_err(|error| error.about(&Host))?;
    let package = |line: &str| {
        let mut fields = line.split('\t');
        let name = fields.next().filter(|name| wanted.is_none_or(|wanted| wanted == *name))?;
        let mut next = || fields.next().map(Value::from);
        Some(Value::map([("name", name.into()), ("version", next()?), ("architecture", next()?)]))
    };
    Ok(Value::List(text.lines().filter_map(package).collect()))
}
