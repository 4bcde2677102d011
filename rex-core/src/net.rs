//! Hosts, addresses and URLs, as policies see them: in parts, each with one spelling.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Value;
use crate::action::net::Connect;
use crate::resource::{Attribute, Fact, FactKind, FactType, Resource, ResourceSpec};
use crate::values::{HOST, QUERY, URL, URL_PATH, ValueSet};

/// The words for networks that an address can be part of; see [`Network`].
pub const NETWORKS: &[&str] = &["loopback", "private", "link_local", "metadata", "multicast", "reserved", "public"];

/// The types of records that name servers are queried for.
pub const RECORDS: &[&str] = &["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"];

/// Maximum length of a URL, in bytes.
const URL_BYTES: usize = crate::bounds::URL_BYTES;

/// A host of the network, by its name or its address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemoteHost {
    name: String,
}

/// A URL of the schemes `http` and `https`, in its one spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    text: String,
    host: RemoteHost,
    port: u16,
    /// The offset of the path, and of the query with its `?`.
    path: usize,
    query: usize,
}

/// The error for a text that is not the name of a host, or not a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetError {
    text: String,
    why: String,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.text.chars().take(200).collect();
        write!(f, "`{}` is not {}", shown.escape_debug(), self.why)
    }
}

impl std::error::Error for NetError {}

impl RemoteHost {
    /// Parses the name or the address of a host in its one spelling: lower case, names of other alphabets in their ASCII form (`xn--`),
    /// no dot at the end, addresses as in RFC 5952, an IPv4 address never inside an IPv6 address.
    ///
    /// # Errors
    /// If it has another spelling, or is not a host.
    pub fn parse(text: &str) -> Result<Self, NetError> {
        let error = || NetError {
            text: text.to_owned(),
            why: "the name or the address of a host in canonical form".to_owned(),
        };
        if let Ok(address) = text.parse() {
            return Some(Self::at(address)).filter(|host| host.name == text).ok_or_else(error);
        }
        // The lengths of RFC 1035, section 2.3.4.
        let labels = text.split('.').all(|label| (1..=63).contains(&label.len()));
        let legal = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
        // Where a host is expected, a name that ends in a number is read as an address in another spelling: `127.1` or `0x7f.1`.
        let last = text.rsplit('.').next().unwrap_or_default();
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        let hexadecimal = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
        let number = digits(last) || last.strip_prefix("0x").is_some_and(hexadecimal);
        if labels && legal && !number && text.len() <= 253 { Ok(Self { name: text.to_owned() }) } else { Err(error()) }
    }

    /// Creates a host from its address.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self { name: address.to_canonical().to_string() }
    }

    /// Returns the name, or the address.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the address, if the host is named by it.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }
}

impl Resource for RemoteHost {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "net",
        name: "Host",
        doc: "A host of the network; the id is its name in lower case, `www.example.com`, or its address. A name is `in` each domain above it: \
              `net::Host::\"example.com\"`, `net::Host::\"com\"`.",
        attributes: &[Attribute {
            name: "name",
            kind: FactKind::String,
            doc: "The name, the same as the id; for `like`.",
            values: ValueSet::Form(&HOST),
        }],
        id_attribute: Some("name"),
        nested: true,
        class: Some("Class"),
    };

    fn id(&self) -> &str {
        &self.name
    }

    fn attributes<'a>(&'a self, _: &mut dyn FnMut(&'static str, Fact<'a>)) {}

    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        if self.address().is_none() {
            self.name.match_indices('.').filter_map(|(dot, _)| self.name.get(dot + 1..)).for_each(visit);
        }
    }

    const ID_IS_COMPLETE: bool = true;

    fn from_record(id: &str, _: &BTreeMap<String, Value>) -> Result<Self, String> {
        Self::parse(id).map_err(|error| error.to_string())
    }
}

impl Url {
    /// Parses a URL in its one spelling: that of the URL standard of the WHATWG, with no needless escapes, escapes in upper case, without
    /// the port of the scheme, and without a fragment. Callers convert other spellings first.
    ///
    /// # Errors
    /// If it has another spelling or scheme, has a user, is too long, or is not a URL; if a server may read its path in two ways: with an
    /// escaped slash, backslash or NUL, or a segment such as `..;`.
    pub fn parse(text: &str) -> Result<Self, NetError> {
        let error = |why: &str| NetError { text: text.to_owned(), why: format!("a URL in canonical form: {why}") };
        if text.len() > URL_BYTES {
            return Err(error(&format!("it is longer than {URL_BYTES} bytes")));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| error("it lacks a scheme and a host"))?;
        let usual = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(error("its scheme is neither `http` nor `https`")),
        };
        let path = text.len() - rest.len() + rest.find('/').ok_or_else(|| error("it lacks a path"))?;
        let authority = text.get(text.len() - rest.len()..path).unwrap_or_default();
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) if !authority.ends_with(']') => (name, Some(port)),
            _ => (authority, None),
        };
        let host = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(address) if address.contains(':') => RemoteHost::parse(address)?,
            _ if name.contains(':') => return Err(error("its host is invalid")),
            _ => RemoteHost::parse(name)?,
        };
        let port = match port {
            None => usual,
            Some(text) => {
                let number = text.parse().ok().filter(|port| *port != 0 && *port != usual);
                number.filter(|port: &u16| port.to_string() == text).ok_or_else(|| error("its port is invalid"))?
            }
        };
        let query = text.find('?').unwrap_or(text.len());
        let (told, asked) = (text.get(path..query), text.get(query..).unwrap_or_default());
        let told = told.ok_or_else(|| error("its path is invalid"))?;
        // The characters that the standard escapes in a path, and in a query.
        if !plain(told, "\"#<>?^`{}\\") || !plain(asked, "\"#<>'") || asked == "?" {
            return Err(error("its percent-encoding is not canonical"));
        }
        if ["%2F", "%5C", "%00"].iter().any(|escaped| told.contains(escaped)) {
            return Err(error("its path contains an escaped slash, backslash or NUL"));
        }
        if told.split('/').any(|part| matches!(part.split(';').next(), Some("." | ".."))) {
            return Err(error("its path contains dots"));
        }
        Ok(Self { text: text.to_owned(), host, port, path, query })
    }

    /// Returns all of it, `https://example.com/v1/items?page=2`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the scheme: `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// Returns the host.
    #[must_use]
    pub fn host(&self) -> &RemoteHost {
        &self.host
    }

    /// Returns the port, even if it is that of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns host and port, as in a `Host` header: without the port if it is that of the scheme.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.text.get(self.scheme().len() + 3..self.path).unwrap_or_default()
    }

    /// Returns the path, from its first `/` on.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.path..self.query).unwrap_or_default()
    }

    /// Returns the query, without its `?`; empty if there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.text.get(self.query..).unwrap_or_default().trim_start_matches('?')
    }

    /// Returns path and query, the target in HTTP.
    #[must_use]
    pub fn target(&self) -> &str {
        self.text.get(self.path..).unwrap_or_default()
    }
}

/// Returns whether a text is printable ASCII without `others`, and escaped only where needed, in upper case; RFC 3986, section 6.2.2.
fn plain(text: &str, others: &str) -> bool {
    let legal = |c: char| c.is_ascii_graphic() && !others.contains(c);
    let escape = |rest: &str| {
        let digits =
            rest.get(..2).filter(|digits| digits.chars().all(|c| c.is_ascii_digit() || ('A'..='F').contains(&c)));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| !byte.is_ascii_alphanumeric() && !b"-._~".contains(&byte))
    };
    text.chars().all(legal) && text.split('%').skip(1).all(escape)
}

impl Resource for Url {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "net",
        name: "Url",
        doc: "A URL; the id is all of it in its one spelling, `https://example.com/v1/items?page=2`. It is `in` itself without the query, and \
              `in` each directory of its path: `net::Url::\"https://example.com/v1/\"`, `net::Url::\"https://example.com/\"`.",
        attributes: &[
            Attribute {
                name: "url",
                kind: FactKind::String,
                doc: "All of it, the same as the id; for `like`. Better ask for its parts.",
                values: ValueSet::Form(&URL),
            },
            Attribute {
                name: "scheme",
                kind: FactKind::String,
                doc: "`http` or `https`.",
                values: ValueSet::Words(&["http", "https"]),
            },
            Attribute {
                name: "host",
                kind: FactKind::String,
                doc: "The host, as the id of a `net::Host`.",
                values: ValueSet::Form(&HOST),
            },
            Attribute {
                name: "port",
                kind: FactKind::Long,
                doc: "The port, also where it is that of the scheme.",
                values: ValueSet::Range(0, 65535),
            },
            Attribute {
                name: "path",
                kind: FactKind::String,
                doc: "The path, without the query: `/v1/items`.",
                values: ValueSet::Form(&URL_PATH),
            },
            Attribute {
                name: "query",
                kind: FactKind::String,
                doc: "The query, without its `?`; empty if there is none.",
                values: ValueSet::Form(&QUERY),
            },
        ],
        id_attribute: Some("url"),
        nested: true,
        class: Some("Class"),
    };

    fn id(&self) -> &str {
        &self.text
    }

    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        visit("scheme", Fact::String(self.scheme()));
        visit("host", Fact::String(self.host.name()));
        visit("port", Fact::Long(self.port.into()));
        visit("path", Fact::String(self.path()));
        visit("query", Fact::String(self.query()));
    }

    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        let mut last = self.text.len();
        let mut prefix = |end: usize| {
            if end < last
                && let Some(text) = self.text.get(..end)
            {
                visit(text);
                last = end;
            }
        };
        prefix(self.query);
        self.path().rmatch_indices('/').for_each(|(slash, _)| prefix(self.path + slash + 1));
    }

    const ID_IS_COMPLETE: bool = true;

    fn from_record(id: &str, _: &BTreeMap<String, Value>) -> Result<Self, String> {
        Self::parse(id).map_err(|error| error.to_string())
    }
}

/// The network that an address is part of. A policy that permits the internet permits nothing else by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// This machine.
    Loopback,
    /// Networks of an organization: RFC 1918, RFC 4193, RFC 6598.
    Private,
    /// The network that a machine is directly connected to: RFC 3927, RFC 4291.
    LinkLocal,
    /// Services of a cloud with data about its machines, including secrets.
    Metadata,
    /// Groups of machines.
    Multicast,
    /// Addresses without a host, or of unknown use: see the IANA's registries of special-purpose addresses.
    Reserved,
    /// All other addresses: the internet.
    Public,
}

/// Addresses of such services of AWS, Azure, Google, Alibaba and Oracle.
const METADATA: [IpAddr; 10] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

impl Network {
    /// Returns the network of an address. An IPv4 address inside an IPv6 address (mapped, RFC 6052, RFC 3056) counts as the IPv4 address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        if METADATA.contains(&address) {
            return Self::Metadata;
        }
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            // A connection to the unspecified address reaches this machine.
            [127, ..] | [0, 0, 0, 0] => Self::Loopback,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Private,
            [169, 254, ..] => Self::LinkLocal,
            [224..=239, ..] => Self::Multicast,
            [0 | 240..=255, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] => Self::Reserved,
            [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => Self::Reserved,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let v4 = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Self::of(Ipv4Addr::new(a, b, c, d).into())
        };
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Self::Loopback,
            // Translated or tunneled to an IPv4 address.
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
                v4(high, low)
            }
            [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Self::Private,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xff00..=0xffff, ..] => Self::Multicast,
            // Protocols and documentation.
            [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Self::Reserved,
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Reserved,
        }
    }

    /// Returns the word for it in policies and results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link_local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
            Self::Public => "public",
        }
    }
}

impl Connect {
    /// Creates a connection to an address.
    #[must_use]
    pub fn to(address: IpAddr, port: u16) -> Self {
        let address = address.to_canonical();
        Self { address, network: Network::of(address).as_str().to_owned(), port: port.into() }
    }
}

impl FactType for IpAddr {
    const KIND: FactKind = FactKind::Ip;
}

impl From<&IpAddr> for Fact<'_> {
    fn from(value: &IpAddr) -> Self {
        Self::Ip(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "example.com",
            "//example.com/",
            "http:example.com",
            "http:///example.com",
            "http://example.com",
            "HTTP://example.com/",
            "http://Example.com/",
            "https://example.com:443/",
            "http://example.com:080/",
            "http://example.com:0/",
            "http://example.com:99999/",
            "http://example.com:/",
            "http://example.com./",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0x/",
            "http://::1/",
            "http://[::ffff:127.0.0.1]/",
            "http://[0:0::1]/",
            "http://[127.0.0.1]/",
            "http://user@example.com/",
            "http://a..b/",
            "http://é/",
            "ftp://example.com/",
            "http://example.com/%61",
            "http://example.com/%c3",
            "http://example.com/%",
            "http://example.com/%+1",
            "http://example.com/a/../b",
            "http://example.com/.",
            "http://example.com/..;/a",
            "http://example.com/%2F",
            "http://example.com/%00",
            "http://example.com/a b",
            "http://example.com/a#b",
            "http://example.com\\a/",
            "http://example.com/?",
            "http://example.com/\n",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
        assert!(Url::parse(&format!("http://a/{}", "x".repeat(URL_BYTES))).is_err());
    }

    #[test]
    fn parts_are_told_apart() {
        let url = Url::parse("https://example.com:8443/v1/items?x=/health").unwrap();
        assert_eq!((url.scheme(), url.host().name(), url.port()), ("https", "example.com", 8443));
        assert_eq!((url.path(), url.query(), url.target()), ("/v1/items", "x=/health", "/v1/items?x=/health"));
        assert_eq!(url.authority(), "example.com:8443");
        let mut above = Vec::new();
        url.ancestors(&mut |id| above.push(id));
        let base = "https://example.com:8443/";
        assert_eq!(above, [format!("{base}v1/items"), format!("{base}v1/"), base.to_owned()]);
        let root = Url::parse("https://example.com/").unwrap();
        root.ancestors(&mut |id| panic!("{id}"));
    }

    #[test]
    fn a_host_has_one_spelling() {
        for name in
            ["www.example.com", "127.0.0.1", "::1", "_sip._tcp.example.com", "xn--bcher-kva.example", "1.example"]
        {
            assert_eq!(RemoteHost::parse(name).unwrap().name(), name);
        }
        let long = "x".repeat(64);
        for bad in [
            "",
            ".",
            "a..b",
            "a b",
            "a/b",
            "user@a",
            "%31",
            "a:80",
            "fe80::1%eth0",
            "a\n",
            "A",
            "a.",
            "127.1",
            "1",
            "0x7f.1",
            "a.0x",
            "::ffff:10.0.0.1",
            "[::1]",
            &long,
        ] {
            assert!(RemoteHost::parse(bad).is_err(), "{bad}");
        }
        let mut above = Vec::new();
        let host = RemoteHost::parse("www.example.com").unwrap();
        host.ancestors(&mut |id| above.push(id));
        assert_eq!(above, ["example.com", "com"]);
        RemoteHost::parse("10.0.0.1").unwrap().ancestors(&mut |id| panic!("{id}"));
    }

    #[test]
    fn networks_are_told_apart() {
        for (network, addresses) in [
            (
                Network::Loopback,
                &["127.0.0.1", "127.8.8.8", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1"][..],
            ),
            (Network::Private, &["10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "2002:a00:1::"]),
            (Network::LinkLocal, &["169.254.0.1", "fe80::1"]),
            (Network::Metadata, &["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"]),
            (Network::Multicast, &["224.0.0.1", "ff02::1"]),
            (Network::Reserved, &["0.1.2.3", "203.0.113.9", "255.255.255.255", "2001:db8::1", "2001::1", "4000::"]),
            (Network::Public, &["8.8.8.8", "172.32.0.1", "2606:4700::1111", "2002:808:808::"]),
        ] {
            for address in addresses {
                assert_eq!(Network::of(address.parse().unwrap()), network, "{address}");
            }
        }
        assert_eq!(Connect::to("::ffff:10.0.0.1".parse().unwrap(), 80).network, "private");
    }
}
