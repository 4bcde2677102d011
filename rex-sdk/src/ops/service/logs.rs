//! `service::logs`

use std::collections::BTreeMap;

use rex_core::action::{service, sys};
use rex_core::limits::exceeded;
use rex_core::resource::{Host, Unit};
use rex_core::{Action, Code, Error, Timestamp, Value};

use super::super::epoch;
use crate::os::{ALL_UNITS, LogQuery};
use crate::words::PRIORITIES;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Reads the log of a unit.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "service::logs",
        aliases: &[],
        needs: &[service::Logs::SPEC],
        params: &[
            Param::required(
                "unit",
                ParamKind::Text,
                "The unit; `nginx` is `nginx.service`. `*` is the whole journal, as `-.slice` is the unit in which all others are.",
            ),
            Param::option(
                "max",
                ParamKind::Count,
                Literal::Null,
                "The last so many records of those that are meant; all of them, if not given.",
            ),
            Param::option("since", ParamKind::Moment, Literal::Null, "Records since then."),
            Param::option("until", ParamKind::Moment, Literal::Null, "Records until then."),
            Param::option(
                "priority",
                ParamKind::Text,
                Literal::Null,
                "Records at least as urgent: `emerg`, `alert`, `crit`, `err`, `warning`, `notice`, `info` or `debug`.",
            )
            .of(ParamForm::OneOf(PRIORITIES)),
            Param::option(
                "pattern",
                ParamKind::Text,
                Literal::Null,
                "Records whose message matches this regular expression (PCRE2).",
            ),
            Param::option(
                "skip_denied",
                ParamKind::Bool,
                Literal::Bool(false),
                "Of the whole journal, leave out records of units that are not permitted, instead of failing.",
            ),
        ],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, oldest first: `time` as RFC 3339, `time_epoch` in seconds, `priority`, `message`, `pid`, `identifier`, `unit` (that it is of or about); `()` where a record does not say.",
        },
        doc: "Reads what a unit has logged, from the journal.\nA unit that is not loaded any more has its log all the same. Of the whole journal, each unit that it has records of is asked for, too, \
              and for records of the kernel `sys::kernel_log`. Filters are applied before anything is read into memory. The journal is read by its own program, confined to the journal.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded, Code::ServiceFailed],
        example: CallExample {
            args: r#"["nginx"]"#,
            returns: r#"[{"identifier":"systemd","message":"nginx.service started","pid":4242,"priority":"info","time":"2026-03-02T12:00:00Z","time_epoch":1772452800.0,"unit":"nginx.service"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (unit, max, limit) = (unit(args)?, args.count_option("max")?, session.limits().entries);
    let all = unit.name() == ALL_UNITS;
    if max.is_some_and(|max| max > limit) {
        return Err(too_many(limit));
    }
    let query = LogQuery {
        since: args.moment_option("since", session.run.now())?,
        until: args.moment_option("until", session.run.now())?,
        priority: args.text_option("priority")?.and_then(urgency),
        pattern: args.text_option("pattern")?.map(str::to_owned),
        // One record more shows whether there are too many.
        max: max.unwrap_or(limit.saturating_add(1)),
    };
    let records =
        session.act(service::Logs {}, unit, |grant| session.os.logs(grant, query.clone(), session.run.budget()))?;
    if max.is_none() && records.len() as u64 > limit {
        return Err(too_many(limit));
    }
    session.run.budget().count_read(records.iter().map(|record| record.len() as u64).sum())?;
    let mut may = UnitPermits { session, skip_denied: args.flag("skip_denied")?, known: BTreeMap::new() };
    let mut told = Vec::with_capacity(records.len());
    for record in &records {
        session.run.budget().check()?;
        let record = LogRecord::parse(record)?;
        if !all || may.tell(&record)? {
            told.push(record.describe());
        }
    }
    Ok(Value::List(told))
}

fn unit(args: &Args) -> Result<Unit, Error> {
    let text = match args.text("unit")? {
        "*" => ALL_UNITS,
        text => text,
    };
    Unit::parse(text).map_err(|error| Error::validation(error.to_string()))
}

/// The units of the whole log that may be shown. Each unit is requested once, at its first record.
struct UnitPermits<'s, 'r> {
    session: &'s Session<'r>,
    skip_denied: bool,
    known: BTreeMap<String, bool>,
}

impl UnitPermits<'_, '_> {
    fn tell(&mut self, record: &LogRecord) -> Result<bool, Error> {
        let kernel = record.text("_TRANSPORT").as_deref() == Some("kernel");
        // A record of the manager about a unit belongs to that unit.
        let name = if kernel { Some(String::new()) } else { record.unit() };
        let Some(name) = name else { return Ok(true) };
        if let Some(known) = self.known.get(&name) {
            return Ok(*known);
        }
        let asked = match Unit::parse(&name) {
            _ if kernel => self.session.permit(sys::KernelLog {}, Host).map(drop),
            Ok(unit) => self.session.permit(service::Logs {}, unit).map(drop),
            // A record of an invalid unit cannot be requested, so it is not shown.
            Err(error) => Err(Error::new(Code::AccessDenied, error.to_string())),
        };
        let permitted = match asked {
            Ok(()) => true,
            Err(error) if error.code == Code::AccessDenied && self.skip_denied && !error.is_fatal() => false,
            Err(error) => return Err(error),
        };
        self.known.insert(name, permitted);
        Ok(permitted)
    }
}

/// Returns the error of too many records: an incomplete list could not say so.
fn too_many(limit: u64) -> Error {
    let error = exceeded("entries", limit, "records");
    let help = error.help.clone().unwrap_or_default();
    error.with_help(format!("select fewer with `max`, `since`, `priority` or `pattern`; {help}"))
}

fn urgency(name: &str) -> Option<u8> {
    PRIORITIES.iter().position(|known| *known == name).and_then(|place| u8::try_from(place).ok())
}

/// A record; see `systemd.journal-fields(7)`.
struct LogRecord(serde_json::Map<String, serde_json::Value>);

impl LogRecord {
    fn parse(record: &str) -> Result<Self, Error> {
        let unclear = |_| Error::new(Code::Io, "a record of the journal cannot be read");
        serde_json::from_str(record).map(Self).map_err(unclear)
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            serde_json::Value::String(text) => Some(text.clone()),
            // Data that is not text is a list of bytes; a repeated field is a list of texts or of such lists.
            serde_json::Value::Array(all) => match all.first()? {
                serde_json::Value::String(first) => Some(first.clone()),
                serde_json::Value::Array(first) => Some(lossy(first)),
                _ => Some(lossy(all)),
            },
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Returns the unit that the record is about, or comes from.
    fn unit(&self) -> Option<String> {
        self.text("UNIT").or_else(|| self.text("_SYSTEMD_UNIT"))
    }

    /// Returns the record as a script sees it.
    fn describe(&self) -> Value {
        let time = self.number("__REALTIME_TIMESTAMP").map(Timestamp::from_micros);
        let priority =
            self.number("PRIORITY").and_then(|number| PRIORITIES.get(usize::try_from(number).ok()?).copied());
        Value::map([
            ("time", time.map(|time| time.to_string()).into()),
            ("time_epoch", time.map(epoch).unwrap_or_default()),
            ("priority", priority.into()),
            ("message", self.text("MESSAGE").into()),
            ("pid", self.number("_PID").into()),
            ("identifier", self.text("SYSLOG_IDENTIFIER").into()),
            ("unit", self.unit().into()),
        ])
    }
}

fn lossy(bytes: &[serde_json::Value]) -> String {
    let bytes: Vec<u8> = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rex_core::{AbsPath, Authorize, Decision, Limits, MemoryJournal, Principal, Request, Run, Subject};

    use super::*;
    use crate::MemOs;

    #[test]
    fn a_record_may_lack_anything_and_hold_bytes() {
        let told = LogRecord::parse(r#"{"MESSAGE":[104,105,255],"PRIORITY":"99","_PID":"x"}"#).unwrap().describe();
        assert_eq!(told.get("message"), Some(&"hi\u{fffd}".into()));
        for key in ["time", "time_epoch", "priority", "pid", "identifier", "unit"] {
            assert_eq!(told.get(key), Some(&Value::Null), "{key}");
        }
        assert_eq!(LogRecord::parse("[").err().unwrap().code, Code::Io);
        let twice =
            LogRecord::parse(r#"{"MESSAGE":["one","two"],"UNIT":"a.service","_SYSTEMD_UNIT":"b.service"}"#).unwrap();
        assert_eq!((twice.text("MESSAGE").as_deref(), twice.unit().as_deref()), (Some("one"), Some("a.service")));
        assert_eq!((urgency("err"), urgency("error")), (Some(3), None));
    }

    /// A policy that permits everything but this action or resource.
    struct But(&'static str);

    impl Authorize for But {
        fn decide(&self, request: &Request<'_>) -> Decision {
            if [request.resource.id(), request.action.spec().name].contains(&self.0) {
                return Decision::deny(None);
            }
            Decision::allow(&["rule"])
        }
    }

    #[test]
    fn of_the_whole_journal_each_unit_is_asked_for() {
        for (denied, name, code) in [
            ("nothing", "*", None),
            ("nothing", "-.slice", None),
            ("nginx.service", "*", Some(Code::AccessDenied)),
            ("-.slice", "*", Some(Code::AccessDenied)),
            // Not requested if no record is from the kernel.
            ("kernel_log", "*", None),
        ] {
            let subject = Subject::new(Principal::agent("tester"));
            let journal = Arc::new(MemoryJournal::new(99));
            let run = Run::new("test", subject, Arc::new(But(denied)), journal, Limits::default());
            let (os, base) = (MemOs::example(), AbsPath::root());
            let session = Session::new(&run, &os, &base);
            let told = session.call("service::logs", vec![name.into()]);
            assert_eq!(told.as_ref().err().map(|error| error.code), code, "{denied} {name}");
            let left = session.call("service::logs", vec![name.into(), Value::map([("skip_denied", true.into())])]);
            if denied == "nginx.service" {
                assert_eq!(left, Ok(Value::List(Vec::new())));
            }
        }
    }
}
