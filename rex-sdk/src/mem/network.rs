//! A network in memory: hosts with addresses, the pages that they serve, and the kernel's tables.

use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use rex_core::action::net;
use rex_core::{Budget, Grant};
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::MemOs;
use crate::dns;
use crate::os::{Connection, Interface, Network, NetworkTable, OsError, Stream};
use crate::tls::provider;

/// The self-signed certificate of `app.example.com`. Its key, below, is not secret.
pub(super) const CERTIFICATE: &str = include_str!("example-certificate.pem");
/// The host that the certificate is for.
const CERTIFIED: &str = "app.example.com";
const KEY: &[u8] = include_bytes!("example-key.der");

/// Hosts by name, and raw answers of servers by URL.
#[derive(Debug, Clone, Default)]
pub(super) struct MemHosts {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    pages: BTreeMap<String, Vec<u8>>,
}

impl MemOs {
    /// Adds a host with this address, or adds the address to a known host.
    ///
    /// # Panics
    /// If the address is invalid.
    #[must_use]
    pub fn host(self, name: &str, address: &str) -> Self {
        let known = address.parse().map(|address| {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.addresses.entry(name.to_owned()).or_default().push(address);
        });
        assert!(known.is_ok(), "`{address}` is not an address");
        self
    }

    /// Makes a server answer every request for a URL with this text, which starts with `HTTP/1.1 200 OK` or the like.
    /// Other URLs get 404.
    #[must_use]
    pub fn page(self, url: &str, answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).pages.insert(url.to_owned(), answer);
        self
    }
}

impl Network for MemOs {
    fn addresses(&self, grant: Grant<net::Resolve>, _: &Budget) -> Result<Vec<IpAddr>, OsError> {
        self.count();
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let found = hosts.addresses.get(grant.resource().name()).cloned();
        found.ok_or_else(|| io::Error::from(ErrorKind::NotFound).into())
    }

    fn records(&self, grant: Grant<net::Resolve>, _: &Budget) -> Result<Vec<u8>, OsError> {
        self.count();
        let (host, record) = (grant.resource(), &grant.action().record);
        let query = Message::from_vec(&dns::query(host, record)?).map_err(io::Error::other)?;
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let name = Name::from_ascii(host.name()).map_err(io::Error::other)?;
        let data: Vec<RData> = match (host.address(), hosts.addresses.get(host.name())) {
            (Some(address), _) if record == "PTR" => {
                let of = hosts.addresses.iter().filter(|(_, addresses)| addresses.contains(&address));
                of.filter_map(|(name, _)| Name::from_ascii(name).ok()).map(|name| RData::PTR(PTR(name))).collect()
            }
            (_, Some(addresses)) => match (record.parse(), addresses) {
                (Ok(RecordType::TXT), _) => vec![RData::TXT(TXT::new(vec!["an example".to_owned()]))],
                (Ok(kind), addresses) => addresses
                    .iter()
                    .filter_map(|address| match address {
                        IpAddr::V4(address) => (kind == RecordType::A).then_some(RData::A(A(*address))),
                        IpAddr::V6(address) => (kind == RecordType::AAAA).then_some(RData::AAAA(AAAA(*address))),
                    })
                    .collect(),
                _ => Vec::new(),
            },
            _ => {
                answer.metadata.response_code = ResponseCode::NXDomain;
                Vec::new()
            }
        };
        answer.answers = data.into_iter().map(|data| Record::from_rdata(name.clone(), 300, data)).collect();
        Ok(answer.to_vec().map_err(io::Error::other)?)
    }

    /// Connects to a server: port 443 speaks TLS; ports 80, 8080 and those of pages do not; all others are closed.
    fn connect(&self, grant: Grant<net::Connect>, trusted: bool, _: u64, _: &Budget) -> Result<Connection, OsError> {
        self.count();
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let (host, action) = (grant.resource(), grant.action());
        let own = host.address().is_some_and(|own| own == action.address);
        let found = hosts.addresses.get(host.name()).is_some_and(|found| found.contains(&action.address));
        if !own && !found {
            return Err(OsError::Refused("this name does not resolve to the address"));
        }
        // The only certificate names one host. Other hosts are assumed to present a valid one.
        let page = |scheme: &str, port: &str| {
            let start = format!("{scheme}://{}{port}/", host.name());
            hosts.pages.keys().any(|url| url.starts_with(&start))
        };
        let assumed = action.port == 443 && host.name() != CERTIFIED && page("https", "");
        let tls = match action.port {
            443 if assumed => None,
            443 => Some(server()?),
            80 | 8080 => None,
            port if page("http", &format!(":{port}")) => None,
            _ => return Err(io::Error::new(ErrorKind::ConnectionRefused, "connection refused").into()),
        };
        let scheme = if assumed || tls.is_some() { "https" } else { "http" };
        let stream =
            MemServer { pages: hosts.pages.clone(), asked: Vec::new(), answer: Cursor::default(), tls, scheme };
        let authorities = trusted.then(|| CERTIFICATE.to_owned());
        Ok(Connection { stream: Some(Box::new(stream)), authorities, assumed })
    }

    fn interfaces(&self, _: Grant<net::Inspect>, _: &Budget) -> Result<BTreeMap<String, Interface>, OsError> {
        self.count();
        let addresses = vec![(Ipv4Addr::LOCALHOST.into(), 8)];
        let counts = [("received_bytes", 1000), ("received_packets", 10), ("sent_bytes", 1000), ("sent_packets", 10)];
        let lo = Interface {
            statistics: counts.map(|(name, count)| (name.to_owned(), count)).into(),
            index: 1,
            up: true,
            running: true,
            loopback: true,
            mtu: Some(65_536),
            addresses,
            ..Interface::default()
        };
        Ok(BTreeMap::from([("lo".to_owned(), lo)]))
    }

    fn tables(&self, _: Grant<net::Inspect>, tables: Vec<NetworkTable>, _: &Budget) -> Result<Vec<String>, OsError> {
        self.count();
        let text = |table| match table {
            NetworkTable::Tcp => {
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                 0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4711 1 0 100 0 0 10 0\n"
            }
            NetworkTable::Route => {
                "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                 eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
            }
            _ => "",
        };
        Ok(tables.into_iter().map(|table| text(table).to_owned()).collect())
    }
}

fn server() -> io::Result<Box<ServerConnection>> {
    let key = PrivateKeyDer::try_from(KEY).map_err(io::Error::other)?.clone_key();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    ServerConnection::new(Arc::new(config)).map(Box::new).map_err(io::Error::other)
}

/// The other end of a connection: it answers one request with the page of that URL, and closes.
struct MemServer {
    pages: BTreeMap<String, Vec<u8>>,
    asked: Vec<u8>,
    answer: Cursor<Vec<u8>>,
    tls: Option<Box<ServerConnection>>,
    scheme: &'static str,
}

impl MemServer {
    /// Returns the answer when all headers have arrived; what follows does not matter here.
    fn heard(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let before = self.asked.len();
        self.asked.extend_from_slice(bytes);
        let text = String::from_utf8_lossy(&self.asked).into_owned();
        let end = text.find("\r\n\r\n")?;
        if before > end {
            return None;
        }
        let host = text.lines().find_map(|line| line.strip_prefix("host: "))?;
        let target = text.split(' ').nth(1)?;
        let scheme = self.scheme;
        let missing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        Some(self.pages.get(&format!("{scheme}://{host}{target}")).cloned().unwrap_or_else(|| missing.to_vec()))
    }
}

impl Write for MemServer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(mut tls) = self.tls.take() else {
            if let Some(answer) = self.heard(bytes) {
                self.answer.get_mut().extend(answer);
            }
            return Ok(bytes.len());
        };
        let mut cipher = bytes;
        let mut plain = Vec::new();
        while !cipher.is_empty() {
            tls.read_tls(&mut cipher)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let length = plain.len();
            plain.resize(length + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(plain.get_mut(length..).unwrap_or_default())?;
        }
        self.tls = Some(tls);
        let answer = self.heard(&plain);
        if let Some(tls) = &mut self.tls {
            if let Some(answer) = answer {
                tls.writer().write_all(&answer)?;
                tls.send_close_notify();
            }
            while tls.wants_write() {
                tls.write_tls(self.answer.get_mut())?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for MemServer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.answer.read(buffer)
    }
}

impl Stream for MemServer {
    fn ready(&self, _: bool, _: Duration) -> io::Result<bool> {
        Ok(true)
    }
}
