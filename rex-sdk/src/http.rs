//! HTTP: one request per connection, and its redirects, each with its own grants; RFC 9110, RFC 9112.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, PROXY_AUTHORIZATION, RANGE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use rex_core::action::net;
use rex_core::limits::exceeded;
use rex_core::net::{RemoteHost, Url};
use rex_core::{Code, Error, Value};
use ureq_proto::BodyMode;
use ureq_proto::client::state::RecvBody;
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};

use crate::answer::{BodyForm, tell, wrong};
use crate::connection::{OpenConnection, deadline, failed};
use crate::tls::{Checker, secure};
use crate::{Args, Literal, Param, ParamKind, Session};

/// Maximum size of the response headers, in bytes, including those of interim (1xx) responses.
const HEADER_BYTES: usize = rex_core::bounds::HTTP_HEADER_BYTES;
/// Number of bytes that are read and written at a time.
const BLOCK: usize = 16 << 10;
/// Headers that frame a message. Only Rex sets them; otherwise one message could be taken for two.
const FRAMING: [HeaderName; 8] =
    [CONNECTION, CONTENT_LENGTH, EXPECT, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
/// Headers that are sent along to another origin. Any other header may be a credential.
const HARMLESS: [HeaderName; 9] = [
    ACCEPT,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    CONTENT_TYPE,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    RANGE,
    USER_AGENT,
];

pub(crate) const URL: Param = Param::required("url", ParamKind::Text, "The URL: `http` or `https`.")
    .of(crate::ParamForm::Read(|text| crate::url::url(text).map(drop)));
pub(crate) const HEADERS: Param = Param::option(
    "headers",
    ParamKind::TextMap,
    Literal::Null,
    "Headers to send, by their names. `Host` is the option `host`.",
);
pub(crate) const REDIRECTS: Param = Param::option(
    "redirects",
    ParamKind::Count,
    Literal::Int(5),
    "How many redirects to follow. Each is asked for; one more is returned as the answer that it is.",
);
pub(crate) const ADDRESS: Param = Param::option(
    "address",
    ParamKind::Text,
    Literal::Null,
    "Connect to this address instead of one that is looked up for the URL's host; `net::connect` is asked for it.",
);
pub(crate) const SITE: Param = Param::option(
    "host",
    ParamKind::Text,
    Literal::Null,
    "The site to ask the server for, instead of the one that the URL names; the URL with that name is asked for, too.",
);
pub(crate) const MAX_BYTES: Param = Param::option(
    "max_bytes",
    ParamKind::Size,
    Literal::Null,
    "How long the body may be, else the call fails; by default, and at most, as the limit `file_bytes` says.",
);
pub(crate) const AS_BYTES: Param = Param::option(
    "bytes",
    ParamKind::Bool,
    Literal::Bool(false),
    "Return the body as bytes, as it came: compressed, if it was.",
);
pub(crate) const AS_JSON: Param = Param::option(
    "json",
    ParamKind::Bool,
    Literal::Bool(false),
    "Ask for JSON, and return what the body says as `json` instead of `body`. Of a body that is no JSON, `json` is `()`, `body` holds it, and `why` says where.",
);

/// The description of a response, in the documentation of operations.
pub(crate) const ANSWER: &str = "`status` (404, for instance: whatever the server says is an answer), `headers` (by their names in lower case; several of one \
     name with `, ` between), `body`, and `url`, where redirects led to. A body that cannot be told as it was asked for is `()`, and is in `bytes`, with `why`.";

/// A request of a script.
pub(crate) struct HttpRequest {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
    redirects: u64,
    max: u64,
    deadline: Instant,
    /// The host to connect to, if it is not the host of the URL.
    address: Option<RemoteHost>,
    /// The site to request, with an optional port, if it is not that of the URL.
    site: Option<String>,
}

/// Returns the URL of a call.
fn url(args: &Args) -> Result<Url, Error> {
    crate::url::url(args.text("url")?)
}

/// Makes the request of a call and returns the response.
pub(crate) fn call(session: &Session<'_>, args: &Args, method: Method, body: Option<Vec<u8>>) -> Result<Value, Error> {
    let limit = session.limits().file_bytes;
    let max = args.size_option("max_bytes")?.unwrap_or(limit);
    if max > limit {
        return Err(exceeded("file_bytes", limit, "bytes of one file in memory"));
    }
    let (mut headers, site) = headers_and_site(args)?;
    let form = match method {
        Method::HEAD => BodyForm::None,
        _ if args.flag("json")? => BodyForm::Json,
        _ if args.flag("bytes")? => BodyForm::Bytes,
        _ => BodyForm::Text,
    };
    if form == BodyForm::Json {
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    }
    if body.is_some() {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    }
    let asked = HttpRequest {
        method,
        url: url(args)?,
        site,
        headers,
        body: body.unwrap_or_default(),
        redirects: args.count("redirects")?,
        max,
        deadline: deadline(session, args)?,
        address: args.text_option("address")?.map(address).transpose()?,
    };
    asked.named()?;
    let (url, answer, body) = asked.make(session)?;
    tell(&url, &answer, body, form, (max, session.run.budget()))
}

/// Returns the first targets of a call: its URLs, the host that it connects to, and the port.
pub(crate) fn aims(args: &Args) -> Result<(Vec<Url>, RemoteHost, u16), Error> {
    let (url, (_, site)) = (url(args)?, headers_and_site(args)?);
    let at = args.text_option("address")?.map(address).transpose()?;
    let (at, port) = (at.unwrap_or_else(|| url.host().clone()), url.port());
    Ok((both(url, site.as_deref())?, at, port))
}

/// Returns a URL and, if the call names another site, the URL of that site. One server has many sites, so the policy
/// decides on both.
fn both(url: Url, site: Option<&str>) -> Result<Vec<Url>, Error> {
    let named = named(&url, site)?.filter(|named| *named != url);
    Ok([Some(url), named].into_iter().flatten().collect())
}

/// Returns the URL of the named site, if there is one.
fn named(url: &Url, site: Option<&str>) -> Result<Option<Url>, Error> {
    let Some(site) = site else { return Ok(None) };
    let wrong = || Error::validation(format!("`{}` is not a site for the header `Host`", site.escape_debug()));
    if site.is_empty() || site.contains(['/', '?', '#', '@', '\\']) {
        return Err(wrong());
    }
    let named = format!("{}://{site}{}", url.scheme(), url.target());
    crate::url::url(&named).map(Some).map_err(|_| wrong())
}

/// Returns the headers of a call without `Host`, and the site that this header or the option `host` names.
fn headers_and_site(args: &Args) -> Result<(HeaderMap, Option<String>), Error> {
    let mut headers = headers(args)?;
    let site = headers.remove(HOST).and_then(|site| site.to_str().ok().map(str::to_owned));
    match (args.text_option("host")?, site) {
        (Some(_), Some(_)) => {
            let error = Error::validation("both the option `host` and the header `Host` name a site");
            Err(error.with_help("use only one of them"))
        }
        (given, header) => Ok((headers, given.map(str::to_owned).or(header))),
    }
}

fn address(text: &str) -> Result<RemoteHost, Error> {
    crate::url::host(text).ok().filter(|host| host.address().is_some()).ok_or_else(|| {
        let shown: String = text.chars().take(200).collect();
        Error::validation(format!("`{}` is not an address to connect to", shown.escape_debug()))
            .with_help("as `127.0.0.1` or `2001:db8::1`; the port is that of the URL")
    })
}

fn headers(args: &Args) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in args.text_map("headers")? {
        let wrong =
            |why: &str| Error::validation(format!("the header `{}` cannot be sent: {why}", name.escape_debug()));
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("its name is invalid"))?;
        if FRAMING.contains(&known) {
            return Err(wrong("Rex sets it"));
        }
        let value = HeaderValue::from_str(value).map_err(|_| wrong("its value contains an invalid character"))?;
        if headers.insert(known, value).is_some() {
            return Err(wrong("it is given twice"));
        }
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("rex/", env!("CARGO_PKG_VERSION"))));
    Ok(headers)
}

impl HttpRequest {
    /// Makes the request and follows redirects. Obtains the grants for a URL before it looks up any address.
    fn make(mut self, session: &Session<'_>) -> Result<(Url, Response<()>, Vec<u8>), Error> {
        loop {
            self.permit(session)?;
            let (answer, body) = self.send(session)?;
            let Some(next) = redirect(&answer).filter(|_| self.redirects > 0) else {
                return Ok((self.url, answer, body));
            };
            let next = crate::url::join(&self.url, next).map_err(|error| {
                Error::new(Code::Unsupported, format!("`{}` redirects: {error}", self.url.as_str().escape_debug()))
            })?;
            let Some(method) = self.redirect_method(answer.status(), &next) else {
                return Ok((self.url, answer, body));
            };
            self.redirects -= 1;
            let same =
                (next.scheme(), next.host(), next.port()) == (self.url.scheme(), self.url.host(), self.url.port());
            if !same {
                self.headers = std::mem::take(&mut self.headers)
                    .into_iter()
                    .filter_map(|(name, value)| name.filter(|name| HARMLESS.contains(name)).map(|name| (name, value)))
                    .collect();
            }
            if method != self.method {
                self.method = method;
                self.body = Vec::new();
                self.headers.remove(CONTENT_TYPE);
            }
            self.url = next;
        }
    }

    /// Returns the method with which a redirect is followed; `None` if it must not be followed. Only POST becomes GET,
    /// as in browsers: PUT and DELETE never turn into a read. A request with its own address or site never moves to
    /// another host.
    fn redirect_method(&self, status: StatusCode, next: &Url) -> Option<Method> {
        let elsewhere = next.host() != self.url.host();
        if elsewhere && (self.address.is_some() || self.site.is_some()) {
            return None;
        }
        let keeps = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT].contains(&status);
        match self.method {
            _ if keeps => Some(self.method.clone()),
            Method::GET | Method::HEAD => Some(self.method.clone()),
            Method::POST => Some(Method::GET),
            _ => None,
        }
    }

    fn named(&self) -> Result<Option<Url>, Error> {
        named(&self.url, self.site.as_deref())
    }

    fn permit(&self, session: &Session<'_>) -> Result<(), Error> {
        let bytes = i64::try_from(self.body.len()).unwrap_or(i64::MAX);
        for url in both(self.url.clone(), self.site.as_deref())? {
            match self.method {
                Method::HEAD => session.permit(net::Head {}, url).map(drop)?,
                Method::POST => session.permit(net::Post { bytes }, url).map(drop)?,
                Method::PUT => session.permit(net::Put { bytes }, url).map(drop)?,
                Method::DELETE => session.permit(net::Delete {}, url).map(drop)?,
                _ => session.permit(net::Get {}, url).map(drop)?,
            }
        }
        Ok(())
    }

    fn send(&self, session: &Session<'_>) -> Result<(Response<()>, Vec<u8>), Error> {
        let (host, tls) = (self.url.host(), self.url.scheme() == "https");
        let at = self.address.as_ref().unwrap_or(host);
        let line = OpenConnection::open(session, at, self.url.port(), tls, self.deadline)?;
        if !tls || line.assumed {
            return self.exchange(line);
        }
        let checker = Arc::new(Checker::new(&line.authorities, false)?);
        if !checker.trusts_anybody() {
            return Err(Error::new(Code::Unsupported, "this machine has no certificates of authorities to trust"));
        }
        let named = self.named()?;
        let name = named.as_ref().map_or(host, Url::host);
        self.exchange(secure(line, name, &checker)?)
    }

    fn exchange(&self, stream: impl Read + Write) -> Result<(Response<()>, Vec<u8>), Error> {
        let host = self.url.host();
        let broken = |error| self.broken(error);
        let mut request = Request::builder().method(self.method.clone()).uri(self.url.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(site) = &self.site {
            request = request.header(HOST, site);
        }
        request = request.header(CONNECTION, "close");
        if [Method::POST, Method::PUT].contains(&self.method) {
            request = request.header(CONTENT_LENGTH, self.body.len());
        }
        let request = request.body(()).map_err(|_| Error::validation("the request is not valid HTTP"))?;
        let mut wire = HttpWire { stream, host, input: Vec::new(), block: vec![0; BLOCK], ended: false };
        let mut call = Call::new(request).map_err(broken)?.proceed();
        // Room for all headers within the limits of arguments; larger headers are an error.
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
            Some(RecvResponseResult::RecvBody(call)) => self.body(call, &mut wire, answer.status())?,
            _ => Vec::new(),
        };
        Ok((answer, body))
    }

    fn body(
        &self,
        mut call: Call<RecvBody>,
        wire: &mut HttpWire<'_, impl Read + Write>,
        status: StatusCode,
    ) -> Result<Vec<u8>, Error> {
        let (mut body, mut out) = (Vec::new(), vec![0; BLOCK]);
        loop {
            let (used, count) = call.read(&wire.input, &mut out).map_err(|error| self.broken(error))?;
            wire.input.drain(..used);
            body.extend_from_slice(out.get(..count).unwrap_or_default());
            if body.len() as u64 > self.max {
                let (url, status) = (self.url.as_str().escape_debug(), status.as_u16());
                return Err(Error::new(
                    Code::LimitExceeded,
                    format!("`{url}` answered {status}: the body is longer than {} bytes", self.max),
                ));
            }
            if used > 0 || count > 0 {
                continue;
            }
            let closes = matches!(call.body_mode(), BodyMode::CloseDelimited);
            if call.can_proceed() && (!closes || !wire.more()?) {
                return Ok(body);
            }
            // The header of a chunk has no length of its own.
            if wire.input.len() > HEADER_BYTES {
                return Err(self.broken(ureq_proto::Error::ChunkLenNotAscii));
            }
            if !closes {
                wire.demand()?;
            }
        }
    }

    fn broken(&self, error: ureq_proto::Error) -> Error {
        let why = wrong(&error);
        Error::new(Code::Io, format!("`{}` violates HTTP: {why}", self.url.host().name()))
    }
}

/// Returns the target of a redirect.
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

/// The bytes of a connection, and those that were received but not parsed yet.
struct HttpWire<'h, S> {
    stream: S,
    host: &'h RemoteHost,
    input: Vec<u8>,
    block: Vec<u8>,
    ended: bool,
}

impl<S: Read + Write> HttpWire<'_, S> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).map_err(|error| failed(self.host, error))
    }

    /// Reads more; returns `false` at the end.
    fn more(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        let count = self.stream.read(&mut self.block).map_err(|error| failed(self.host, error))?;
        self.input.extend_from_slice(self.block.get(..count).unwrap_or_default());
        self.ended = count == 0;
        Ok(count > 0)
    }

    /// Reads more; the end is an error.
    fn demand(&mut self) -> Result<(), Error> {
        if self.more()? { Ok(()) } else { Err(failed(self.host, io::ErrorKind::UnexpectedEof.into())) }
    }
}
