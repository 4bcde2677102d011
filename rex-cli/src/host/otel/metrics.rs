//! The metrics of a run in the format of OpenTelemetry.

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric, number_data_point,
};
use opentelemetry_proto::transform::common::tonic::Attributes;
use rex_audit::Metrics;
use rex_audit::metrics::{BOUNDS, DurationHistogram, Sample, SampleValue};

use super::{ExportPeriod, nanos, scope};

/// The temporality of all metrics: an export counts one run; other runs of the service export their own.
const DELTA: i32 = AggregationTemporality::Delta as i32;

pub(super) fn request(metrics: &Metrics, period: &ExportPeriod) -> ExportMetricsServiceRequest {
    let mut told: Vec<Metric> = Vec::new();
    for sample in metrics.samples() {
        let (name, unit) = named(sample.name);
        if told.last().is_none_or(|last| last.name != name) {
            let data = Some(empty(&sample.figure));
            let description = sample.help.to_owned();
            told.push(Metric { name, description, unit: unit.to_owned(), data, ..Metric::default() });
        }
        match told.last_mut().and_then(|metric| metric.data.as_mut()) {
            Some(metric::Data::Sum(sum)) => sum.data_points.extend(number(&sample, period)),
            Some(metric::Data::Histogram(histogram)) => histogram.data_points.extend(durations(&sample, period)),
            _ => {}
        }
    }
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics: told, ..ScopeMetrics::default() }];
    let resource = Some(period.resource.clone());
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }],
    }
}

/// Splits off the unit: `rex_operation_duration_seconds` is `rex.operation.duration` in seconds. Converters to Prometheus turn it back.
fn named(name: &str) -> (String, &'static str) {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let (name, unit) = match (name.strip_suffix("_seconds"), name.ends_with("_bytes")) {
        (Some(name), _) => (name, "s"),
        (None, true) => (name, "By"),
        (None, false) => (name, ""),
    };
    (name.replace('_', "."), unit)
}

fn empty(figure: &SampleValue<'_>) -> metric::Data {
    match figure {
        SampleValue::Count(_) => {
            metric::Data::Sum(Sum { data_points: Vec::new(), aggregation_temporality: DELTA, is_monotonic: true })
        }
        SampleValue::Durations(_) => {
            metric::Data::Histogram(Histogram { data_points: Vec::new(), aggregation_temporality: DELTA })
        }
    }
}

fn number(sample: &Sample<'_>, period: &ExportPeriod) -> Option<NumberDataPoint> {
    let SampleValue::Count(count) = sample.figure else { return None };
    Some(NumberDataPoint {
        attributes: attributes(sample),
        start_time_unix_nano: nanos(period.start),
        time_unix_nano: nanos(period.end),
        value: Some(number_data_point::Value::AsInt(i64::try_from(count).unwrap_or(i64::MAX))),
        ..NumberDataPoint::default()
    })
}

fn durations(sample: &Sample<'_>, period: &ExportPeriod) -> Option<HistogramDataPoint> {
    let SampleValue::Durations(DurationHistogram { buckets, count, sum_us }) = sample.figure else { return None };
    let beyond = count.saturating_sub(buckets.iter().sum());
    Some(HistogramDataPoint {
        attributes: attributes(sample),
        start_time_unix_nano: nanos(period.start),
        time_unix_nano: nanos(period.end),
        count: *count,
        sum: Some(seconds(*sum_us)),
        bucket_counts: buckets.iter().copied().chain([beyond]).collect(),
        explicit_bounds: BOUNDS.map(seconds).to_vec(),
        ..HistogramDataPoint::default()
    })
}

fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

fn attributes(sample: &Sample<'_>) -> Vec<opentelemetry_proto::tonic::common::v1::KeyValue> {
    Attributes::from(sample.labels.iter().map(|(name, value)| KeyValue::new(*name, (*value).to_owned()))).0
}
