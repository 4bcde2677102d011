//! `rex run --otlp`, against a collector that speaks OTLP over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request that came.
struct Request {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// The answer of a collector.
#[derive(Clone)]
enum Answer {
    Status(u16, Vec<u8>),
    Never,
}

/// A collector that takes requests for as long as the test lasts.
struct Collector {
    address: SocketAddr,
    requests: Receiver<Request>,
}

impl Collector {
    fn new(answer: Answer) -> Self {
        Self::with_tls(answer, None)
    }

    fn with_tls(answer: Answer, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, (sender, requests)) = (listener.local_addr().unwrap(), channel());
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let spoken = match &tls {
                    Some(tls) => {
                        let connection = ServerConnection::new(tls.clone()).unwrap();
                        serve(StreamOwned::new(connection, &stream), &answer, &sender)
                    }
                    None => serve(&stream, &answer, &sender),
                };
                // A silent collector keeps its connection open.
                drop(spoken);
                silent.extend(matches!(answer, Answer::Never).then_some(stream));
            }
        });
        Self { address, requests }
    }

    fn taking() -> Self {
        Self::new(Answer::Status(200, Vec::new()))
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns what came to a path so far. The senders have their answers.
    fn bodies<M: Message + Default>(&self, path: &str) -> Vec<M> {
        let came = self.requests.try_iter().filter(|request| request.path == path);
        came.map(|request| M::decode(&*request.body).unwrap()).collect()
    }
}

/// Serves a connection until it ends.
fn serve(stream: impl Read + Write, answer: &Answer, sender: &Sender<Request>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let mut lines = head.lines();
        let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        stream.read_exact(&mut body)?;
        sender.send(Request { path, headers, body }).unwrap();
        let Answer::Status(status, said) = answer else { return Ok(()) };
        let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n", said.len());
        stream.get_mut().write_all(&[head.as_bytes(), said].concat())?;
        stream.get_mut().flush()?;
    }
}

/// Returns a run whose environment names no collector.
fn untold(dir: &Path, script: &str, confine: &str) -> Command {
    let mut command = crate::metrics::rex(dir, script, confine);
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy().to_ascii_lowercase();
        if told.starts_with("otel_") || told.starts_with("trace") {
            command.env_remove(name);
        }
    }
    // No proxy may be used.
    command.env("ALL_PROXY", "http://127.0.0.1:1");
    command
}

/// Returns a run that exports to a collector.
fn rex(dir: &Path, script: &str, confine: &str, collector: &str) -> Command {
    let mut command = untold(dir, script, confine);
    command.args(["--otlp", collector]);
    command
}

fn run(command: &mut Command, code: i32, warning: &str) -> Output {
    let done = command.output().unwrap();
    assert_eq!((done.status.code(), String::from_utf8_lossy(&done.stderr).as_ref()), (Some(code), warning));
    done
}

fn value(value: &AnyValue) -> String {
    match value.value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::ArrayValue(array) => array.values.iter().map(self::value).collect::<Vec<_>>().join(","),
        other => panic!("{other:?}"),
    }
}

fn attributes(given: &[KeyValue]) -> BTreeMap<String, String> {
    given.iter().map(|one| (one.key.clone(), value(one.value.as_ref().unwrap()))).collect()
}

fn has(given: &[KeyValue], expected: &[(&str, &str)]) {
    let all = attributes(given);
    for (name, value) in expected {
        assert_eq!(all.get(*name).map(String::as_str), Some(*value), "{name}: {all:?}");
    }
}

/// Returns the spans of one trace, in one message: that of the run, and those of its operations.
fn spans(collector: &Collector) -> (Vec<KeyValue>, Span, Vec<Span>) {
    let [request] = &collector.bodies::<ExportTraceServiceRequest>("/v1/traces")[..] else { panic!("not one message") };
    let [resource] = &request.resource_spans[..] else { panic!("{request:?}") };
    let [scope] = &resource.scope_spans[..] else { panic!("{request:?}") };
    assert_eq!(scope.scope.as_ref().unwrap().name, "rex");
    let (root, below) = scope.spans.split_first().unwrap();
    (resource.resource.clone().unwrap().attributes, root.clone(), below.to_vec())
}

fn metrics(collector: &Collector) -> BTreeMap<String, Metric> {
    let [request] = &collector.bodies::<ExportMetricsServiceRequest>("/v1/metrics")[..] else {
        panic!("not one message")
    };
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    metrics.iter().map(|metric| (metric.name.clone(), metric.clone())).collect()
}

const SCRIPT: &str = "read(\"/etc/hostname\");\ntry { read(\"/etc/passwd\") } catch (e) {}\n7";

/// Checks that operations are below their run, one after the other, and their decisions in them.
fn within(root: &Span, below: &[Span]) {
    let (mut before, mut ids) = (root.start_time_unix_nano, BTreeSet::from([&root.span_id]));
    for span in below {
        assert_eq!((&span.trace_id, &span.parent_span_id), (&root.trace_id, &root.span_id));
        assert!(span.span_id.len() == 8 && ids.insert(&span.span_id), "{ids:?}");
        assert!(before <= span.start_time_unix_nano && span.start_time_unix_nano <= span.end_time_unix_nano);
        for event in &span.events {
            assert_eq!(event.name, "rex.decision");
            assert!((span.start_time_unix_nano..=span.end_time_unix_nano).contains(&event.time_unix_nano));
        }
        before = span.end_time_unix_nano;
    }
    assert!(before <= root.end_time_unix_nano);
}

#[test]
fn a_run_is_a_trace_of_its_operations() {
    for confine in ["available", "off"] {
        let (dir, collector) = (tempfile::tempdir().unwrap(), Collector::taking());
        let mut command = rex(dir.path(), SCRIPT, confine, &collector.url());
        command.args([
            "--principal",
            "Agent::\"t\"",
            "--tag",
            "ticket=7",
            "--limit",
            "wall_ms=20000",
            "--format",
            "json",
        ]);
        let report: serde_json::Value = serde_json::from_slice(&run(&mut command, 0, "").stdout).unwrap();
        let (resource, root, below) = spans(&collector);
        has(&resource, &[("service.name", "rex"), ("service.version", env!("CARGO_PKG_VERSION"))]);
        assert_eq!((root.name.as_str(), root.parent_span_id.len(), root.span_id.len()), ("rex run", 0, 8));
        let hex: String = root.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(Some(hex.as_str()), report["run_id"].as_str(), "a run is found by its name");
        has(
            &root.attributes,
            &[
                ("rex.run", &hex),
                ("rex.principal", "Agent::\"t\""),
                ("rex.script.sha256", &rex_engine::script_sha256(SCRIPT)),
                ("rex.tags", "ticket=7"),
                ("rex.result", "SUCCESS"),
                ("rex.limit.wall_ms", "20000"),
                ("rex.operations", "2"),
                ("rex.operations.left_out", "0"),
                ("rex.decisions", "2"),
                ("rex.denied", "1"),
                ("process.executable.name", "rex"),
                ("process.exit.code", "0"),
            ],
        );
        assert_eq!(attributes(&root.attributes)["rex.policy.sha256"].len(), 64);
        assert!(root.status.is_none() && root.start_time_unix_nano < root.end_time_unix_nano);
        let [read, denied] = &below[..] else { panic!("{below:?}") };
        within(&root, &below);
        let allowed = [("rex.action", "fs::read"), ("rex.decision", "ALLOW"), ("rex.policies", "etc")];
        has(&read.attributes, &allowed);
        assert_eq!((read.name.as_str(), read.events.len(), denied.events.len()), ("fs::read", 1, 1));
        has(&read.events[0].attributes, &allowed);
        has(
            &read.attributes,
            &[("rex.resource", "/etc/hostname"), ("file.path", "/etc/hostname"), ("code.line.number", "1")],
        );
        assert!(read.status.is_none() && !attributes(&read.attributes).contains_key("error.type"));
        has(
            &denied.attributes,
            &[
                ("rex.resource", "/etc/passwd"),
                ("rex.decision", "DENY"),
                ("rex.policies", ""),
                ("rex.result", "ACCESS_DENIED_EXCEPTION"),
                ("error.type", "ACCESS_DENIED_EXCEPTION"),
                ("code.line.number", "2"),
            ],
        );
        assert_eq!(denied.status.as_ref().unwrap().code, 2);
    }
}

#[test]
fn a_run_that_failed_says_so() {
    let (dir, collector) = (tempfile::tempdir().unwrap(), Collector::taking());
    let mut command = rex(dir.path(), "loop {}", "available", &collector.url());
    let done = command.args(["--limit", "script_steps=1000"]).output().unwrap();
    assert_eq!(done.status.code(), Some(5), "{done:?}");
    let (_, root, below) = spans(&collector);
    let code = "LIMIT_EXCEEDED_EXCEPTION";
    has(&root.attributes, &[("rex.result", code), ("error.type", code), ("process.exit.code", "5")]);
    let status = root.status.unwrap();
    assert!(status.code == 2 && status.message.contains("1000"), "{status:?}");
    assert_eq!(below.len(), 0);
}

#[test]
fn operations_beyond_one_message_come_in_more() {
    let (dir, collector) = (tempfile::tempdir().unwrap(), Collector::taking());
    let script = "for i in 0..700 { read(\"/etc/hostname\"); }";
    run(&mut rex(dir.path(), script, "available", &collector.url()), 0, "");
    let parts = collector.bodies::<ExportTraceServiceRequest>("/v1/traces");
    let spans = parts.iter().map(|part| part.resource_spans[0].scope_spans[0].spans.len());
    assert_eq!(spans.collect::<Vec<_>>(), [512, 189]);
}

#[test]
fn the_trace_of_whoever_calls_is_joined() {
    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";
    let (dir, collector) = (tempfile::tempdir().unwrap(), Collector::taking());
    let call = |flags: &str| {
        let mut command = rex(dir.path(), SCRIPT, "off", &collector.url());
        run(command.env("TRACEPARENT", format!("{CALLER}{flags}")).env("TRACESTATE", "a=b"), 0, "");
    };
    call("01");
    let (_, root, below) = spans(&collector);
    assert_eq!(root.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    for (span, flags) in [(&root, 0x301), (&below[0], 0x101), (&below[1], 0x101)] {
        assert_eq!(span.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
        assert_eq!((span.trace_state.as_str(), span.flags), ("a=b", flags));
    }
    call("00");
    let paths: Vec<_> = collector.requests.try_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/v1/metrics"], "a trace that is not kept is not told");
}

#[test]
fn metrics_are_those_of_the_file() {
    let (dir, collector) = (tempfile::tempdir().unwrap(), Collector::taking());
    // The earlier contents of the file are of other runs.
    for url in ["http://127.0.0.1:1", &collector.url()] {
        rex(dir.path(), SCRIPT, "available", url).args(["--metrics", "rex.prom"]).output().unwrap();
    }
    let delta = AggregationTemporality::Delta as i32;
    let mut told = Vec::new();
    for (name, metric) in metrics(&collector) {
        match metric.data.unwrap() {
            Data::Sum(sum) => {
                assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (delta, true));
                for point in sum.data_points {
                    assert!(point.start_time_unix_nano < point.time_unix_nano);
                    let Some(number_data_point::Value::AsInt(count)) = point.value else { panic!("{point:?}") };
                    let labels: Vec<_> =
                        point.attributes.iter().map(|one| value(one.value.as_ref().unwrap())).collect();
                    told.push(format!("{name}[{}] {count} {}", labels.join(" "), metric.unit));
                }
            }
            Data::Histogram(histogram) => {
                assert_eq!(histogram.aggregation_temporality, delta);
                for point in histogram.data_points {
                    assert_eq!((point.bucket_counts.len(), point.explicit_bounds.len()), (19, 18));
                    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                    assert_eq!((point.explicit_bounds[0], point.explicit_bounds[17]), (0.0001, 300.0));
                    assert!(point.sum.unwrap() > 0.0);
                    told.push(format!("{name} {} {}", point.count, metric.unit));
                }
            }
            other => panic!("{other:?}"),
        }
    }
    let size = std::fs::metadata("/etc/hostname").unwrap().len();
    let expected = [
        "rex.decisions[ALLOW fs::read] 1 ".to_owned(),
        "rex.decisions[DENY fs::read] 1 ".to_owned(),
        format!("rex.operation.bytes[fs::read] {size} By"),
        "rex.operation.duration 2 s".to_owned(),
        "rex.operations[fs::read ACCESS_DENIED_EXCEPTION] 1 ".to_owned(),
        "rex.operations[fs::read SUCCESS] 1 ".to_owned(),
        "rex.policy.decisions[ALLOW fs::read etc] 1 ".to_owned(),
        "rex.policy.decisions[DENY fs::read ] 1 ".to_owned(),
        "rex.runs[SUCCESS] 1 ".to_owned(),
        "rex.script.duration 1 s".to_owned(),
    ];
    assert_eq!(told, expected);
    let file = std::fs::read_to_string(dir.path().join("rex.prom")).unwrap();
    assert!(file.contains("rex_runs_total{result=\"SUCCESS\"} 2\n"), "{file}");
}

#[test]
fn the_environment_says_where_and_as_what() {
    let (dir, collector) = (tempfile::tempdir().unwrap(), Collector::taking());
    let command = || {
        let mut command = untold(dir.path(), "7", "off");
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{}/otlp/", collector.url()))
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b%2Cc, x-other=d")
            .env("OTEL_SERVICE_NAME", "triage")
            .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=no")
            .env("OTEL_METRICS_EXPORTER", "none");
        command
    };
    run(&mut command(), 0, "");
    let came: Vec<_> = collector.requests.try_iter().collect();
    let [request] = &came[..] else { panic!("{} requests", came.len()) };
    assert_eq!(request.path, "/otlp/v1/traces");
    for (name, value) in [("content-type", "application/x-protobuf"), ("x-key", "a b,c"), ("x-other", "d")] {
        assert_eq!(request.headers[name], value);
    }
    let traces = ExportTraceServiceRequest::decode(&*request.body).unwrap();
    has(
        &traces.resource_spans[0].resource.as_ref().unwrap().attributes,
        &[("service.name", "triage"), ("deployment.environment.name", "test")],
    );
    run(command().env("OTEL_SDK_DISABLED", "true"), 0, "");
    assert_eq!(collector.requests.try_iter().count(), 0);
    for (name, value, what) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "`localhost:4318` is not a collector"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://u:secret@a?b", "`https://[redacted]@a?b` is not a collector"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1s", "OTEL_EXPORTER_OTLP_TIMEOUT: got `1s`, expected milliseconds"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "secret",
            "OTEL_EXPORTER_OTLP_HEADERS is invalid; expected `name=value,name=value`",
        ),
    ] {
        let done = command().env(name, value).output().unwrap();
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(2) && told.contains(what), "{told}");
    }
}

#[test]
fn a_collector_that_does_not_take_it_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let warning =
        |url: &str, why: &str| format!("warning: the collector `{url}` did not get all data of the run: {why}\n");
    for status in [400, 503] {
        let collector = Collector::new(Answer::Status(status, b"no".to_vec()));
        // `http` writes the reason, too.
        let told = if status == 400 { "400 Bad Request" } else { "503 Service Unavailable" };
        let why = |signal| warning(&collector.url(), &format!("it answered {told} to the {signal}"));
        let done = run(&mut rex(dir.path(), "7", "off", &collector.url()), 0, &(why("traces") + &why("metrics")));
        assert_eq!(done.stdout, b"7\n");
    }
    let moved = Collector::new(Answer::Status(307, Vec::new()));
    let done = rex(dir.path(), "7", "off", &moved.url()).output().unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains("it answered 307"), "{done:?}");
    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "too\nlong".to_owned() };
    let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
    let collector = Collector::new(Answer::Status(200, answer.encode_to_vec()));
    let why = |signal| warning(&collector.url(), &format!("it rejected 1 of the {signal}: too\\nlong"));
    run(&mut rex(dir.path(), "7", "off", &collector.url()), 0, &(why("traces") + &why("metrics")));
}

#[test]
fn a_collector_that_is_not_there_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let done = rex(dir.path(), "read(\"/etc/passwd\")", "available", &format!("http://{address}")).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(4), "{told}");
    assert!(told.contains("ACCESS_DENIED_EXCEPTION") && told.matches("warning: the collector").count() == 1, "{told}");
    assert!(told.contains("onnection refused"), "{told}");
}

#[test]
fn a_collector_that_is_slow_is_not_waited_for() {
    let (dir, collector) = (tempfile::tempdir().unwrap(), Collector::new(Answer::Never));
    let start = Instant::now();
    let mut command = rex(dir.path(), "7", "off", &collector.url());
    let done = command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "300").output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && told.contains("timeout") && told.lines().count() == 1, "{told}");
    assert!((Duration::from_millis(300)..Duration::from_secs(8)).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[test]
fn secrets_are_not_told() {
    let (dir, collector) = (tempfile::tempdir().unwrap(), Collector::taking());
    let script = "read(\"/srv/password=hunter2\")";
    let mut command = rex(dir.path(), script, "available", &collector.url());
    let done = command.args(["--tag", "token=hunter2"]).output().unwrap();
    assert_eq!(done.status.code(), Some(4), "{done:?}");
    let came: Vec<_> = collector.requests.try_iter().collect();
    assert_eq!(came.len(), 2);
    for request in &came {
        assert!(!request.body.windows(7).any(|bytes| bytes == b"hunter2"), "{}", request.path);
    }
    let traces = ExportTraceServiceRequest::decode(&*came[0].body).unwrap();
    let spans = &traces.resource_spans[0].scope_spans[0].spans;
    has(&spans[0].attributes, &[("rex.tags", "token=[redacted]")]);
    has(
        &spans[1].attributes,
        &[("rex.resource", "/srv/password=[redacted]"), ("file.path", "/srv/password=[redacted]")],
    );
}

#[test]
fn a_collector_with_a_certificate_is_known_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    std::fs::write(dir.path().join("ca.pem"), made.cert.pem()).unwrap();
    let collector = Collector::with_tls(Answer::Status(200, Vec::new()), Some(Arc::new(config)));
    let command = || rex(dir.path(), SCRIPT, "off", &format!("https://{}", collector.address));
    let told = String::from_utf8(command().output().unwrap().stderr).unwrap();
    assert!(told.contains("UnknownIssuer") && collector.requests.try_iter().count() == 0, "{told}");
    run(command().env("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"), 0, "");
    assert_eq!(spans(&collector).2.len(), 2);
}
