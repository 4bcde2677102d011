//! `service::properties`

use std::collections::BTreeMap;

use rex_core::action::service;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Returns the properties of a unit.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::properties",
        aliases: &[],
        needs: &[service::Status::SPEC],
        params: &[
            Param::required("unit", ParamKind::Unit, "The unit; `nginx` is `nginx.service`."),
            Param::option(
                "names",
                ParamKind::Texts,
                Literal::Null,
                "Only these, in systemd's spelling: `MemoryCurrent`.",
            ),
        ],
        returns: ReturnSpec {
            kind: "map of names",
            doc: "The properties by their names, see `org.freedesktop.systemd1(5)`. Times are in microseconds; what has no number is `()`.",
        },
        doc: "Tells all that the manager says of a unit: what is in its files, and what became of it.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::ServiceFailed],
        example: CallExample {
            args: r#"["nginx", {"names": ["Id", "ActiveState"]}]"#,
            returns: r#"{"ActiveState":"active","Id":"nginx.service"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let names = args.texts("names")?;
    let mut found = all(session, args)?;
    if let Some(unknown) = names.iter().find(|name| !found.contains_key(*name)) {
        return Err(Error::new(Code::NotFound, format!("the unit has no property `{}`", unknown.escape_debug())));
    }
    found.retain(|name, _| names.is_empty() || names.contains(name));
    Ok(Value::Map(found))
}

pub(super) fn all(session: &Session<'_>, args: &Args) -> Result<BTreeMap<String, Value>, Error> {
    let unit = args.unit("unit")?;
    session.act(service::Status {}, unit, |grant| session.os.properties(grant, session.run.budget()))
}
