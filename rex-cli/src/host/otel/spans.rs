//! The trace of a run: its own span, and below it the spans of its operations.

use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceId};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, SpanFlags};
use opentelemetry_proto::transform::common::tonic::Attributes;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use rex_audit::redact;

use super::calls::{CallSpans, cut, number, outcome, status, texts};
use super::collector::variable;
use super::{ExportPeriod, nanos, scope};
use crate::exit::Exit;
use crate::host::report::RunReport;
use crate::host::run::RunJob;

/// Maximum number of spans in one message.
const PART: usize = 512;

/// Returns the messages with all spans; none if the run has a caller whose trace is not sampled.
pub(super) fn requests(
    mut calls: CallSpans,
    period: &ExportPeriod,
    job: &RunJob,
    told: &RunReport,
    exit: Exit,
) -> Vec<ExportTraceServiceRequest> {
    let caller = caller();
    if caller.is_valid() && !caller.is_sampled() {
        return Vec::new();
    }
    calls.run_ended(period.end, told.result());
    let ids = RandomIdGenerator::default();
    // Without a caller, the trace has the id of the run, as in the journal.
    let own = || TraceId::from_hex(&job.run_id).unwrap_or_else(|_| ids.new_trace_id());
    let (trace_id, above, remote) = if caller.is_valid() {
        (caller.trace_id(), caller.span_id().to_bytes().to_vec(), SpanFlags::ContextIsRemoteMask as u32)
    } else {
        (own(), Vec::new(), 0)
    };
    let root_id = ids.new_span_id().to_bytes().to_vec();
    let root = Span {
        span_id: root_id.clone(),
        parent_span_id: above,
        flags: remote,
        ..root(&calls, period, job, told, exit)
    };
    let below = calls.ended.into_iter().map(|span| Span {
        span_id: ids.new_span_id().to_bytes().to_vec(),
        parent_span_id: root_id.clone(),
        ..span
    });
    let (start, end) = (nanos(period.start), nanos(period.end));
    let flags = SpanFlags::ContextHasIsRemoteMask as u32 | u32::from(TraceFlags::SAMPLED.to_u8());
    let spans: Vec<_> = [root]
        .into_iter()
        .chain(below)
        .map(|span| Span {
            trace_id: trace_id.to_bytes().to_vec(),
            trace_state: caller.trace_state().header(),
            flags: span.flags | flags,
            // These times come from the worker. Whatever it reports, they are within its run.
            start_time_unix_nano: span.start_time_unix_nano.clamp(start, end),
            end_time_unix_nano: span.end_time_unix_nano.clamp(start, end),
            ..span
        })
        .collect();
    spans.chunks(PART).map(|part| request(part, period)).collect()
}

fn request(spans: &[Span], period: &ExportPeriod) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans: spans.to_vec(), ..ScopeSpans::default() }];
    let resource = Some(period.resource.clone());
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
    }
}

/// Returns the span of the run, without its place in the trace.
fn root(calls: &CallSpans, period: &ExportPeriod, job: &RunJob, told: &RunReport, exit: Exit) -> Span {
    let clean = |text: &str| cut(&redact::text(text));
    let stats = &told.stats;
    let mut attributes = vec![
        KeyValue::new("process.executable.name", "rex"),
        KeyValue::new("process.pid", i64::from(std::process::id())),
        KeyValue::new("process.exit.code", i64::from(exit.code())),
        KeyValue::new("rex.run", job.run_id.clone()),
        KeyValue::new("rex.principal", clean(&job.subject.principal.to_string())),
        KeyValue::new("rex.tags", texts(job.subject.tags.iter().map(|tag| clean(tag)))),
        KeyValue::new("rex.script.name", clean(&job.script.name)),
        KeyValue::new("rex.script.sha256", job.subject.script.clone()),
        KeyValue::new("rex.operations", number(stats.operations)),
        KeyValue::new("rex.operations.left_out", calls.left_out),
        KeyValue::new("rex.decisions", number(stats.decisions)),
        KeyValue::new("rex.denied", number(stats.denied)),
        KeyValue::new("rex.bytes.read", number(stats.bytes_read)),
        KeyValue::new("rex.bytes.written", number(stats.bytes_written)),
    ];
    attributes.extend(outcome(told.result()));
    attributes.extend(calls.policy.clone().map(|policy| KeyValue::new("rex.policy.sha256", policy)));
    attributes.extend(stats.peak_memory_bytes.map(|bytes| KeyValue::new("rex.memory.peak", number(bytes))));
    attributes.extend(job.limits.each().map(|(name, limit)| KeyValue::new(format!("rex.limit.{name}"), number(limit))));
    let message = told.error.as_ref().map(|error| clean(&error.message));
    Span {
        name: "rex run".to_owned(),
        kind: SpanKind::Internal as i32,
        start_time_unix_nano: nanos(period.start),
        end_time_unix_nano: nanos(period.end),
        attributes: Attributes::from(attributes).0,
        status: status(told.result(), message.unwrap_or_default()),
        ..Span::default()
    }
}

/// Returns the span of the caller, from TRACEPARENT and TRACESTATE; invalid without them.
fn caller() -> SpanContext {
    let names = [("traceparent", "TRACEPARENT"), ("tracestate", "TRACESTATE")];
    let known = names.into_iter().filter_map(|(name, of)| Some((name.to_owned(), variable(of)?)));
    TraceContextPropagator::new().extract(&known.collect::<HashMap<_, _>>()).span().span_context().clone()
}
