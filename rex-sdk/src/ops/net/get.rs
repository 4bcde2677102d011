//! `net::get`

use http::Method;
use rex_core::action::net;
use rex_core::{Action, Code, Error, Value};

use crate::connection::TIMEOUT;
use crate::http::{ADDRESS, ANSWER, AS_BYTES, AS_JSON, HEADERS, MAX_BYTES, REDIRECTS, SITE, URL, call as request};
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Sends a GET request and returns the response.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "net::get",
        aliases: &[],
        needs: &[net::Get::SPEC, net::Resolve::SPEC, net::Connect::SPEC],
        params: &[URL, HEADERS, ADDRESS, SITE, REDIRECTS, TIMEOUT, MAX_BYTES, AS_BYTES, AS_JSON],
        returns: ReturnSpec { kind: "map", doc: ANSWER },
        doc: "Sends a GET request: fetches what is at a URL.\nThe host is looked up (`net::resolve`) and connected to (`net::connect`), and both are asked for. Each redirect is a URL of its own, and \
     all is asked for again; to another host, port or scheme no header goes along but `accept`, `accept-language`, `content-language`, `content-type` and \
     `user-agent`. Only POST becomes GET by a redirect (301, 302, 303); PUT and DELETE return the redirect as their answer, and 307 and 308 keep the method \
     and the body. With `address` or a `Host`, a redirect to another host is the answer, too. No proxy is used. A body that is compressed by gzip or deflate \
     is expanded. With `https`, the certificate must be one that this machine trusts.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["http://app.example.com/health"]"#,
            returns: r#"{"body":"ok\n","headers":{"content-length":"3","content-type":"text/plain"},"status":200,"url":"http://app.example.com/health"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    request(session, args, Method::GET, None)
}
