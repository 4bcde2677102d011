//! Connections, and what is known of the network.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Both ends of a connection. Reading and writing never wait: where they would, they fail with
/// [`WouldBlock`](std::io::ErrorKind::WouldBlock).
pub trait Stream: Read + Write + Send {
    /// Waits until something can be read, or written, for so long at most; says whether it can.
    ///
    /// # Errors
    /// If the system cannot wait.
    fn ready(&self, write: bool, timeout: Duration) -> std::io::Result<bool>;

    /// The descriptor below it, if there is one, to hand it to another process.
    fn into_descriptor(self: Box<Self>) -> Option<OwnedFd> {
        None
    }
}

/// A connection that was made. As data it lacks the stream, which whoever sends it hands over in another way.
#[derive(Serialize, Deserialize)]
pub struct Connection {
    /// The bytes.
    #[serde(skip)]
    pub stream: Option<Box<dyn Stream>>,
    /// Certificates of the authorities that this machine trusts, as PEM (RFC 7468), if they were asked for.
    pub authorities: Option<String>,
    /// Whether there is nobody at the other end, and what comes from there is assumed; see [`Overlay`](crate::Overlay). There is
    /// no encryption then.
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
    /// Whether it is switched on.
    pub up: bool,
    /// Whether there is something at its other end.
    pub running: bool,
    /// Whether it leads back to this machine.
    pub loopback: bool,
    /// Its hardware address; empty if it has none.
    pub hardware: String,
    /// The largest packet, in bytes; `None` where this is not told.
    pub mtu: Option<u64>,
    /// What it received and sent since it is there: `received_bytes`, ...
    pub statistics: BTreeMap<String, u64>,
    /// Its addresses, with how many bits of each are the network's.
    pub addresses: Vec<(IpAddr, u8)>,
}

macro_rules! tables {
    ($($(#[doc = $doc:literal])* $name:ident = $file:literal,)*) => {
        /// A table in which the kernel tells of the network, below `/proc/net`; see `proc_pid_net(5)`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum NetworkTable { $($(#[doc = $doc])* $name,)* }

        impl NetworkTable {
            /// The name of the file.
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
    /// Sockets of this machine's own programs; `unix(7)`.
    Unix = "unix",
    /// Routes.
    Route = "route",
    /// Routes of IPv6.
    Route6 = "ipv6_route",
    /// What the interfaces sent and received.
    Devices = "dev",
}
