//! The network: address lookup, connections, and the kernel's tables.
//!
//! A connection goes to an address that was decided on. Data from strangers is not parsed here, where the process may
//! have rights that a confined process lacks: the caller gets the bytes and the connection.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the network is reached here, and the files of the kernel and of the resolver are under fixed names"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::net::if_::InterfaceFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::SocketError;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, connect, getsockopt, recv, send, socket,
};
use rex_core::action::net;
use rex_core::net::Network as Part;
use rex_core::{Budget, Grant};

use crate::dns;
use crate::os::{Connection, Interface, Network, NetworkTable, OsError, Stream, words};
use crate::proc::devices;

/// Interval between two checks of the budget.
const SLICE: Duration = Duration::from_millis(20);
/// Timeout of a name server, and how often each is asked; as in `resolv.conf(5)`, but less patient.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);
const SERVER_TURNS: usize = 2;
/// Maximum number of servers from `/etc/resolv.conf` to ask; `resolv.conf(5)`.
const SERVERS: usize = 3;

/// The network of this machine.
#[derive(Default)]
pub(super) struct LocalNetwork {
    authorities: Option<PathBuf>,
    /// The addresses found for each name; connections go nowhere else.
    found: Mutex<BTreeMap<String, BTreeSet<IpAddr>>>,
}

impl LocalNetwork {
    pub(super) fn new(authorities: Option<PathBuf>) -> Self {
        Self { authorities, found: Mutex::default() }
    }
}

/// Returns the certificates of the authorities that this machine trusts, or of those in a file, as PEM.
///
/// # Errors
/// If the file cannot be read.
pub fn authorities(given: Option<&Path>) -> io::Result<String> {
    /// The paths of the bundles in distributions: Debian, Fedora, SUSE, Alpine and macOS.
    const BUNDLES: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    // Text between the certificates need not be UTF-8; an editor's byte order mark would hide the first certificate.
    let read = |path: &Path| {
        let bytes = std::fs::read(path)?;
        Ok(String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned())
    };
    if let Some(path) = given {
        return read(path).map_err(|error: io::Error| {
            io::Error::other(format!("the authorities in `{}`: {}", path.display(), words(&error)))
        });
    }
    // Without a bundle, no certificate is trusted.
    Ok(BUNDLES.iter().find_map(|path| read(Path::new(path)).ok()).unwrap_or_default())
}

impl Network for LocalNetwork {
    fn addresses(&self, grant: Grant<net::Resolve>, budget: &Budget) -> Result<Vec<IpAddr>, OsError> {
        let name = grant.resource().name().to_owned();
        if let Some(address) = grant.resource().address() {
            return Ok(vec![address]);
        }
        // The system resolver has no deadline. A run that ends first leaves its thread behind.
        let (sender, receiver) = channel();
        let asked = name.clone();
        let look_up = move || {
            // The receiver is gone if the run ended meanwhile.
            let _ = sender.send((&*asked, 0).to_socket_addrs().map(Vec::from_iter));
        };
        std::thread::Builder::new().name("rex-resolver".to_owned()).spawn(look_up)?;
        let found = loop {
            budget.check()?;
            match receiver.recv_timeout(SLICE) {
                Ok(found) => break found,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the resolver failed").into()),
            }
        };
        let found = found.map_err(|error| unresolved(&name, &error))?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.iter().map(|socket| socket.ip().to_canonical()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(name).or_default().extend(&addresses);
        Ok(addresses)
    }

    fn records(&self, grant: Grant<net::Resolve>, budget: &Budget) -> Result<Vec<u8>, OsError> {
        let action = grant.action();
        let query = dns::query(grant.resource(), &action.record)?;
        let servers = match action.server.parse::<SocketAddr>() {
            Ok(server) => vec![server],
            Err(_) if action.server.is_empty() => servers()?,
            Err(_) => return Err(OsError::Refused("the name server is not an address with a port")),
        };
        let mut last = io::Error::other("no name server is configured");
        for server in servers.iter().cycle().take(servers.len() * SERVER_TURNS) {
            match ask(*server, &query, budget) {
                Err(OsError::Io(error)) => last = error,
                other => return other,
            }
        }
        Err(last.into())
    }

    fn connect(
        &self,
        grant: Grant<net::Connect>,
        trusted: bool,
        timeout_ms: u64,
        budget: &Budget,
    ) -> Result<Connection, OsError> {
        let (host, action) = (grant.resource(), grant.action());
        let address = action.address;
        if action.network != Part::of(address).as_str() {
            return Err(OsError::Refused("the address is not part of that network"));
        }
        let known = match host.address() {
            Some(own) => own == address,
            None => {
                let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                found.get(host.name()).is_some_and(|found| found.contains(&address))
            }
        };
        if !known {
            return Err(OsError::Refused("this name does not resolve to the address"));
        }
        let port = u16::try_from(action.port).map_err(|_| OsError::Refused("there is no such port"))?;
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        let stream = open(SocketAddr::new(address, port), deadline, budget)?;
        let authorities = if trusted { Some(authorities(self.authorities.as_deref())?) } else { None };
        Ok(Connection { stream: Some(Box::new(stream)), authorities, assumed: false })
    }

    fn interfaces(&self, _: Grant<net::Inspect>, _: &Budget) -> Result<BTreeMap<String, Interface>, OsError> {
        let mut devices = devices(&table(NetworkTable::Devices)?);
        let mut interfaces = BTreeMap::<String, Interface>::new();
        for entry in nix::ifaddrs::getifaddrs().map_err(io::Error::from)? {
            let name = entry.interface_name;
            let interface = interfaces.entry(name.clone()).or_insert_with(|| Interface {
                index: nix::net::if_::if_nametoindex(&*name).unwrap_or(0),
                up: entry.flags.contains(InterfaceFlags::IFF_UP),
                running: entry.flags.contains(InterfaceFlags::IFF_RUNNING),
                loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
                mtu: std::fs::read_to_string(format!("/sys/class/net/{name}/mtu"))
                    .ok()
                    .and_then(|text| text.trim().parse().ok()),
                statistics: devices.remove(&name).unwrap_or_default(),
                ..Interface::default()
            });
            let Some(address) = entry.address else { continue };
            if let Some(bytes) = address.as_link_addr().and_then(|link| link.addr()) {
                interface.hardware = bytes.map(|byte| format!("{byte:02x}")).join(":");
            }
            let mask = entry.netmask.as_ref().and_then(ip).map_or(0, |mask| match mask {
                IpAddr::V4(mask) => mask.to_bits().leading_ones(),
                IpAddr::V6(mask) => mask.to_bits().leading_ones(),
            });
            if let (Some(address), Ok(mask)) = (ip(&address), u8::try_from(mask)) {
                interface.addresses.push((address, mask));
            }
        }
        Ok(interfaces)
    }

    fn tables(&self, _: Grant<net::Inspect>, tables: Vec<NetworkTable>, _: &Budget) -> Result<Vec<String>, OsError> {
        Ok(tables.into_iter().map(table).collect::<io::Result<_>>()?)
    }
}

/// Returns the error for a name without an address. The library has no kind for it, only the words of
/// `gai_strerror(3)`.
fn unresolved(name: &str, error: &io::Error) -> io::Error {
    // Domains that nobody owns, whether or not a name server can be reached; RFC 6761.
    let nobodys = ["invalid", "test", "example"]
        .into_iter()
        .any(|domain| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    if error.to_string().contains("Temporary failure") && !nobodys {
        let message = "the resolver of this machine has no answer now: its name servers cannot be reached, or fail";
        return io::Error::other(message);
    }
    ErrorKind::NotFound.into()
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

fn table(table: NetworkTable) -> io::Result<String> {
    match std::fs::read(format!("/proc/thread-self/net/{}", table.file())) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// Connects, with repeated checks of the budget.
fn open(to: SocketAddr, deadline: Instant, budget: &Budget) -> Result<ConnectedSocket, OsError> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let stream = ConnectedSocket(socket(family, SockType::Stream, flags, None).map_err(io::Error::from)?);
    match connect(stream.0.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) => return Ok(stream),
        Err(Errno::EINPROGRESS) => {}
        Err(error) => return Err(io::Error::from(error).into()),
    }
    loop {
        budget.check()?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::from(ErrorKind::TimedOut).into());
        }
        if stream.ready(true, left.min(SLICE))? {
            return match getsockopt(&stream.0, SocketError).map_err(io::Error::from)? {
                0 => Ok(stream),
                error => Err(io::Error::from_raw_os_error(error).into()),
            };
        }
    }
}

/// A connected socket.
#[derive(Debug)]
pub struct ConnectedSocket(OwnedFd);

impl From<OwnedFd> for ConnectedSocket {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl Read for ConnectedSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?)
    }
}

impl Write for ConnectedSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self.0.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for ConnectedSocket {
    fn ready(&self, write: bool, timeout: Duration) -> io::Result<bool> {
        let events = if write { PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.0.as_fd(), events)], timeout) {
            Err(Errno::EINTR) => Ok(false),
            other => Ok(other? > 0),
        }
    }

    fn into_descriptor(self: Box<Self>) -> Option<OwnedFd> {
        Some(self.0)
    }
}

/// Returns the name servers of this machine; `resolv.conf(5)`.
fn servers() -> io::Result<Vec<SocketAddr>> {
    let text = std::fs::read_to_string("/etc/resolv.conf")?;
    let server = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        Some(SocketAddr::new(address.parse().ok()?, dns::PORT))
    };
    Ok(text.lines().filter_map(server).take(SERVERS).collect())
}

/// Fills the buffer before a deadline, however few bytes arrive at once.
fn fill(stream: &mut TcpStream, buffer: &mut [u8], deadline: Instant, budget: &Budget) -> Result<(), OsError> {
    let mut filled = 0;
    while filled < buffer.len() {
        budget.check()?;
        if Instant::now() > deadline {
            return Err(io::Error::new(ErrorKind::TimedOut, "the name server is too slow").into());
        }
        match stream.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            Ok(count) => filled += count,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Asks one server: by UDP, and again by TCP if the answer is truncated.
fn ask(server: SocketAddr, query: &[u8], budget: &Budget) -> Result<Vec<u8>, OsError> {
    let deadline = Instant::now() + SERVER_TIMEOUT;
    let any = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0))?;
    // From now on, only packets of this server are received.
    socket.connect(server)?;
    socket.set_read_timeout(Some(SLICE))?;
    socket.send(query)?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    let answer = loop {
        budget.check()?;
        if Instant::now() > deadline {
            return Err(io::Error::new(ErrorKind::TimedOut, format!("the name server {server} does not answer")).into());
        }
        match socket.recv(&mut buffer) {
            Ok(count) => {
                let answer = buffer.get(..count).unwrap_or_default();
                // Any other packet does not answer this question.
                if dns::answers(answer, query) {
                    break answer;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
    };
    if !dns::is_cut(answer) {
        return Ok(answer.to_vec());
    }
    let deadline = Instant::now() + SERVER_TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&server, SERVER_TIMEOUT)?;
    stream.set_read_timeout(Some(SLICE))?;
    stream.set_write_timeout(Some(SERVER_TIMEOUT))?;
    let length = u16::try_from(query.len()).unwrap_or(0);
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    fill(&mut stream, &mut length, deadline, budget)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    fill(&mut stream, &mut answer, deadline, budget)?;
    if dns::answers(&answer, query) { Ok(answer) } else { Err(io::Error::other("the answer is invalid").into()) }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use rex_core::Limits;

    use super::*;

    #[test]
    fn a_name_server_that_sends_byte_after_byte_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_read_timeout(Some(SLICE)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"a").unwrap();
        let budget = Budget::new(Limits::default(), Arc::default());
        let mut both = [0; 2];
        let slow = fill(&mut stream, &mut both, Instant::now() + SLICE, &budget);
        assert!(matches!(slow, Err(OsError::Io(error)) if error.kind() == ErrorKind::TimedOut));
        let stopped = Budget::new(Limits::default(), Arc::new(true.into()));
        let later = Instant::now() + SERVER_TIMEOUT;
        assert!(matches!(fill(&mut stream, &mut both, later, &stopped), Err(OsError::Stopped(_))));
        server.write_all(b"bc").unwrap();
        fill(&mut stream, &mut both, later, &budget).unwrap();
        assert_eq!(&both, b"bc");
    }
}
