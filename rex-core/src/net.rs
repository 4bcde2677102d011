//! Hosts, addresses and URLs, as policies see them: taken to parts first, each part with one spelling.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::action::net::Connect;
use crate::resource::{Attribute, Fact, FactKind, FactType, Resource, ResourceSpec};

/// Length of a URL, in bytes.
const URL_BYTES: usize = 8 << 10;

/// A host of the network, by its name or its address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemoteHost {
    name: String,
}

/// A URL of the schemes `http` and `https`, in the one spelling that it has here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    text: String,
    host: RemoteHost,
    port: u16,
    /// Where the path starts, and where the query does, with its `?`.
    path: usize,
    query: usize,
}

/// Why a text is not the name of a host, or not a URL.
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
    /// A host by its name, or by an address in any of the spellings that a URL may have for it (`127.1` is `127.0.0.1`). Names get
    /// lower case, those of other alphabets their ASCII form (`xn--`), and lose a dot at the end; an IPv4 address inside of an
    /// IPv6 address is the IPv4 address.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, NetError> {
        let error = || NetError { text: text.to_owned(), why: "the name or the address of a host".to_owned() };
        let strange = |c: char| c.is_control() || c.is_whitespace() || "%/?#@\\".contains(c);
        if text.contains(strange) {
            return Err(error());
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::at(address));
        }
        match url::Host::parse(text.strip_suffix('.').unwrap_or(text)) {
            Ok(host) => Self::known(&host).ok_or_else(error),
            Err(_) => Err(error()),
        }
    }

    /// A host by its address.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self { name: address.to_canonical().to_string() }
    }

    fn known(host: &url::Host<impl AsRef<str>>) -> Option<Self> {
        let domain = match host {
            url::Host::Ipv4(address) => return Some(Self::at((*address).into())),
            url::Host::Ipv6(address) => return Some(Self::at((*address).into())),
            url::Host::Domain(name) => name.as_ref(),
        };
        let name = domain.strip_suffix('.').unwrap_or(domain);
        // The lengths of RFC 1035, section 2.3.4.
        let labels = name.split('.').all(|label| (1..=63).contains(&label.len()));
        let legal = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
        (labels && legal && name.len() <= 253).then(|| Self { name: name.to_owned() })
    }

    /// The name, or the address.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address, if that is what it is named by.
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
}

impl Url {
    /// A URL, parsed as the URL standard of the WHATWG has it, and then brought to one spelling: what need not be escaped is not, what is
    /// escaped has upper case, the port of the scheme is left out, and so is a fragment, which is never sent.
    ///
    /// # Errors
    /// If it is none, of another scheme, holds a user, a blank or a control character, or a path that a server may read in two ways: with an
    /// escaped slash, backslash or NUL, or a segment such as `..;`.
    pub fn parse(text: &str) -> Result<Self, NetError> {
        let error = |why: &str| NetError { text: text.to_owned(), why: why.to_owned() };
        if text.len() > URL_BYTES {
            return Err(error(&format!("a URL: it is longer than {URL_BYTES} bytes")));
        }
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(error("a URL: it holds a blank or a control character"));
        }
        let slashes = text.split_once("://").filter(|(_, rest)| !rest.starts_with(['/', '\\']));
        let url = match (slashes, url::Url::parse(text)) {
            (Some(_), Ok(url)) => url,
            (_, Err(why)) => return Err(error(&format!("a URL: {why}"))),
            _ => return Err(error("a URL: it lacks `//` and a host after the scheme")),
        };
        if !["http", "https"].contains(&url.scheme()) {
            return Err(error("a URL that Rex fetches: its scheme is neither `http` nor `https`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error("a URL that Rex fetches: it holds a user; send a header instead"));
        }
        let host =
            url.host().and_then(|host| RemoteHost::known(&host)).ok_or_else(|| error("a URL: it has no host"))?;
        let port =
            url.port_or_known_default().filter(|port| *port != 0).ok_or_else(|| error("a URL: it has no port"))?;
        let path = plain(url.path());
        let parts = || path.split('/');
        if ["%2F", "%5C", "%00"].iter().any(|escaped| path.contains(escaped)) {
            return Err(error("a URL that Rex fetches: its path holds an escaped slash, backslash or NUL"));
        }
        if parts().any(|part| matches!(part.split_once(';'), Some(("." | "..", _)))) {
            return Err(error("a URL that Rex fetches: its path holds dots with a parameter"));
        }
        let mut text = format!("{}://", url.scheme());
        match host.address() {
            Some(IpAddr::V6(address)) => text.push_str(&format!("[{address}]")),
            _ => text.push_str(host.name()),
        }
        if url.port().is_some() {
            text.push_str(&format!(":{port}"));
        }
        let start = text.len();
        text.push_str(&path);
        let end = text.len();
        if let Some(query) = url.query().filter(|query| !query.is_empty()) {
            text.push('?');
            text.push_str(&plain(query));
        }
        Ok(Self { text, host, port, path: start, query: end })
    }

    /// Where a reference leads to from here, as a redirect names it.
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, reference: &str) -> Result<Self, NetError> {
        let error = |why: String| NetError { text: reference.to_owned(), why };
        let base = url::Url::parse(&self.text).map_err(|why| error(format!("a URL: {why}")))?;
        let joined = base.join(reference).map_err(|why| error(format!("a URL: {why}")))?;
        Self::parse(joined.as_str())
    }

    /// All of it, `https://example.com/v1/items?page=2`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme: `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &RemoteHost {
        &self.host
    }

    /// The port, also where it is that of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, the port left out where it is that of the scheme: what a `Host` header says.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.text.get(self.scheme().len() + 3..self.path).unwrap_or_default()
    }

    /// The path, from its first `/` on.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.path..self.query).unwrap_or_default()
    }

    /// The query, without its `?`; empty if there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.text.get(self.query..).unwrap_or_default().trim_start_matches('?')
    }

    /// Path and query: what a server is asked for.
    #[must_use]
    pub fn target(&self) -> &str {
        self.text.get(self.path..).unwrap_or_default()
    }
}

/// The same with no escape where none is needed, and with upper case in the others: RFC 3986, section 6.2.2.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let sign = after.starts_with(['+', '-']);
        match byte.filter(|_| !sign) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(byte.into()),
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            // A sign that escapes nothing stands for itself.
            None => {
                out.push_str("%25");
                rest = after;
                continue;
            }
        }
        rest = after.get(2..).unwrap_or_default();
    }
    out.push_str(rest);
    out
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
            },
            Attribute { name: "scheme", kind: FactKind::String, doc: "`http` or `https`." },
            Attribute { name: "host", kind: FactKind::String, doc: "The host, as the id of a `net::Host`." },
            Attribute { name: "port", kind: FactKind::Long, doc: "The port, also where it is that of the scheme." },
            Attribute { name: "path", kind: FactKind::String, doc: "The path, without the query: `/v1/items`." },
            Attribute {
                name: "query",
                kind: FactKind::String,
                doc: "The query, without its `?`; empty if there is none.",
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
}

/// What an address is part of. A policy that lets out to the internet lets nowhere else by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// This machine.
    Loopback,
    /// Networks of an organisation: RFC 1918, RFC 4193, RFC 6598.
    Private,
    /// The network that a machine is directly on: RFC 3927, RFC 4291.
    LinkLocal,
    /// Where a cloud tells its machines about themselves, secrets included.
    Metadata,
    /// Groups of machines.
    Multicast,
    /// Nobody, or what nobody knows: see the registries of the IANA for special-purpose addresses.
    Reserved,
    /// Everybody else: the internet.
    Public,
}

/// Addresses where clouds (AWS, Azure, Google, Alibaba, Oracle) tell a machine about itself.
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
    /// What an address is part of. An IPv4 address inside of an IPv6 address (mapped, RFC 6052, RFC 3056) counts as that.
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
            // A connection to no address is one to this machine.
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
            // Translated and tunnelled to an IPv4 address.
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

    /// The word for it in policies and results.
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
    /// A connection to an address.
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
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> String {
        Url::parse(text).map_or_else(|error| format!("error: {error}"), |url| url.as_str().to_owned())
    }

    #[test]
    fn a_url_has_one_spelling() {
        for (text, plain) in [
            ("HTTP://Example.COM", "http://example.com/"),
            ("https://example.com:443/", "https://example.com/"),
            ("https://example.com.:8443/a", "https://example.com:8443/a"),
            ("http://127.1/", "http://127.0.0.1/"),
            ("http://2130706433/", "http://127.0.0.1/"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
            ("http://%31%32%37.0.0.1/", "http://127.0.0.1/"),
            ("http://[::ffff:127.0.0.1]:80/", "http://127.0.0.1/"),
            ("http://[0:0::1]:8080/", "http://[::1]:8080/"),
            ("http://b\u{fc}cher.example/", "http://xn--bcher-kva.example/"),
            ("http://example.com/%61dmin/%7e", "http://example.com/admin/~"),
            ("http://example.com/a/../b/%2e%2e/c", "http://example.com/c"),
            ("http://example.com/%c3%a9%20?q=%41%2f#part", "http://example.com/%C3%A9%20?q=A%2F"),
            ("http://example.com\\admin", "http://example.com/admin"),
            ("http://example.com/?", "http://example.com/"),
            ("http://example.com/100%", "http://example.com/100%25"),
        ] {
            assert_eq!(url(text), plain, "{text}");
            assert_eq!(url(plain), plain);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (text, why) in [
            ("example.com", "relative URL"),
            ("//example.com/", "relative URL"),
            ("http:example.com", "lacks"),
            ("http:///example.com", "lacks"),
            (" http://example.com", "blank"),
            ("http://exa\nmple.com", "control"),
            ("http://user@example.com/", "user"),
            ("http://:secret@example.com/", "user"),
            ("ftp://example.com/", "scheme"),
            ("file:///etc/passwd", "lacks"),
            ("http://example.com:0/", "port"),
            ("http://example.com:99999/", "port"),
            ("http://a..b/", "host"),
            ("http://example.com/v1/..%2fadmin", "slash"),
            ("http://example.com/v1/..%5Cadmin", "backslash"),
            ("http://example.com/v1/%00", "NUL"),
            ("http://example.com/v1/..;/admin", "dots"),
        ] {
            let error = url(text);
            assert!(error.starts_with("error") && error.contains(why), "{text}: {error}");
        }
        assert!(url(&format!("http://a/{}", "x".repeat(URL_BYTES))).contains("longer"));
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
        let root = Url::parse("https://example.com").unwrap();
        root.ancestors(&mut |id| panic!("{id}"));
        assert_eq!(url.join("../b").unwrap().as_str(), "https://example.com:8443/b");
        assert_eq!(url.join("//other/").unwrap().as_str(), "https://other/");
        assert!(url.join("ftp://other/").is_err());
    }

    #[test]
    fn a_host_has_one_spelling() {
        for (text, name) in [
            ("WWW.Example.com.", "www.example.com"),
            ("127.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("_sip._tcp.example.com", "_sip._tcp.example.com"),
        ] {
            assert_eq!(RemoteHost::parse(text).unwrap().name(), name);
            assert_eq!(RemoteHost::parse(name).unwrap().name(), name);
        }
        let long = "x".repeat(64);
        for bad in ["", ".", "a..b", "a b", "a/b", "user@a", "%31", "a:80", "fe80::1%eth0", "a\n", &long] {
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

    proptest! {
        #[test]
        fn what_is_parsed_is_parsed_again_to_the_same(text in "https?://[a-z0-9.%:@\\[\\]]{1,12}/[a-zA-Z0-9/.%;?&=#~é]{0,20}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(url.as_str()), Ok(url.clone()));
                prop_assert_eq!(RemoteHost::parse(url.host().name()), Ok(url.host().clone()));
                prop_assert!(url.path().starts_with('/') && !url.path().contains("/../"));
            }
        }
    }
}
