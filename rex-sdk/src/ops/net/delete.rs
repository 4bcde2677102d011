//! `net::delete`

use http::Method;
use rex_core::action::net;
use rex_core::{Action, Code, Error, Value};

use crate::connection::TIMEOUT;
use crate::http::{ADDRESS, ANSWER, AS_BYTES, AS_JSON, HEADERS, MAX_BYTES, REDIRECTS, SITE, URL, call as request};
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Sends a DELETE request.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "net::delete",
        aliases: &[],
        needs: &[net::Delete::SPEC, net::Resolve::SPEC, net::Connect::SPEC],
        params: &[URL, HEADERS, ADDRESS, SITE, REDIRECTS, TIMEOUT, MAX_BYTES, AS_BYTES, AS_JSON],
        returns: ReturnSpec { kind: "map", doc: ANSWER },
        doc: "Sends a DELETE request: deletes what is at a URL.\nWhat is asked for, redirects, certificates: as for `net::get`.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["http://app.example.com/notes"]"#,
            returns: r#"{"body":"taken\n","headers":{"content-length":"6","content-type":"text/plain"},"status":200,"url":"http://app.example.com/notes"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    request(session, args, Method::DELETE, None)
}
