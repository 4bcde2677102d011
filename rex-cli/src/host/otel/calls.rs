//! A span for each operation, with its decisions as events.

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use opentelemetry_proto::transform::common::tonic::Attributes;
use rex_audit::Entry;
use rex_core::{ACTIONS, Timestamp};

use super::nanos;
use crate::host::report::SUCCESS;

/// Maximum number of spans and events. Operations beyond that are only counted.
const MOST: usize = 10_000;
/// Maximum number of decisions of one operation; SDKs of OpenTelemetry have as many events in a span.
const EVENTS: usize = 128;
/// Maximum length of a text, in characters.
const TEXT: usize = 1_024;

/// The attributes that OpenTelemetry has for types of resources: namespace, type, attribute.
const NAMES: [(&str, &str, &str); 4] = [
    ("fs", "Path", "file.path"),
    ("net", "Host", "server.address"),
    ("net", "Url", "url.full"),
    ("process", "Program", "process.executable.path"),
];

/// The calls of a run so far.
#[derive(Debug, Default)]
pub(super) struct CallSpans {
    /// The spans of calls that ended. Their trace is not known yet.
    pub(super) ended: Vec<Span>,
    /// Number of ended calls without a span.
    pub(super) left_out: i64,
    /// The SHA-256 of the policy.
    pub(super) policy: Option<String>,
    /// The call that has not ended yet.
    open: Option<OpenSpan>,
    /// Number of spans and events kept.
    count: usize,
}

/// A call of an operation.
#[derive(Debug)]
struct OpenSpan {
    operation: String,
    line: Option<u32>,
    start: Timestamp,
    events: Vec<Event>,
    events_left_out: u32,
    first: Option<SpanDecision>,
    /// The last denial.
    denied: Option<SpanDecision>,
}

#[derive(Debug, Clone)]
struct SpanDecision {
    attributes: Vec<KeyValue>,
    reason: String,
}

impl CallSpans {
    /// Adds a record.
    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        match &*entry.event {
            "start" => self.policy = entry.policy.as_deref().map(cut),
            "decision" => self.open.get_or_insert_with(|| OpenSpan::new(entry)).decided(entry),
            "outcome" => {
                let took = i64::try_from(entry.duration_us).unwrap_or(i64::MAX);
                let mut call = self.open.take().unwrap_or_else(|| OpenSpan::new(entry));
                // The record is written a moment after the call ended; the decisions came after its start.
                call.start = call.start.min(Timestamp::from_micros(time(entry).as_micros().saturating_sub(took)));
                let result = entry.result.as_deref().unwrap_or_default();
                self.end(call, time(entry), result, Some(KeyValue::new("rex.bytes", number(entry.bytes))));
            }
            _ => {}
        }
    }

    /// Ends the open call, if any, with the run.
    pub(super) fn run_ended(&mut self, time: Timestamp, result: &str) {
        if let Some(open) = self.open.take() {
            self.end(open, time, result, None);
        }
    }

    fn end(&mut self, call: OpenSpan, time: Timestamp, result: &str, more: Option<KeyValue>) {
        let count = 1 + call.events.len();
        if self.count + count > MOST {
            self.left_out += 1;
        } else {
            self.count += count;
            self.ended.push(call.span(time, result, more));
        }
    }
}

impl OpenSpan {
    fn new(entry: &Entry<'_>) -> Self {
        Self {
            operation: cut(&entry.operation),
            line: entry.line,
            start: time(entry),
            events: Vec::new(),
            events_left_out: 0,
            first: None,
            denied: None,
        }
    }

    fn decided(&mut self, entry: &Entry<'_>) {
        let denied = entry.is_denial();
        if self.events.len() >= EVENTS {
            self.events_left_out += 1;
            if !denied {
                return;
            }
        }
        let decision = SpanDecision::new(entry);
        if self.events.len() < EVENTS {
            let reason = Some(&decision.reason).filter(|reason| !reason.is_empty());
            let reason = reason.map(|reason| KeyValue::new("rex.reason", reason.clone()));
            self.events.push(Event {
                time_unix_nano: nanos(time(entry)),
                name: "rex.decision".to_owned(),
                attributes: Attributes::from(decision.attributes.iter().cloned().chain(reason)).0,
                ..Event::default()
            });
        }
        if denied {
            self.denied = Some(decision.clone());
        }
        self.first.get_or_insert(decision);
    }

    fn span(self, end: Timestamp, result: &str, more: Option<KeyValue>) -> Span {
        let denied = result == rex_core::Code::AccessDenied.as_str();
        let decision = self.denied.filter(|_| denied).or(self.first);
        let reason = decision.as_ref().filter(|_| denied).map(|decision| decision.reason.clone());
        let mut attributes = outcome(result);
        attributes.extend(self.line.map(|line| KeyValue::new("code.line.number", i64::from(line))));
        attributes.extend(more);
        attributes.extend(decision.into_iter().flat_map(|decision| decision.attributes));
        Span {
            name: self.operation,
            kind: SpanKind::Internal as i32,
            start_time_unix_nano: nanos(self.start),
            end_time_unix_nano: nanos(end),
            attributes: Attributes::from(attributes).0,
            events: self.events,
            dropped_events_count: self.events_left_out,
            status: status(result, reason.unwrap_or_default()),
            ..Span::default()
        }
    }
}

impl SpanDecision {
    fn new(entry: &Entry<'_>) -> Self {
        let text = |name: &'static str, text: Option<&str>| KeyValue::new(name, cut(text.unwrap_or_default()));
        let (action, resource) = (entry.action.as_deref(), entry.resource.as_deref());
        let policies = entry.policies.iter().map(|policy| cut(policy));
        let known = action.and_then(named).map(|name| text(name, resource));
        let attributes = [
            text("rex.action", action),
            text("rex.resource", resource),
            text("rex.decision", entry.decision.as_deref()),
            KeyValue::new("rex.policies", texts(policies)),
        ];
        let attributes = attributes.into_iter().chain(known).collect();
        Self { attributes, reason: cut(entry.reason.as_deref().unwrap_or_default()) }
    }
}

/// Returns the attribute for the resource of an action.
fn named(action: &str) -> Option<&'static str> {
    let (namespace, name) = action.split_once("::")?;
    let spec = ACTIONS.iter().find(|spec| (spec.namespace, spec.name) == (namespace, name))?.resource;
    NAMES.iter().find(|(namespace, name, _)| (*namespace, *name) == (spec.namespace, spec.name)).map(|(.., name)| *name)
}

/// Returns the attributes of a result.
pub(super) fn outcome(result: &str) -> Vec<KeyValue> {
    let error = (result != SUCCESS).then(|| KeyValue::new("error.type", cut(result)));
    [KeyValue::new("rex.result", cut(result))].into_iter().chain(error).collect()
}

/// Returns the status of a failure; `None` for a success, which leaves it unset.
pub(super) fn status(result: &str, message: String) -> Option<Status> {
    (result != SUCCESS).then_some(Status { message, code: StatusCode::Error as i32 })
}

/// Cuts a text to the maximum length.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

/// Returns an array of texts.
pub(super) fn texts(texts: impl Iterator<Item = String>) -> Value {
    Value::Array(Array::String(texts.map(StringValue::from).collect()))
}

pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns the time of a record. An invalid time is before all others.
fn time(entry: &Entry<'_>) -> Timestamp {
    Timestamp::parse(&entry.time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, event: &str) -> String {
        format!(
            r#"{{"time":"2026-11-23T12:00:{second:02}Z","run":"r","sequence":1,"principal":"p","operation":"fs::list","line":3,{event}}}"#
        )
    }

    fn decision(path: &str, decision: &str) -> String {
        format!(
            r#""event":"decision","action":"fs::list","resource":"{path}","decision":"{decision}","policies":["p"],"reason":"why"#
        ) + "\""
    }

    fn outcome(result: &str) -> String {
        format!(r#""event":"outcome","result":"{result}","bytes":7,"duration_us":1500000"#)
    }

    fn calls(lines: &[String]) -> CallSpans {
        let mut calls = CallSpans::default();
        lines.iter().for_each(|line| calls.add(&Entry::parse(line.as_bytes()).unwrap()));
        calls
    }

    fn attribute(span: &Span, name: &str) -> Option<String> {
        let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
        match found.value.clone()?.value? {
            opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(text) => Some(text),
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn what_was_denied_stands_for_a_call_that_was_denied() {
        let asked = [decision("/a", "ALLOW"), decision("/a/b", "DENY"), decision("/a/c", "ALLOW")];
        for (result, resource, message) in [("SUCCESS", "/a", ""), ("ACCESS_DENIED_EXCEPTION", "/a/b", "why")] {
            let mut lines: Vec<_> = asked.iter().map(|event| line(3, event)).collect();
            lines.push(line(4, &outcome(result)));
            let calls = calls(&lines);
            let [span] = &calls.ended[..] else { panic!("{calls:?}") };
            assert_eq!(attribute(span, "rex.resource").as_deref(), Some(resource));
            assert_eq!(attribute(span, "file.path").as_deref(), Some(resource));
            assert_eq!(span.status.as_ref().map_or("", |status| &status.message), message);
            assert_eq!((span.events.len(), span.end_time_unix_nano - span.start_time_unix_nano), (3, 1_500_000_000));
        }
    }

    #[test]
    fn what_did_not_end_ends_with_the_run() {
        let mut calls = calls(&[line(1, &decision("/a", "ALLOW"))]);
        let end = Timestamp::parse("2026-11-23T12:00:09Z").unwrap();
        calls.run_ended(end, "LIMIT_EXCEEDED_EXCEPTION");
        let [span] = &calls.ended[..] else { panic!("{calls:?}") };
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 8_000_000_000);
        assert_eq!(attribute(span, "error.type").as_deref(), Some("LIMIT_EXCEEDED_EXCEPTION"));
    }

    #[test]
    fn there_are_bounds() {
        let mut lines = vec![line(1, &decision(&"a".repeat(5_000), "ALLOW")); 200];
        lines.push(line(2, &outcome("SUCCESS")));
        lines.extend(vec![line(3, &outcome("SUCCESS")); 10_000]);
        let calls = calls(&lines);
        let [long, ..] = &calls.ended[..] else { panic!("{calls:?}") };
        assert_eq!((long.events.len(), long.dropped_events_count), (EVENTS, 72));
        assert_eq!(attribute(long, "rex.resource").unwrap().len(), TEXT);
        assert_eq!((calls.ended.len(), calls.left_out), (MOST - EVENTS, 129));
    }
}
