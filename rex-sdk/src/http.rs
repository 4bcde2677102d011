//! HTTP: one request on one connection, and the redirects after it, each of them asked for; RFC 9110, RFC 9112.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::time::Instant;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use rex_core::action::net;
use rex_core::limits::exceeded;
use rex_core::net::{RemoteHost, Url};
use rex_core::{Code, Error, Value};
use ureq_proto::BodyMode;
use ureq_proto::client::state::RecvBody;
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};

use crate::connection::{Line, deadline, failed, provider, secure, verifier};
use crate::{Args, Kind, Literal, Param, Session};

/// What the headers of an answer may take, in bytes, those of answers before the last (1xx) included.
const HEADER_BYTES: usize = rex_core::bounds::HTTP_HEADER_BYTES;
/// How much is read and written at a time, in bytes.
const BLOCK: usize = 16 << 10;
/// Headers that say how a message is sent. They are Rex's to set, or one message could be taken for two.
const FRAMING: [HeaderName; 9] =
    [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

pub(crate) const URL: Param = Param::required("url", Kind::Text, "The URL: `http` or `https`.");
pub(crate) const HEADERS: Param =
    Param::option("headers", Kind::TextMap, Literal::Null, "Headers to send, by their names.");
pub(crate) const REDIRECTS: Param = Param::option(
    "redirects",
    Kind::Count,
    Literal::Int(5),
    "How many redirects to follow. Each is asked for; one more is returned as the answer that it is.",
);
pub(crate) const MAX_BYTES: Param = Param::option(
    "max_bytes",
    Kind::Size,
    Literal::Null,
    "How long the body may be, else the call fails; by default, and at most, as the limit `file_bytes` says.",
);
pub(crate) const AS_BYTES: Param =
    Param::option("bytes", Kind::Bool, Literal::Bool(false), "Return the body as bytes; otherwise it must be UTF-8.");
pub(crate) const AS_JSON: Param = Param::option(
    "json",
    Kind::Bool,
    Literal::Bool(false),
    "Ask for JSON, and return what the body says as `json` instead of `body`.",
);

/// What an answer is, in the documentation of operations.
pub(crate) const ANSWER: &str = "`status` (404, for instance: whatever the server says is an answer), `headers` (by their names in lower case; several of one \
     name with `, ` between), `body`, and `url`, where redirects led to.";

/// A request as a script makes it.
pub(crate) struct Asked {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
    redirects: u64,
    max: u64,
    deadline: Instant,
}

/// The URL of a call.
fn url(args: &Args) -> Result<Url, Error> {
    crate::url::url(args.text("url")?)
}

/// Makes the request of a call, and tells the answer.
pub(crate) fn call(session: &Session<'_>, args: &Args, method: Method, body: Option<Vec<u8>>) -> Result<Value, Error> {
    let limit = session.limits().file_bytes;
    let max = args.size_option("max_bytes")?.unwrap_or(limit);
    if max > limit {
        return Err(exceeded("file_bytes", limit, "bytes of one file in memory"));
    }
    let mut headers = headers(args)?;
    let json = method != Method::HEAD && args.flag("json")?;
    if json {
        headers.entry(http::header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    }
    if body.is_some() {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    }
    let redirects = args.count("redirects")?;
    let deadline = deadline(session, args)?;
    let asked = Asked { method, url: url(args)?, headers, body: body.unwrap_or_default(), redirects, max, deadline };
    let head = asked.method == Method::HEAD;
    let (url, answer, body) = asked.make(session)?;
    let mut told = BTreeMap::from([
        ("status".to_owned(), Value::count(answer.status().as_u16())),
        ("headers".to_owned(), told_headers(answer.headers())),
        ("url".to_owned(), url.as_str().into()),
    ]);
    if !head {
        let about = url.as_str().escape_debug();
        let (name, value) = if json {
            let value = serde_json::from_slice(&body)
                .map_err(|error| Error::new(Code::Unsupported, format!("`{about}`: the body is not JSON: {error}")))?;
            ("json", value)
        } else if args.flag("bytes")? {
            ("body", Value::Bytes(body))
        } else {
            let text = String::from_utf8(body).map_err(|_| {
                Error::new(Code::Unsupported, format!("`{about}`: the body is not UTF-8"))
                    .with_help("the option `bytes` returns it as it is")
            })?;
            ("body", text.into())
        };
        told.insert(name.to_owned(), value);
    }
    Ok(Value::Map(told))
}

fn headers(args: &Args) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in args.text_map("headers")? {
        let wrong = |why: &str| Error::validation(format!("`{}` is no header to send: {why}", name.escape_debug()));
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("that is not the name of one"))?;
        if FRAMING.contains(&known) {
            return Err(wrong("Rex sets it"));
        }
        let value = HeaderValue::from_str(value).map_err(|_| wrong("its value holds what no header can"))?;
        if headers.insert(known, value).is_some() {
            return Err(wrong("it is there twice"));
        }
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("rex/", env!("CARGO_PKG_VERSION"))));
    Ok(headers)
}

fn told_headers(headers: &HeaderMap) -> Value {
    let mut told = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let told = told.entry(name.as_str().to_owned()).or_default();
        if !told.is_empty() {
            told.push_str(", ");
        }
        told.push_str(&value);
    }
    Value::Map(told.into_iter().map(|(name, value)| (name, value.into())).collect())
}

impl Asked {
    /// Makes the request, and follows redirects. What is permitted is asked before anybody is looked up.
    fn make(mut self, session: &Session<'_>) -> Result<(Url, Response<()>, Vec<u8>), Error> {
        loop {
            self.permit(session)?;
            let (answer, body) = self.send(session)?;
            let Some(next) = redirect(&answer).filter(|_| self.redirects > 0) else {
                return Ok((self.url, answer, body));
            };
            self.redirects -= 1;
            let next = crate::url::join(&self.url, next).map_err(|error| {
                Error::new(Code::Unsupported, format!("`{}` redirects: {error}", self.url.as_str().escape_debug()))
            })?;
            let same =
                (next.scheme(), next.host(), next.port()) == (self.url.scheme(), self.url.host(), self.url.port());
            if !same {
                self.headers.remove(AUTHORIZATION);
                self.headers.remove(COOKIE);
            }
            // As browsers do; the method stays with the two newer codes alone.
            let keeps = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT].contains(&answer.status());
            if !keeps && ![Method::GET, Method::HEAD].contains(&self.method) {
                self.method = Method::GET;
                self.body = Vec::new();
                self.headers.remove(CONTENT_TYPE);
            }
            self.url = next;
        }
    }

    fn permit(&self, session: &Session<'_>) -> Result<(), Error> {
        let (url, bytes) = (self.url.clone(), i64::try_from(self.body.len()).unwrap_or(i64::MAX));
        match self.method {
            Method::HEAD => session.permit(net::Head {}, url).map(drop),
            Method::POST => session.permit(net::Post { bytes }, url).map(drop),
            Method::PUT => session.permit(net::Put { bytes }, url).map(drop),
            Method::DELETE => session.permit(net::Delete {}, url).map(drop),
            _ => session.permit(net::Get {}, url).map(drop),
        }
    }

    fn send(&self, session: &Session<'_>) -> Result<(Response<()>, Vec<u8>), Error> {
        let (host, tls) = (self.url.host(), self.url.scheme() == "https");
        let line = Line::open(session, host, self.url.port(), tls, self.deadline)?;
        if !tls || line.assumed {
            return self.exchange(line);
        }
        let provider = provider();
        let verifier = verifier(&line.authorities, &provider)?
            .ok_or_else(|| Error::new(Code::Unsupported, "this machine has no certificates of authorities to trust"))?;
        self.exchange(secure(line, host, verifier, provider)?)
    }

    fn exchange(&self, stream: impl Read + Write) -> Result<(Response<()>, Vec<u8>), Error> {
        let host = self.url.host();
        let broken = |error| self.broken(error);
        let mut request = Request::builder().method(self.method.clone()).uri(self.url.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request = request.header(CONNECTION, "close");
        if [Method::POST, Method::PUT].contains(&self.method) {
            request = request.header(CONTENT_LENGTH, self.body.len());
        }
        let request = request.body(()).map_err(|error| Error::validation(error.to_string()))?;
        let mut wire = Wire { stream, host, input: Vec::new(), block: vec![0; BLOCK], ended: false };
        let mut call = Call::new(request).map_err(broken)?.proceed();
        // Room for all headers that fit into the limits of arguments; what does not fit is an error.
        let mut out = vec![0; HEADER_BYTES];
        while !call.can_proceed() {
            let count = call.write(&mut out).map_err(broken)?;
            wire.send(out.get(..count).unwrap_or_default())?;
        }
        let mut call = match call.proceed().map_err(broken)? {
            Some(SendRequestResult::RecvResponse(call)) => call,
            Some(SendRequestResult::SendBody(mut call)) => {
                wire.send(&self.body)?;
                call.consume_direct_write(self.body.len()).map_err(broken)?;
                call.proceed().ok_or_else(|| broken(ureq_proto::Error::BodyLargerThanContentLength))?
            }
            _ => return Err(Error::new(Code::Internal, "a request without `Expect` waits")),
        };
        let mut headers = 0;
        let answer = loop {
            let (used, answer) = call.try_response(&wire.input, false).map_err(broken)?;
            wire.input.drain(..used);
            headers += used;
            if headers + wire.input.len() > HEADER_BYTES && answer.is_none() {
                let message =
                    format!("`{}`: the headers of the answer take more than {HEADER_BYTES} bytes", host.name());
                return Err(Error::new(Code::LimitExceeded, message));
            }
            match answer {
                Some(answer) => break answer,
                None if used == 0 => wire.demand()?,
                None => {}
            }
        };
        let body = match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => self.body(call, &mut wire)?,
            _ => Vec::new(),
        };
        Ok((answer, body))
    }

    fn body(&self, mut call: Call<RecvBody>, wire: &mut Wire<'_, impl Read + Write>) -> Result<Vec<u8>, Error> {
        let (mut body, mut out) = (Vec::new(), vec![0; BLOCK]);
        loop {
            let (used, count) = call.read(&wire.input, &mut out).map_err(|error| self.broken(error))?;
            wire.input.drain(..used);
            body.extend_from_slice(out.get(..count).unwrap_or_default());
            if body.len() as u64 > self.max {
                let url = self.url.as_str().escape_debug();
                return Err(Error::new(
                    Code::LimitExceeded,
                    format!("`{url}`: the body is longer than {} bytes", self.max),
                ));
            }
            if used > 0 || count > 0 {
                continue;
            }
            let closes = matches!(call.body_mode(), BodyMode::CloseDelimited);
            if call.can_proceed() && (!closes || !wire.more()?) {
                return Ok(body);
            }
            // What says how long a piece is has no length of its own.
            if wire.input.len() > HEADER_BYTES {
                return Err(self.broken(ureq_proto::Error::ChunkLenNotAscii));
            }
            if !closes {
                wire.demand()?;
            }
        }
    }

    fn broken(&self, error: ureq_proto::Error) -> Error {
        Error::new(Code::Io, format!("`{}` does not speak HTTP as it should: {error}", self.url.host().name()))
    }
}

/// Where an answer sends whoever asked.
fn redirect(answer: &Response<()>) -> Option<&str> {
    let codes = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    let location = answer.headers().get(http::header::LOCATION)?;
    codes.contains(&answer.status()).then(|| location.to_str().ok()).flatten()
}

/// The bytes of a connection, and what of them was not looked at yet.
struct Wire<'h, S> {
    stream: S,
    host: &'h RemoteHost,
    input: Vec<u8>,
    block: Vec<u8>,
    ended: bool,
}

impl<S: Read + Write> Wire<'_, S> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).map_err(|error| failed(self.host, error))
    }

    /// Reads more; `false` at the end.
    fn more(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        let count = self.stream.read(&mut self.block).map_err(|error| failed(self.host, error))?;
        self.input.extend_from_slice(self.block.get(..count).unwrap_or_default());
        self.ended = count == 0;
        Ok(count > 0)
    }

    /// Reads more, which there must be.
    fn demand(&mut self) -> Result<(), Error> {
        if self.more()? { Ok(()) } else { Err(failed(self.host, io::ErrorKind::UnexpectedEof.into())) }
    }
}
