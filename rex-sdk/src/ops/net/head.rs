//! `net::head`

use http::Method;
use rex_core::action::net;
use rex_core::{Action, Code, Error, Value};

use crate::connection::TIMEOUT;
use crate::http::{ADDRESS, ANSWER, HEADERS, REDIRECTS, SITE, URL, call as request};
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Sends a HEAD request.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "net::head",
        aliases: &[],
        needs: &[net::Head::SPEC, net::Resolve::SPEC, net::Connect::SPEC],
        params: &[URL, HEADERS, ADDRESS, SITE, REDIRECTS, TIMEOUT],
        returns: ReturnSpec { kind: "map", doc: ANSWER },
        doc: "Sends a HEAD request: fetches the headers of what is at a URL.\nWhat is asked for, redirects, certificates: as for `net::get`.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["http://app.example.com/health"]"#,
            returns: r#"{"headers":{"content-length":"3","content-type":"text/plain"},"status":200,"url":"http://app.example.com/health"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    request(session, args, Method::HEAD, None)
}
