//! `net::tls_certificate`

use std::sync::Arc;

use rex_core::action::net;
use rex_core::{Action, Code, Error, Value};

use super::HOST;
use crate::certificate::describe;
use crate::connection::{OpenConnection, TIMEOUT, deadline};
use crate::tls::{Checker, secure};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Returns the certificate that a host presents.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "net::tls_certificate",
        aliases: &[],
        needs: &[net::Resolve::SPEC, net::Connect::SPEC],
        params: &[
            HOST,
            Param::option("port", ParamKind::Count, Literal::Int(443), "The port."),
            Param::option(
                "name",
                ParamKind::Text,
                Literal::Null,
                "The name to ask for (SNI) and to check; by default that of the host.",
            ),
            TIMEOUT,
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "What `fs::certificates` tells of the host's certificate, and: `trusted` (whether this machine would take it for that name, now), `why` not, \
                  `protocol`, and `chain`, the other certificates that came along.",
        },
        doc: "Tells what certificate a host shows.\nAn untrusted one is told too; nothing else is sent.",
        errors: &[Code::NotFound, Code::Io, Code::Unsupported, Code::LimitExceeded],
        example: CallExample {
            args: r#"["app.example.com"]"#,
            returns: r#"{"authority":false,"chain":[],"issuer":"CN=app.example.com","key":"EC 256","names":["app.example.com","93.184.215.14"],"not_after":"2126-01-01T00:00:00Z","not_after_epoch":4922899200,"not_before":"2026-01-01T00:00:00Z","protocol":"TLSv1_3","serial":"2a","sha256":"3d0e5a3f2b69cb9c4050a52ff907f3658b71affb87fa62004740f210d91f4ae0","signature":"ecdsa-with-SHA256","subject":"CN=app.example.com","trusted":true,"why":null}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (host, port) = (super::host(args)?, super::port(args)?);
    let name = match args.text_option("name")? {
        Some(name) => crate::url::host(name)?,
        None => host.clone(),
    };
    let line = OpenConnection::open(session, &host, port, true, deadline(session, args)?)?;
    let checker = Arc::new(Checker::new(&line.authorities, true)?);
    let stream = secure(line, &name, &checker)?;
    let shown = stream.conn.peer_certificates().unwrap_or_default();
    let (first, rest) = shown.split_first().ok_or_else(|| Error::new(Code::Io, "the server sent no certificate"))?;
    let chain = rest.iter().map(|der| describe(der)).collect::<Result<Vec<_>, _>>()?;
    let mut told = describe(first)?;
    if let Value::Map(entries) = &mut told {
        let why = checker.verdict();
        let protocol = stream.conn.protocol_version().and_then(|version| version.as_str()).unwrap_or_default();
        entries.extend([
            ("trusted".to_owned(), why.is_none().into()),
            ("why".to_owned(), why.map_or(Value::Null, Value::from)),
            ("protocol".to_owned(), protocol.into()),
            ("chain".to_owned(), Value::List(chain)),
        ]);
    }
    Ok(told)
}
