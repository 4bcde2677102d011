//! Hosts and URLs in any spelling, converted to the one that policies see.

use std::net::IpAddr;

use rex_core::Error;
use rex_core::net::{RemoteHost, Url};

/// Parses a host: a name, or an address in any spelling that URLs allow (`127.1` is `127.0.0.1`).
pub(crate) fn host(text: &str) -> Result<RemoteHost, Error> {
    let error = || Error::validation(format!("`{}` is not the name or the address of a host", shown(text)));
    if text.contains(|c: char| c.is_control() || c.is_whitespace() || "%/?#@\\".contains(c)) {
        return Err(error());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(RemoteHost::at(address));
    }
    let parsed = ::url::Host::parse(text.strip_suffix('.').unwrap_or(text)).map_err(|_| error())?;
    known(&parsed).ok_or_else(error)
}

fn known(host: &::url::Host<impl AsRef<str>>) -> Option<RemoteHost> {
    match host {
        ::url::Host::Ipv4(address) => Some(RemoteHost::at((*address).into())),
        ::url::Host::Ipv6(address) => Some(RemoteHost::at((*address).into())),
        ::url::Host::Domain(name) => RemoteHost::parse(name.as_ref().strip_suffix('.').unwrap_or(name.as_ref())).ok(),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

/// Parses a URL by the WHATWG URL standard, drops the parts that are never sent, and normalizes its spelling.
pub(crate) fn url(text: &str) -> Result<Url, Error> {
    let error = |why: &str| Error::validation(format!("`{}` is not a URL that Rex fetches: {why}", shown(text)));
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(error("it holds a blank or a control character"));
    }
    let slashes = text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with(['/', '\\']));
    let url = ::url::Url::parse(text).map_err(|why| error(plain(why)))?;
    if !slashes {
        return Err(error("it lacks `//` and a host after the scheme"));
    }
    if !["http", "https"].contains(&url.scheme()) {
        return Err(error("its scheme is neither `http` nor `https`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(error("it holds a user; send a header instead"));
    }
    let host = url.host().and_then(|host| known(&host)).ok_or_else(|| error("it has no host"))?;
    let mut plain = format!("{}://", url.scheme());
    match host.address() {
        Some(IpAddr::V6(address)) => plain.push_str(&format!("[{address}]")),
        _ => plain.push_str(host.name()),
    }
    if let Some(port) = url.port() {
        plain.push_str(&format!(":{port}"));
    }
    plain.push_str(&unescaped(url.path(), "\"#<>?^`{}\\"));
    if let Some(query) = url.query().filter(|query| !query.is_empty()) {
        plain.push('?');
        plain.push_str(&unescaped(query, "\"#<>'"));
    }
    Url::parse(&plain).map_err(|why| error(&why.to_string()))
}

/// Describes what is wrong with a URL, for people.
fn plain(error: ::url::ParseError) -> &'static str {
    use ::url::ParseError as Bad;
    match error {
        Bad::EmptyHost => "it has no host",
        Bad::IdnaError => "its host is not a valid name",
        Bad::InvalidPort => "its port is invalid: ports are 1 to 65535",
        Bad::InvalidIpv4Address | Bad::InvalidIpv6Address => "its host is not an address, though it looks like one",
        Bad::InvalidDomainCharacter => "its host contains an invalid character",
        Bad::RelativeUrlWithoutBase => "it does not begin with `http://` or `https://`",
        Bad::Overflow => "it is too long",
        _ => "it is not well formed",
    }
}

/// Resolves a reference, such as a redirect, against a URL.
pub(crate) fn join(base: &Url, reference: &str) -> Result<Url, Error> {
    let joined = ::url::Url::parse(base.as_str()).and_then(|base| base.join(reference));
    let error =
        |why| Error::validation(format!("`{}` is not a URL that Rex fetches: {}", shown(reference), plain(why)));
    url(joined.map_err(error)?.as_str())
}

/// Normalizes escapes: decodes those that are not needed, writes the others in upper case, and escapes what the
/// standard lets pass.
fn unescaped(text: &str, others: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let push = |byte: u8, out: &mut String| out.push_str(&format!("%{byte:02X}"));
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let digits = after.get(..2).filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
        let byte = digits.filter(|_| c == '%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = after;
        match byte {
            Some(byte) => {
                rest = after.get(2..).unwrap_or_default();
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(byte.into());
                } else {
                    push(byte, &mut out);
                }
            }
            // A `%` that starts no escape is escaped itself.
            None if c == '%' => push(b'%', &mut out),
            None if c.is_ascii_graphic() && !others.contains(c) => out.push(c),
            None => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push(byte, &mut out)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    fn url(text: &str) -> String {
        super::url(text).map_or_else(|error| format!("error: {error}"), |url| url.as_str().to_owned())
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
            ("example.com", "does not begin with"),
            ("//example.com/", "does not begin with"),
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
        assert!(url(&format!("http://a/{}", "x".repeat(8192))).contains("longer"));
    }

    #[test]
    fn a_reference_leads_on_from_where_it_was() {
        let base = super::url("https://example.com:8443/v1/items?x=1").unwrap();
        assert_eq!(super::join(&base, "../b").unwrap().as_str(), "https://example.com:8443/b");
        assert_eq!(super::join(&base, "//other/").unwrap().as_str(), "https://other/");
        assert!(super::join(&base, "ftp://other/").is_err());
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
            assert_eq!(super::host(text).unwrap().name(), name);
            assert_eq!(super::host(name).unwrap().name(), name);
        }
        for bad in ["", ".", "a..b", "a b", "a/b", "user@a", "%31", "a:80", "fe80::1%eth0", "a\n"] {
            assert!(super::host(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_parsed_again_to_the_same(text in "https?://[a-z0-9.%:@\\[\\]]{1,12}/[a-zA-Z0-9/.%;?&=#~é^'`{}|]{0,20}") {
            if let Ok(url) = super::url(&text) {
                prop_assert_eq!(super::url(url.as_str()).unwrap(), url.clone());
                prop_assert_eq!(super::host(url.host().name()).unwrap(), url.host().clone());
                prop_assert!(url.path().starts_with('/') && !url.path().contains("/../"));
            }
        }
    }
}
