//! DNS queries, and the records in the answers; RFC 1035.

use std::collections::BTreeMap;
use std::io;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use rex_core::net::RemoteHost;
use rex_core::{Code, Error, Value};

/// One record of a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DnsRecord {
    /// The name that the record belongs to: the requested one, or the one that it is an alias of.
    pub(crate) name: String,
    /// Number of seconds for which it may be cached.
    pub(crate) ttl: u32,
    /// The fields of the record: `address`, `exchange`, ...
    pub(crate) data: BTreeMap<String, Value>,
}

/// The port of name servers.
pub(crate) const PORT: u16 = 53;
/// The largest answer by UDP that no network fragments, in bytes; see dnsflagday.net/2020.
const UDP_BYTES: u16 = 1232;

/// The supported record types.
pub(crate) use rex_core::net::RECORDS as TYPES;

/// Returns a query for the records of one type.
pub(crate) fn query(host: &RemoteHost, record: &str) -> io::Result<Vec<u8>> {
    let no_name = |_| io::Error::other("it is not a valid DNS name");
    let kind: RecordType = record.parse().map_err(|_| io::Error::other("there is no such record type"))?;
    let mut name = match host.address() {
        Some(address) => Name::from(address),
        None => Name::from_ascii(host.name()).map_err(no_name)?,
    };
    name.set_fqdn(true);
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, kind));
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_BYTES);
    message.set_edns(edns);
    message.to_vec().map_err(io::Error::other)
}

/// Returns `true` if a message is an answer to this query, by its number and the question that it repeats; RFC 1035,
/// section 4.1.1. An error may leave out the question.
#[cfg(all(feature = "host", target_os = "linux"))]
pub(crate) fn answers(answer: &[u8], query: &[u8]) -> bool {
    const HEADER: usize = 12;
    let is_numbered = answer.len() >= HEADER && answer.get(..2) == query.get(..2);
    let [is_answer, is_error] =
        [(2, 0x80), (3, 0x0f)].map(|(at, bits)| answer.get(at).is_some_and(|flags| flags & bits != 0));
    // The name in a query that we wrote: labels that begin with their length, up to one of length 0; then its type and
    // class.
    let mut end = HEADER;
    while let Some(&length) = query.get(end).filter(|length| **length > 0) {
        end += 1 + usize::from(length);
    }
    let question = query.get(HEADER..end + 5);
    let repeats = match answer.get(4..6) {
        Some([0, 1]) => question.is_some_and(|asked| {
            answer.get(HEADER..end + 5).is_some_and(|repeated| repeated.eq_ignore_ascii_case(asked))
        }),
        Some([0, 0]) => is_error,
        _ => false,
    };
    is_numbered && is_answer && repeats
}

/// Returns `true` if an answer was truncated because it was too long.
#[cfg(all(feature = "host", target_os = "linux"))]
pub(crate) fn is_cut(answer: &[u8]) -> bool {
    answer.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

/// Returns the records of an answer, of the requested type. If the name is an alias, they are those of its target.
pub(crate) fn records(host: &RemoteHost, record: &str, answer: &[u8]) -> Result<Vec<DnsRecord>, Error> {
    let name = host.name();
    let broken = |_| Error::new(Code::Io, format!("`{name}`: what the name server sent is not a valid answer"));
    let message = Message::from_vec(answer).map_err(broken)?;
    match message.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Err(Error::new(Code::NotFound, format!("`{name}` does not exist"))),
        code => return Err(Error::new(Code::Io, format!("`{name}`: the name server {}", refusal(code)))),
    }
    let asked = |records: &&hickory_proto::rr::Record| records.record_type().to_string() == record;
    let record = |record: &hickory_proto::rr::Record| DnsRecord {
        name: text(&record.name),
        ttl: record.ttl,
        data: data(&record.data),
    };
    Ok(message.answers.iter().filter(asked).map(record).collect())
}

/// Describes why a name server has no answer; RFC 1035, section 4.1.1.
fn refusal(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "failed (SERVFAIL)".to_owned(),
        ResponseCode::Refused => "refuses to answer (REFUSED)".to_owned(),
        ResponseCode::FormErr => "does not understand the query (FORMERR)".to_owned(),
        ResponseCode::NotImp => "does not support this query (NOTIMP)".to_owned(),
        other => format!("has no answer (code {})", u16::from(other)),
    }
}

/// Formats a name as in RFC 1035, without the dot at its end. Bytes that are not letters are escaped there.
fn text(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}

fn data(data: &RData) -> BTreeMap<String, Value> {
    let lossy = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
    let entries: Vec<(&str, Value)> = match data {
        RData::A(address) => vec![("address", address.0.to_string().into())],
        RData::AAAA(address) => vec![("address", address.0.to_string().into())],
        RData::CNAME(name) => vec![("name", text(&name.0).into())],
        RData::NS(name) => vec![("name", text(&name.0).into())],
        RData::PTR(name) => vec![("name", text(&name.0).into())],
        RData::MX(mx) => vec![("preference", Value::count(mx.preference)), ("exchange", text(&mx.exchange).into())],
        RData::SRV(srv) => vec![
            ("priority", Value::count(srv.priority)),
            ("weight", Value::count(srv.weight)),
            ("port", Value::count(srv.port)),
            ("target", text(&srv.target).into()),
        ],
        // One text may be split into several strings, which belong together; RFC 7208, section 3.3.
        RData::TXT(txt) => vec![("text", lossy(&txt.txt_data.concat()))],
        RData::CAA(caa) => vec![
            ("critical", caa.issuer_critical.into()),
            ("tag", caa.tag.clone().into()),
            ("value", lossy(&caa.value)),
        ],
        other => vec![("data", other.to_string().into())],
    };
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
