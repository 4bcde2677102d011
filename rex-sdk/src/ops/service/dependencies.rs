//! `service::dependencies`

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use super::properties::all;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Returns the units that a unit depends on.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::dependencies",
        aliases: &[],
        needs: &[service::Status::SPEC],
        params: &[Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`.")],
        returns: ReturnSpec {
            kind: "map",
            doc: "Lists of units: `requires`, `wants`, `binds_to`, `part_of`, `conflicts`, `before`, `after`, `required_by`, `wanted_by`.",
        },
        doc: "Tells which units a unit depends on, and which depend on it.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample {
            args: r#"["nginx"]"#,
            returns: r#"{"after":["network.target"],"before":[],"binds_to":[],"conflicts":[],"part_of":[],"required_by":[],"requires":["system.slice"],"wanted_by":[],"wants":[]}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    const KINDS: [(&str, &str); 9] = [
        ("requires", "Requires"),
        ("wants", "Wants"),
        ("binds_to", "BindsTo"),
        ("part_of", "PartOf"),
        ("conflicts", "Conflicts"),
        ("before", "Before"),
        ("after", "After"),
        ("required_by", "RequiredBy"),
        ("wanted_by", "WantedBy"),
    ];
    let mut found = all(session, args)?;
    let list =
        |(key, name): (&str, &str)| (key.to_owned(), found.remove(name).unwrap_or_else(|| Value::List(Vec::new())));
    Ok(Value::Map(KINDS.into_iter().map(list).collect()))
}
