//! `service::timers`

use rex_core::action::service;
use rex_core::resource::ServiceManager;
use rex_core::{Action, Code, Error, Timestamp, Value};

use crate::os::TimerStatus;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the timers and when they elapse.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::timers",
        aliases: &[],
        needs: &[service::List::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, in the order of their names: `timer`, `unit` (what it starts), `next` and `last` as RFC 3339, `()` where there is none. `next` is told of timers that follow the calendar.",
        },
        doc: "Lists the timers that the service manager has loaded, with when they elapse.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"last":null,"next":"2026-03-03T00:00:00Z","timer":"backup.timer","unit":"backup.service"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(service::List {}, ServiceManager)?;
    let timers = session.os.timers(grant, session.run.budget()).map_err(|error| error.into_error(&ServiceManager))?;
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).into();
    let entry = |timer: TimerStatus| {
        Value::map([
            ("timer", timer.name.into()),
            ("unit", timer.unit.into()),
            ("next", time(timer.next)),
            ("last", time(timer.last)),
        ])
    };
    Ok(Value::List(timers.into_iter().map(entry).collect()))
}
