//! The export of a run to an OpenTelemetry collector: a span for the run, one for each operation, and the metrics.
//!
//! It is sent once, after the run, by OTLP over HTTP. The operator chooses the collector, so the policy is not asked.

mod calls;
mod collector;
mod metrics;
mod spans;

use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::Attributes;
use opentelemetry_sdk::resource::EnvResourceDetector;
use rex_audit::{Entry, Metrics};
use rex_core::Timestamp;

use self::calls::CallSpans;
use self::collector::{Collector, ExportFailure, OtelSignal};
use super::report::RunReport;
use super::run::RunJob;
use crate::exit::{Exit, Stop};
use crate::{complain, draw};

/// A collector, and the calls to export to it.
#[derive(Debug)]
pub(crate) struct OtlpExport {
    collector: Collector,
    start: Timestamp,
    calls: Mutex<CallSpans>,
}

/// The period of an export, and the resource that it is about.
#[derive(Debug)]
struct ExportPeriod {
    resource: Resource,
    start: Timestamp,
    end: Timestamp,
}

impl OtlpExport {
    /// Finds the collector that the argument or the environment names, if any. The span of the run starts now.
    pub(crate) fn new(endpoint: Option<&str>) -> Result<Option<Self>, Stop> {
        let collector = Collector::new(endpoint)?;
        Ok(collector.map(|collector| Self { collector, start: Timestamp::now(), calls: Mutex::default() }))
    }

    fn calls(&self) -> MutexGuard<'_, CallSpans> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record, from which secrets were removed.
    pub(crate) fn add(&self, entry: &Entry<'_>) {
        self.calls().add(entry);
    }

    /// Exports all of it. A failure is a warning, not a failure of the run.
    pub(crate) fn export(&self, job: &RunJob, told: &RunReport, exit: Exit, metrics: &Metrics) {
        // The clock may have been set back in between.
        let end = Timestamp::now().max(self.start);
        let period = ExportPeriod { resource: resource(), start: self.start, end };
        let calls = std::mem::take(&mut *self.calls());
        let sent = self.collector.begin().and_then(|sending| {
            if OtelSignal::Traces.is_wanted() {
                let parts = spans::requests(calls, &period, job, told, exit);
                self.unless_refused(parts.iter().try_for_each(|part| sending.post(OtelSignal::Traces, part)))?;
            }
            if OtelSignal::Metrics.is_wanted() {
                sending.post(OtelSignal::Metrics, &metrics::request(metrics, &period))?;
            }
            Ok(())
        });
        if let Err(ExportFailure::Silent(why) | ExportFailure::Refused(why)) = sent {
            self.warn(&why);
        }
    }

    /// Turns a refusal into a warning: a collector without traces may take metrics.
    fn unless_refused(&self, sent: Result<(), ExportFailure>) -> Result<(), ExportFailure> {
        match sent {
            Err(ExportFailure::Refused(why)) => {
                self.warn(&why);
                Ok(())
            }
            other => other,
        }
    }

    fn warn(&self, why: &str) {
        let text = format!("warning: the collector `{}` did not get all data of the run: {why}", self.collector.name());
        complain(&draw::line(&text));
    }
}

/// Returns the attributes of spans and metrics. The environment overrides the defaults.
fn resource() -> Resource {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let known = [("service.name", "rex"), ("service.version", env!("CARGO_PKG_VERSION"))];
    let resource = opentelemetry_sdk::Resource::builder_empty()
        .with_attributes(known.map(|(name, value)| KeyValue::new(name, value)))
        .with_attributes(host.map(|host| KeyValue::new("host.name", host)))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_attributes(collector::variable("OTEL_SERVICE_NAME").map(|name| KeyValue::new("service.name", name)))
        .build();
    let known = resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource { attributes: Attributes::from(known).0, ..Resource::default() }
}

/// Returns the scope: name and version of Rex.
fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "rex".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

/// Returns nanoseconds since the epoch, as OTLP requires.
fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(0).saturating_mul(1_000)
}
