//! `service::list`

use rex_core::action::service;
use rex_core::limits::exceeded;
use rex_core::resource::ServiceManager;
use rex_core::{Action, Code, Error, Value};

use crate::words::UNIT_STATES;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Lists the units.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::list",
        aliases: &[],
        needs: &[service::List::SPEC],
        params: &[
            Param::option("kind", ParamKind::Text, Literal::Text("service"), "The type of unit, or `all`.")
                .of(ParamForm::OneOf(KINDS)),
            Param::option(
                "active",
                ParamKind::Text,
                Literal::Null,
                "Only units in this state: `active`, `failed`, ...",
            )
            .of(ParamForm::OneOf(UNIT_STATES)),
        ],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, in the order of their names: `unit`, `description`, `load`, `active`, `sub`.",
        },
        doc: "Lists the units that the service manager has loaded.\nWho may list sees every unit with its state; `service::status` tells more, with a permission for each.",
        errors: &[Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"[{"active": "active"}]"#,
            returns: r#"[{"active":"active","description":"A web server","load":"loaded","sub":"running","unit":"nginx.service"}]"#,
        },
    },
    call,
};

/// Types of units; see `systemd.unit(5)`.
const KINDS: &[&str] =
    &["all", "service", "socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope"];

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (kind, active) = (args.text("kind")?, args.text_option("active")?);
    let grant = session.permit(service::List {}, ServiceManager)?;
    let units = session.os.units(grant, session.run.budget()).map_err(|error| error.into_error(&ServiceManager))?;
    let limit = session.limits().entries;
    if units.len() as u64 > limit {
        return Err(exceeded("entries", limit, "units"));
    }
    let wanted = |name: &str, state: &str| {
        (kind == "all" || name.rsplit_once('.').is_some_and(|(_, suffix)| suffix == kind))
            && active.is_none_or(|active| active == state)
    };
    let units = units.iter().filter(|unit| wanted(&unit.name, &unit.active)).map(|unit| {
        Value::map([
            ("unit", unit.name.as_str().into()),
            ("description", unit.description.as_str().into()),
            ("load", unit.load.as_str().into()),
            ("active", unit.active.as_str().into()),
            ("sub", unit.sub.as_str().into()),
        ])
    });
    Ok(Value::List(units.collect()))
}
