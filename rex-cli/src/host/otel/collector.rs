//! The address of a collector, and the requests to it.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use percent_encoding::percent_decode_str;
use prost::Message;
use rex_audit::redact;
use ureq::http::{HeaderName, HeaderValue, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::calls::cut;
use crate::exit::Stop;

/// Maximum time for the export by default.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of an answer, in bytes.
const ANSWER: u64 = 64 << 10;

/// Reads an environment variable. An empty one counts as unset.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A collector, and how to send to it.
#[derive(Debug)]
pub(super) struct Collector {
    /// The URL, without a slash at the end.
    endpoint: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
}

/// A signal of OpenTelemetry.
#[derive(Debug, Clone, Copy)]
pub(super) enum OtelSignal {
    Traces,
    Metrics,
}

impl OtelSignal {
    fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }

    /// Returns whether the operator wants this signal.
    pub(super) fn is_wanted(self) -> bool {
        let name = format!("OTEL_{}_EXPORTER", self.as_str().to_ascii_uppercase());
        variable(&name).is_none_or(|exporter| exporter != "none")
    }
}

/// The reason why a collector did not get something.
#[derive(Debug)]
pub(super) enum ExportFailure {
    /// A refusal of the message.
    Refused(String),
    /// No answer; nothing more is sent.
    Silent(String),
}

impl Collector {
    /// Finds the collector that the argument or the environment names.
    pub(super) fn new(endpoint: Option<&str>) -> Result<Option<Self>, Stop> {
        let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let named = endpoint.map(str::to_owned).or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let Some(named) = named.filter(|_| !disabled) else { return Ok(None) };
        let endpoint = named.parse::<Uri>().ok().filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none()
        });
        let endpoint = endpoint.map(|uri| uri.to_string().trim_end_matches('/').to_owned()).ok_or_else(|| {
            let named = redact::text(&named);
            Stop::usage(format!("`{named}` is not a collector; expected a URL such as `http://127.0.0.1:4318`"))
        })?;
        let headers = variable("OTEL_EXPORTER_OTLP_HEADERS").map_or(Ok(Vec::new()), |text| headers(&text))?;
        let timeout = variable("OTEL_EXPORTER_OTLP_TIMEOUT").map_or(Ok(TIMEOUT), |text| {
            text.parse::<u32>()
                .map(|number| Duration::from_millis(number.into()))
                .map_err(|_| Stop::usage(format!("OTEL_EXPORTER_OTLP_TIMEOUT: got `{text}`, expected milliseconds")))
        })?;
        Ok(Some(Self { endpoint, headers, timeout }))
    }

    /// Begins an export; its time starts now.
    pub(super) fn begin(&self) -> Result<CollectorSession<'_>, ExportFailure> {
        let start = Instant::now();
        let mut tls = TlsConfig::builder();
        if self.endpoint.starts_with("https:") {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            tls = tls.root_certs(authorities()?).unversioned_rustls_crypto_provider(provider);
        }
        let config = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            // Headers may hold secrets: they go directly to the collector, and nowhere else.
            .proxy(None)
            .max_redirects(0)
            .user_agent(concat!("rex/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(CollectorSession { collector: self, agent: config.new_agent(), start })
    }

    /// Returns its URL for people.
    pub(super) fn name(&self) -> String {
        redact::text(&self.endpoint).into_owned()
    }
}

/// Returns the certificate authorities that the operator trusts.
fn authorities() -> Result<RootCerts, ExportFailure> {
    let named = ["OTEL_EXPORTER_OTLP_CERTIFICATE", "SSL_CERT_FILE"].into_iter().find_map(variable);
    let text = rex_sdk::host::authorities(named.as_deref().map(Path::new))
        .map_err(|error| ExportFailure::Silent(error.to_string()))?;
    let certificates = parse_pem(text.as_bytes()).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    Ok(RootCerts::from(certificates.collect::<Vec<_>>()))
}

/// Parses `name=value,name=value`, percent-encoded as the specification requires.
fn headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Stop> {
    let header = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(String::from);
        let mut value = HeaderValue::from_str(&decoded(value)?).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_str(&decoded(name)?).ok()?, value))
    };
    // The message does not show them: they may be secrets.
    let wrong =
        || Stop::usage("OTEL_EXPORTER_OTLP_HEADERS is invalid; expected `name=value,name=value`, percent-encoded");
    text.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| header(pair).ok_or_else(wrong)).collect()
}

/// An export in progress.
#[derive(Debug)]
pub(super) struct CollectorSession<'c> {
    collector: &'c Collector,
    agent: ureq::Agent,
    start: Instant,
}

impl CollectorSession<'_> {
    /// Sends one message of a signal.
    pub(super) fn post(&self, signal: OtelSignal, message: &impl Message) -> Result<(), ExportFailure> {
        let silent = |error: ureq::Error| ExportFailure::Silent(error.to_string());
        let mut request = self.agent.post(format!("{}/v1/{}", self.collector.endpoint, signal.as_str()));
        for (name, value) in &self.collector.headers {
            request = request.header(name, value);
        }
        let left = self.collector.timeout.saturating_sub(self.start.elapsed());
        let request = request.content_type("application/x-protobuf").config().timeout_global(Some(left)).build();
        let mut answer = request.send(&message.encode_to_vec()).map_err(silent)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(ExportFailure::Refused(format!("it answered {status} to the {}", signal.as_str())));
        }
        let answer = answer.body_mut().with_config().limit(ANSWER).read_to_vec().map_err(silent)?;
        // The answers to both signals have the same wire format. An invalid one counts as empty.
        let partial = ExportTraceServiceResponse::decode(&*answer).ok().and_then(|answer| answer.partial_success);
        match partial.filter(|partial| partial.rejected_spans > 0) {
            Some(partial) => Err(ExportFailure::Refused(format!(
                "it rejected {} of the {}: {}",
                partial.rejected_spans,
                signal.as_str(),
                cut(&partial.error_message)
            ))),
            None => Ok(()),
        }
    }
}
