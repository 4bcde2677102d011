//! The text format, written and parsed. Only what is written here is parsed: the metrics of other programs are rejected.

use std::fmt::{self, Display, Write};
use std::str::FromStr;

use super::{BOUNDS, CounterMetric, DurationHistogram, LabelValues, Metrics, Sample, SampleValue, TimerMetric};

/// The error for a text that is not metrics of Rex.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not a metric of this version of Rex")]
pub struct NoMetrics {
    /// The line, from 1.
    pub line: usize,
}

impl Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for sample in self.samples() {
            let Sample { name, help, labels, figure } = &sample;
            if *name != before {
                let kind = if matches!(figure, SampleValue::Count(_)) { "counter" } else { "histogram" };
                writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
            }
            match figure {
                SampleValue::Count(count) => {
                    series(f, name, labels, None)?;
                    writeln!(f, " {count}")?;
                }
                SampleValue::Durations(durations) => histogram(f, name, labels, durations)?,
            }
            before = name;
        }
        Ok(())
    }
}

fn histogram(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    labels: &[(&str, &str)],
    durations: &DurationHistogram,
) -> fmt::Result {
    let (bucket, mut below) = (format!("{name}_bucket"), 0_u64);
    for (bound, count) in BOUNDS.iter().zip(durations.buckets) {
        below = below.saturating_add(count);
        series(f, &bucket, labels, Some(&seconds(*bound)))?;
        writeln!(f, " {below}")?;
    }
    series(f, &bucket, labels, Some("+Inf"))?;
    writeln!(f, " {}", durations.count)?;
    series(f, &format!("{name}_sum"), labels, None)?;
    writeln!(f, " {}", seconds(durations.sum_us))?;
    series(f, &format!("{name}_count"), labels, None)?;
    writeln!(f, " {}", durations.count)
}

/// Formats microseconds as seconds, exactly.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn micros(seconds: &str) -> Option<u64> {
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if part.len() > 6 || whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let part: u64 = format!("{part:0<6}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(part)
}

fn series(f: &mut fmt::Formatter<'_>, name: &str, labels: &[(&str, &str)], bound: Option<&str>) -> fmt::Result {
    f.write_str(name)?;
    let mut before = '{';
    for (name, value) in labels.iter().copied().chain(bound.map(|bound| ("le", bound))) {
        write!(f, "{before}{name}=\"")?;
        for c in value.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')?;
        before = ',';
    }
    if before == ',' { f.write_char('}') } else { Ok(()) }
}

impl FromStr for Metrics {
    type Err = NoMetrics;

    fn from_str(text: &str) -> Result<Self, NoMetrics> {
        let mut metrics = Self::default();
        for (number, line) in (1..).zip(text.split('\n')) {
            let comment = line.is_empty() || line.starts_with("# HELP rex_") || line.starts_with("# TYPE rex_");
            if !comment && metrics.read(line).is_none() {
                return Err(NoMetrics { line: number });
            }
        }
        // Buckets are cumulative in the text.
        for durations in metrics.histograms.values_mut() {
            let mut below = 0;
            for count in &mut durations.buckets {
                (*count, below) = (count.saturating_sub(below), *count);
            }
        }
        Ok(metrics)
    }
}

impl Metrics {
    fn read(&mut self, line: &str) -> Option<()> {
        let (name, mut labels, value) = split(line)?;
        for counter in CounterMetric::ALL {
            let declared = counter.declared();
            if declared.name == name {
                self.counters.insert((counter, named(&labels, declared.labels)?), value.parse().ok()?);
                return Some(());
            }
        }
        for timer in TimerMetric::ALL {
            let declared = timer.declared();
            let Some(suffix) = name.strip_prefix(declared.name) else { continue };
            let bound =
                if suffix == "_bucket" { Some(labels.pop().filter(|(name, _)| *name == "le")?.1) } else { None };
            let durations = self.histograms.entry((timer, named(&labels, declared.labels)?)).or_default();
            match (suffix, bound.as_deref()) {
                ("_sum", None) => durations.sum_us = micros(value)?,
                ("_count", None) | ("_bucket", Some("+Inf")) => durations.count = value.parse().ok()?,
                ("_bucket", Some(bound)) => {
                    let at = BOUNDS.iter().position(|one| Some(*one) == micros(bound))?;
                    *durations.buckets.get_mut(at)? = value.parse().ok()?;
                }
                _ => return None,
            }
            return Some(());
        }
        None
    }
}

/// The names of labels with their values.
type NamedLabels<'a> = Vec<(&'a str, String)>;

/// Splits a sample into its name, its labels and its value.
fn split(line: &str) -> Option<(&str, NamedLabels<'_>, &str)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = unquoted(after)?;
            labels.push((label, value));
            rest = match after.strip_prefix(',') {
                Some(next) => next,
                None => break rest = after.strip_prefix('}')?,
            };
        }
    }
    Some((name, labels, rest.strip_prefix(' ')?))
}

/// Reads a value up to its closing quote; returns it and the rest.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.chars());
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(match chars.next()? {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
}

/// Returns the values of labels if they have exactly these names.
fn named(labels: &[(&str, String)], names: &[&str]) -> Option<LabelValues> {
    let same = labels.len() == names.len() && labels.iter().zip(names).all(|((name, _), expected)| name == expected);
    same.then(|| labels.iter().map(|(_, value)| value.clone()).collect())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;
    use crate::Entry;

    fn line(event: &str) -> String {
        format!(
            r#"{{"time":"2026-11-23T12:00:00Z","run":"r","sequence":1,"principal":"p","operation":"fs::read","line":1,{event}}}"#
        )
    }

    fn metrics() -> Metrics {
        let mut metrics = Metrics::default();
        for event in [
            r#""event":"decision","action":"fs::read","resource":"/a","decision":"ALLOW","policies":["all"]"#,
            r#""event":"decision","action":"fs::read","resource":"/a","decision":"DENY","policies":["no","never"]"#,
            r#""event":"decision","action":"fs::read","resource":"/a","decision":"DENY","policies":[]"#,
            r#""event":"outcome","result":"SUCCESS","bytes":9,"duration_us":100"#,
            r#""event":"outcome","result":"LIMIT_EXCEEDED_EXCEPTION","bytes":0,"duration_us":400000000"#,
            r#""event":"end","result":"ACCESS_DENIED_EXCEPTION","duration_us":1500000"#,
        ] {
            metrics.add(&Entry::parse(line(event).as_bytes()).unwrap());
        }
        metrics
    }

    #[test]
    fn counters_are_written() {
        let text = metrics().to_string();
        let counters: Vec<&str> = text.lines().take_while(|line| !line.contains("histogram")).collect();
        expect![[r#"
            # HELP rex_runs_total Runs that ended, by result.
            # TYPE rex_runs_total counter
            rex_runs_total{result="ACCESS_DENIED_EXCEPTION"} 1
            # HELP rex_decisions_total Requests that were decided.
            # TYPE rex_decisions_total counter
            rex_decisions_total{decision="ALLOW",action="fs::read"} 1
            rex_decisions_total{decision="DENY",action="fs::read"} 2
            # HELP rex_policy_decisions_total Requests that a policy decided; by no policy where no permit matched.
            # TYPE rex_policy_decisions_total counter
            rex_policy_decisions_total{decision="ALLOW",action="fs::read",policy="all"} 1
            rex_policy_decisions_total{decision="DENY",action="fs::read",policy=""} 1
            rex_policy_decisions_total{decision="DENY",action="fs::read",policy="never"} 1
            rex_policy_decisions_total{decision="DENY",action="fs::read",policy="no"} 1
            # HELP rex_operations_total Operations that were called, by result.
            # TYPE rex_operations_total counter
            rex_operations_total{operation="fs::read",result="LIMIT_EXCEEDED_EXCEPTION"} 1
            rex_operations_total{operation="fs::read",result="SUCCESS"} 1
            # HELP rex_operation_bytes_total Bytes that operations read and wrote.
            # TYPE rex_operation_bytes_total counter
            rex_operation_bytes_total{operation="fs::read"} 9
            # HELP rex_limits_exceeded_total Limits that were hit, by an operation or by a run.
            # TYPE rex_limits_exceeded_total counter
            rex_limits_exceeded_total{of="operation"} 1
            # HELP rex_operation_duration_seconds How long operations took."#]]
        .assert_eq(&counters.join("\n"));
    }

    #[test]
    fn a_parser_of_the_format_reads_it() {
        let text = metrics().to_string();
        let scrape = prometheus_parse::Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
        let find = |name: &str| scrape.samples.iter().find(|sample| sample.metric == name).unwrap();
        assert_eq!(find("rex_runs_total").value, prometheus_parse::Value::Counter(1.0));
        let script = &find("rex_script_duration_seconds").value;
        let prometheus_parse::Value::Histogram(buckets) = script else { panic!("{script:?}") };
        let below: Vec<_> = buckets.iter().map(|bucket| (bucket.less_than, bucket.count)).collect();
        assert_eq!((below.len(), below[12], below[13]), (BOUNDS.len() + 1, (1.0, 0.0), (2.5, 1.0)));
        assert_eq!(below.last().unwrap(), &(f64::INFINITY, 1.0));
        let operation = &find("rex_operation_duration_seconds").value;
        let prometheus_parse::Value::Histogram(buckets) = operation else { panic!("{operation:?}") };
        assert_eq!((buckets[0].count, buckets[17].count, buckets[18].count), (1.0, 1.0, 2.0));
        assert_eq!(scrape.docs["rex_runs_total"], "Runs that ended, by result.");
    }

    #[test]
    fn what_is_no_metric_of_ours_is_refused() {
        let text = metrics().to_string();
        assert_eq!(text.parse::<Metrics>().unwrap(), metrics());
        for (bad, line) in [
            ("node_load1 0.5", 1),
            ("rex_runs_total{result=\"a\"} -1", 1),
            ("rex_runs_total{result=\"a\"} 1 2", 1),
            ("rex_runs_total{result=\"a} 1", 1),
            ("rex_runs_total{other=\"a\"} 1", 1),
            ("rex_runs_total 1", 1),
            ("\n# a comment", 2),
            ("rex_script_duration_seconds_bucket{le=\"7\"} 1", 1),
            ("rex_script_duration_seconds 1", 1),
            ("rex_script_duration_seconds_sum 1.1234567", 1),
        ] {
            assert_eq!(bad.parse::<Metrics>(), Err(NoMetrics { line }), "{bad}");
        }
    }

    #[test]
    fn series_are_bounded() {
        let mut metrics = Metrics::default();
        for number in 0..3_000 {
            let event = format!(r#""event":"decision","action":"fs::read","decision":"DENY","policies":["p{number}"]"#);
            metrics.add(&Entry::parse(line(&event).as_bytes()).unwrap());
        }
        assert!(metrics.counters.len() <= 2_002);
        let other = "rex_policy_decisions_total{decision=\"other\",action=\"other\",policy=\"other\"} 1000\n";
        assert!(metrics.to_string().contains(other));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            values in proptest::collection::vec(("[a\\\\\"\n{}, =\u{e4}]{0,6}", 0_u64..1 << 50), 1..20),
            more in proptest::collection::vec(("[ab]", 0_u64..1 << 50), 0..20),
        ) {
            let made = |values: &[(String, u64)]| {
                let mut metrics = Metrics::default();
                for (label, number) in values {
                    metrics.ended(label, *number);
                    metrics.count(CounterMetric::OperationBytes, &[label], *number);
                    metrics.timer(TimerMetric::Operation, &[label]).took(*number);
                }
                metrics
            };
            let (mut one, two) = (made(&values), made(&more));
            prop_assert_eq!(&one.to_string().parse::<Metrics>().unwrap(), &one);
            one.merge(&two);
            prop_assert_eq!(one, made(&[values, more].concat()));
        }
    }
}
