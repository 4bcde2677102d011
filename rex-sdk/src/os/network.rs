//! Connections, and the state of the network.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Both directions of a connection. Reading and writing never block: they fail with
/// [`WouldBlock`](std::io::ErrorKind::WouldBlock) instead.
pub trait Stream: Read + Write + Send {
    /// Waits at most `timeout` until it can be read, or written, and returns whether it can.
    ///
    /// # Errors
    /// If the system cannot wait.
    fn ready(&self, write: bool, timeout: Duration) -> std::io::Result<bool>;

    /// Returns the descriptor below it, if there is one, to pass to another process.
    fn into_descriptor(self: Box<Self>) -> Option<OwnedFd> {
        None
    }
}

/// An open connection. Serialized, it lacks the stream, which is passed separately.
#[derive(Serialize, Deserialize)]
pub struct Connection {
    /// The stream of bytes.
    #[serde(skip)]
    pub stream: Option<Box<dyn Stream>>,
    /// Certificates of the authorities that this machine trusts, as PEM (RFC 7468), if requested.
    pub authorities: Option<String>,
    /// `true` if nothing is connected, and the data from the other end is assumed; see [`Overlay`](crate::Overlay). It
    /// is not encrypted then.
    #[serde(skip)]
    pub assumed: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("open", &self.stream.is_some()).finish_non_exhaustive()
    }
}

/// An interface of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// `true` if it is switched on.
    pub up: bool,
    /// `true` if its other end is connected.
    pub running: bool,
    /// `true` if it leads back to this machine.
    pub loopback: bool,
    /// Its hardware address; empty if it has none.
    pub hardware: String,
    /// The largest packet, in bytes; `None` if unknown.
    pub mtu: Option<u64>,
    /// Counts of received and sent data since it exists: `received_bytes`, ...
    pub statistics: BTreeMap<String, u64>,
    /// Its addresses, each with the number of bits that are the network's.
    pub addresses: Vec<(IpAddr, u8)>,
}

macro_rules! tables {
    ($($(#[doc = $doc:literal])* $name:ident = $file:literal,)*) => {
        /// A table of the kernel about the network, below `/proc/net`; see `proc_pid_net(5)`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum NetworkTable { $($(#[doc = $doc])* $name,)* }

        impl NetworkTable {
            /// Returns the name of the file.
            #[must_use]
            pub fn file(self) -> &'static str {
                match self { $(Self::$name => $file,)* }
            }
        }
    };
}

tables! {
    /// Sockets of TCP.
    Tcp = "tcp",
    /// Sockets of TCP over IPv6.
    Tcp6 = "tcp6",
    /// Sockets of UDP.
    Udp = "udp",
    /// Sockets of UDP over IPv6.
    Udp6 = "udp6",
    /// Raw sockets.
    Raw = "raw",
    /// Raw sockets of IPv6.
    Raw6 = "raw6",
    /// Unix domain sockets; `unix(7)`.
    Unix = "unix",
    /// Routes.
    Route = "route",
    /// Routes of IPv6.
    Route6 = "ipv6_route",
    /// Counters of the interfaces.
    Devices = "dev",
}
