//! `service::logs`

use rex_core::action::service;
use rex_core::limits::exceeded;
use rex_core::{Action, Code, Error, Timestamp, Value};

use super::super::epoch;
use crate::os::LogQuery;
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Reads what a unit has logged.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::logs",
        aliases: &[],
        needs: &[service::Logs::SPEC],
        params: &[
            Param::required("unit", Kind::Unit, "The unit; `nginx` is `nginx.service`."),
            Param::option(
                "max",
                Kind::Count,
                Literal::Null,
                "The last so many records of those that are meant; all of them, if not given.",
            ),
            Param::option("since", Kind::Moment, Literal::Null, "Records since then."),
            Param::option("until", Kind::Moment, Literal::Null, "Records until then."),
            Param::option(
                "priority",
                Kind::Text,
                Literal::Null,
                "Records at least as urgent: `emerg`, `alert`, `crit`, `err`, `warning`, `notice`, `info` or `debug`.",
            ),
            Param::option(
                "pattern",
                Kind::Text,
                Literal::Null,
                "Records whose message matches this regular expression (PCRE2).",
            ),
        ],
        returns: Returns {
            kind: "list",
            doc: "Of maps, oldest first: `time` as RFC 3339, `time_epoch` in seconds, `priority`, `message`, `pid`, `identifier`; `()` where a record does not say.",
        },
        doc: "Reads what a unit has logged, from the journal.\nFilters are applied before anything is read into memory. The journal is read by its own program, confined to the journal.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded, Code::ServiceFailed],
        example: Example {
            args: r#"["nginx"]"#,
            returns: r#"[{"identifier":"systemd","message":"nginx.service started","pid":4242,"priority":"info","time":"2026-03-02T12:00:00Z","time_epoch":1772452800.0}]"#,
        },
    },
    call,
};

const PRIORITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (unit, max, limit) = (args.unit("unit")?, args.count_option("max")?, session.limits().entries);
    if max.is_some_and(|max| max > limit) {
        return Err(too_many(limit));
    }
    let query = LogQuery {
        since: args.moment_option("since", session.run.now())?,
        until: args.moment_option("until", session.run.now())?,
        priority: args.text_option("priority")?.map(urgency).transpose()?,
        pattern: args.text_option("pattern")?.map(str::to_owned),
        // One more tells whether there are too many.
        max: max.unwrap_or(limit.saturating_add(1)),
    };
    let records =
        session.act(service::Logs {}, unit, |grant| session.os.logs(grant, query.clone(), session.run.budget()))?;
    if max.is_none() && records.len() as u64 > limit {
        return Err(too_many(limit));
    }
    session.run.budget().count_read(records.iter().map(|record| record.len() as u64).sum())?;
    records.iter().map(|record| describe(record)).collect::<Result<_, _>>().map(Value::List)
}

/// A list has no room to say that it is not all.
fn too_many(limit: u64) -> Error {
    let error = exceeded("entries", limit, "records");
    let help = error.help.clone().unwrap_or_default();
    error.with_help(format!("say with `max`, `since`, `priority` or `pattern` which are meant; {help}"))
}

fn urgency(name: &str) -> Result<u8, Error> {
    let place = PRIORITIES.iter().position(|known| *known == name);
    place.and_then(|place| u8::try_from(place).ok()).ok_or_else(|| {
        let message = format!("`{}` is not a priority", name.escape_debug());
        Error::validation(message).with_help(format!("there are: {}", PRIORITIES.join(", ")))
    })
}

/// A record, as scripts see it; see `systemd.journal-fields(7)`.
fn describe(record: &str) -> Result<Value, Error> {
    let unclear = |_| Error::new(Code::Io, "a record of the journal is not JSON");
    let record: serde_json::Map<String, serde_json::Value> = serde_json::from_str(record).map_err(unclear)?;
    let text = |name: &str| match record.get(name)? {
        serde_json::Value::String(text) => Some(text.clone()),
        // What is not text comes as its bytes.
        serde_json::Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => None,
    };
    let number = |name: &str| text(name)?.parse::<i64>().ok();
    let time = number("__REALTIME_TIMESTAMP").map(Timestamp::from_micros);
    let priority = number("PRIORITY").and_then(|number| PRIORITIES.get(usize::try_from(number).ok()?).copied());
    Ok(Value::map([
        ("time", time.map(|time| time.to_string()).into()),
        ("time_epoch", time.map(epoch).unwrap_or_default()),
        ("priority", priority.into()),
        ("message", text("MESSAGE").into()),
        ("pid", number("_PID").into()),
        ("identifier", text("SYSLOG_IDENTIFIER").into()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_may_lack_anything_and_hold_bytes() {
        let told = describe(r#"{"MESSAGE":[104,105,255],"PRIORITY":"99","_PID":"x"}"#).unwrap();
        assert_eq!(told.get("message"), Some(&"hi\u{fffd}".into()));
        for key in ["time", "time_epoch", "priority", "pid", "identifier"] {
            assert_eq!(told.get(key), Some(&Value::Null), "{key}");
        }
        assert_eq!(describe("[").unwrap_err().code, Code::Io);
        assert_eq!((urgency("err").unwrap(), urgency("error").unwrap_err().code), (3, Code::Validation));
    }
}
