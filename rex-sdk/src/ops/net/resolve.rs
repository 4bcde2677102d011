//! `net::resolve`

use std::net::{IpAddr, SocketAddr};

use rex_core::action::net;
use rex_core::{Action, Code, Error, Value};

use super::HOST;
use crate::connection::addresses;
use crate::dns::{self, DnsRecord};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Looks up the records of a name.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "net::resolve",
        aliases: &[],
        needs: &[net::Resolve::SPEC],
        params: &[
            HOST,
            Param::option(
                "type",
                ParamKind::Text,
                Literal::Null,
                "Ask name servers for records of this type: `A`, `AAAA`, `CAA`, `CNAME`, `MX`, `NS`, `PTR`, `SRV`, `TXT`. An address is asked for its name by `PTR`.",
            )
            .of(ParamForm::Read(|text| record_type(text).map(drop))),
            Param::option(
                "server",
                ParamKind::Text,
                Literal::Null,
                "The address of the name server to ask, with its port if that is not 53; needs `type`.",
            ),
        ],
        returns: ReturnSpec {
            kind: "list",
            doc: "Without `type`, the addresses as text, in the order in which they are tried. With it, of maps: `name`, `ttl` (seconds), and what the record says: \
                  `address`; `name`; `preference`, `exchange`; `priority`, `weight`, `port`, `target`; `text`; `critical`, `tag`, `value`.",
        },
        doc: "Looks up the addresses of a name.\nWithout `type`, as all programs of this machine do, `/etc/hosts` included. With it, by asking the name servers of \
              `/etc/resolv.conf`; the name is taken as it is, no domain is added. No record of that type is an empty list.",
        errors: &[Code::NotFound, Code::Io, Code::Unsupported],
        example: CallExample { args: r#"["app.example.com"]"#, returns: r#"["93.184.215.14"]"# },
    },
    call,
};

fn record_type(text: &str) -> Result<String, Error> {
    let record = text.to_ascii_uppercase();
    if dns::TYPES.contains(&&*record) {
        return Ok(record);
    }
    let message = format!("`{}` is not a record type that Rex supports", text.escape_debug());
    Err(Error::validation(message).with_help(format!("there are: {}", dns::TYPES.join(", "))))
}

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let host = super::host(args)?;
    let server = args.text_option("server")?.map(server).transpose()?;
    let Some(record) = args.text_option("type")? else {
        if server.is_some() {
            return Err(Error::validation("`server` needs `type`: without it, no name server is asked"));
        }
        let found = addresses(session, &host)?;
        return Ok(Value::List(found.into_iter().map(|address| address.to_string().into()).collect()));
    };
    let record = record_type(record)?;
    let server = server.map_or_else(String::new, |server| server.to_string());
    let grant = session.permit(net::Resolve { record: record.clone(), server }, host.clone())?;
    let answer = session.os.records(grant, session.run.budget()).map_err(|error| error.into_error(&host))?;
    session.run.budget().count_read(answer.len() as u64)?;
    let told = |record: DnsRecord| {
        let mut entries = record.data;
        let ttl = Value::count(record.ttl);
        entries.insert("ttl".to_owned(), ttl);
        entries.entry("name".to_owned()).or_insert(record.name.into());
        Value::Map(entries)
    };
    Ok(Value::List(dns::records(&host, &record, &answer)?.into_iter().map(told).collect()))
}

pub(crate) fn server(text: &str) -> Result<SocketAddr, Error> {
    let with_port = text.parse::<SocketAddr>().ok();
    let bare = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, dns::PORT));
    with_port.or_else(bare).ok_or_else(|| {
        Error::validation(format!("`{}` is not the address of a name server", text.escape_debug()))
            .with_help("as `192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::53]:5353`")
    })
}
