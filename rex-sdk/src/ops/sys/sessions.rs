//! `sys::sessions`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Timestamp, Value};

use super::super::epoch;
use crate::proc::sessions;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the login sessions.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::sessions",
        aliases: &[],
        needs: &[sys::Sessions::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `user`, `terminal`, `host` (from where; empty for a local one), and since when: `since` as RFC 3339, `since_epoch` in seconds.",
        },
        doc: "Lists who is logged in.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample { args: r#"[]"#, returns: r#"[]"# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(sys::Sessions {}, Host)?;
    let records = session.os.sessions(grant, session.run.budget()).map_err(|error| error.into_error(&Host))?;
    let entry = |(user, terminal, host, seconds): (String, String, String, i64)| {
        let since = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
        Value::map([
            ("user", user.into()),
            ("terminal", terminal.into()),
            ("host", host.into()),
            ("since", since.to_string().into()),
            ("since_epoch", epoch(since)),
        ])
    };
    Ok(Value::List(sessions(&records).into_iter().map(entry).collect()))
}
