//! The network.

pub mod delete;
pub mod get;
pub mod head;
pub mod interfaces;
pub mod post;
pub mod put;
pub mod resolve;
pub mod routes;
pub mod sockets;
pub mod tcp_check;
pub mod tls_certificate;

use rex_core::action::net;
use rex_core::net::RemoteHost;
use rex_core::resource::Host;
use rex_core::{Error, Value};

use crate::os::NetworkTable;
use crate::{Args, Param, ParamKind, Session};

const HOST: Param = Param::required("host", ParamKind::Text, "The host, by its name or its address.");

fn host(args: &Args) -> Result<RemoteHost, Error> {
    crate::url::host(args.text("host")?)
}

fn port(args: &Args) -> Result<u16, Error> {
    let port = args.count("port")?;
    let known = u16::try_from(port).ok().filter(|port| *port != 0);
    known.ok_or_else(|| Error::validation(format!("`{port}` is not a port: ports are 1 to 65535")))
}

/// Returns tables of the kernel.
fn tables<const N: usize>(session: &Session<'_>, tables: [NetworkTable; N]) -> Result<[String; N], Error> {
    let grant = session.permit(net::Inspect {}, Host)?;
    let texts =
        session.os.tables(grant, tables.into(), session.run.budget()).map_err(|error| error.into_error(&Host))?;
    let missing = |_| Error::new(rex_core::Code::Internal, "a table of the network is missing");
    texts.try_into().map_err(missing)
}

/// Converts a number to a value; 0 means that there is none.
fn unless_zero(number: u64) -> Value {
    if number == 0 { Value::Null } else { Value::count(number) }
}
