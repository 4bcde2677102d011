//! The forms of hosts, servers and URLs.

use std::net::SocketAddr;

use super::TextForm;
use super::machine::machine;
use crate::net::{RemoteHost, Url};

/// Steps through a host. States: 0 at the start and after a dot, 1 in a label.
fn host_step(state: u32, byte: u8) -> Option<u32> {
    match byte {
        b'.' => (state == 1).then_some(0),
        b'-' | b'_' | b':' => Some(1),
        _ => (byte.is_ascii_lowercase() || byte.is_ascii_digit()).then_some(1),
    }
}

fn host_meant(text: &str) -> Option<String> {
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next()?.trim_end_matches('.').to_ascii_lowercase();
    let known = |host: &str| RemoteHost::parse(host).is_ok();
    if known(&host) {
        return Some(host);
    }
    let bare = host.trim_start_matches("*.");
    let bare = bare.rsplit_once(':').map_or(bare, |(host, _)| host).trim_matches(['[', ']']);
    known(bare).then(|| bare.to_owned())
}

/// A host of the network.
pub static HOST: TextForm = TextForm {
    doc: "the lower-case name or the address of a host, without scheme, port and path",
    has: |text| RemoteHost::parse(text).is_ok_and(|host| host.name() == text),
    meant: host_meant,
    machine: machine!(host_step, |state| state == 1),
};

/// Returns whether a byte is printable ASCII and not one of `others`, so that a URL can hold it.
fn is_plain(byte: u8, others: &[u8]) -> bool {
    byte.is_ascii_graphic() && !others.contains(&byte)
}

/// The mark of a state after a percent sign, and of one after its first digit, which is in the bits above.
const PERCENT: u32 = 1 << 8;
const DIGIT: u32 = 1 << 9;
const VALUE: u32 = 10;

/// Steps through a text with escapes: of two digits in upper case, of bytes that need one, and that the state does not refuse.
fn with_escapes(state: u32, byte: u8, step: fn(u32, u8) -> Option<u32>, refuses: fn(u32, u8) -> bool) -> Option<u32> {
    let digit = || match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let base = state & 0xff;
    if state & PERCENT != 0 {
        // With these first digits, every second digit is accepted.
        let digit = digit().map(|digit| if matches!(digit, 1 | 8..) { 1 } else { digit });
        return digit.map(|digit| base | DIGIT | (u32::from(digit) << VALUE));
    }
    if state & DIGIT != 0 {
        let escaped = u8::try_from(state >> VALUE).ok()? << 4 | digit()?;
        let needless = escaped.is_ascii_alphanumeric() || b"-._~".contains(&escaped);
        return (!needless && !refuses(base, escaped)).then_some(base);
    }
    let next = step(base, byte)?;
    Some(if byte == b'%' { next | PERCENT } else { next })
}

/// Returns whether a server may read an escaped byte in a path in two ways.
fn is_ambiguous(escaped: u8) -> bool {
    [b'/', b'\\', 0].contains(&escaped)
}

/// Converts the escapes of a text to upper case, as facts have them.
fn upper_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        format!("{text}%{}{rest}", digits.to_ascii_uppercase())
    })
}

/// The first states of an authority, for `http` and `https`, with the port of the scheme. From there: 0 at the start of a label, 1 in
/// one, 2 in brackets, 3 after them, 4 before a port, 5 and up in a port that may be that of the scheme, 9 and up in another.
const AUTHORITY: [(u32, &[u8]); 2] = [(10, b"80"), (30, b"443")];

/// Maximum number of digits of a port.
const PORT_DIGITS: u32 = 5;

/// The first state of the path, followed by those of [`url_path_step`], and that of the query: 0 at its start, 1 elsewhere.
const TOLD: u32 = 50;
const QUESTION: u32 = 60;

/// Steps through the authority of a scheme whose port is `usual`.
fn authority_step(state: u32, byte: u8, usual: &[u8]) -> Option<u32> {
    let (beginning, other) = (4, 8);
    match (state, byte) {
        (0, b'[') => Some(2),
        (2, b']') => Some(3),
        (2, _) => (byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase() || b":.".contains(&byte)).then_some(2),
        (1 | 3, b':') => Some(beginning),
        (1, b'.') => Some(0),
        (0 | 1, _) => (byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)).then_some(1),
        (4.., b'0'..=b'9') => {
            let count = if state > other { state - other } else { state - beginning };
            let usual = state <= other && usual.get(count as usize) == Some(&byte);
            let legal = count < PORT_DIGITS && (count > 0 || byte != b'0');
            legal.then_some(if usual { beginning } else { other } + count + 1)
        }
        _ => None,
    }
}

/// Steps through a URL. States: the letters of `http:/` and `https:/`, then those of [`AUTHORITY`], [`TOLD`] and [`QUESTION`].
fn url_step(state: u32, byte: u8) -> Option<u32> {
    match (state, byte) {
        (0, b'h') | (1 | 2, b't') | (3, b'p') | (4, b's') => Some(state + 1),
        (4, b':') => Some(6),
        (5, b':') => Some(8),
        (6 | 8, b'/') => Some(state + 1),
        (7, b'/') => Some(10),
        (9, b'/') => Some(30),
        (QUESTION.., _) => is_plain(byte, b"\"#<>'").then_some(QUESTION + 1),
        (TOLD.., b'?') => [1, 4].contains(&(state - TOLD)).then_some(QUESTION),
        (TOLD.., _) => url_path_step(state - TOLD, byte).map(|state| TOLD + state),
        _ => {
            let (start, usual) = AUTHORITY.into_iter().rfind(|(start, _)| *start <= state)?;
            let state = state - start;
            // There is a host, and the port is not that of the scheme.
            let whole = matches!(state, 1 | 3 | 9..) || (state > 4 && (state - 4) as usize != usual.len());
            if byte == b'/' {
                return whole.then_some(TOLD + 1);
            }
            authority_step(state, byte, usual).map(|state| start + state)
        }
    }
}

fn url_meant(text: &str) -> Option<String> {
    let text = text.trim().split('#').next()?;
    let (scheme, rest) = text.split_once(":/").unwrap_or(("https", text));
    let (scheme, rest) = (scheme.to_ascii_lowercase(), rest.trim_start_matches('/'));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (server, rest) = rest.split_at_checked(end)?;
    let usual = if scheme == "http" { ":80" } else { ":443" };
    let server = server.to_ascii_lowercase();
    let server = server.strip_suffix(usual).unwrap_or(&server);
    Some(format!("{scheme}://{server}/{}", upper_escapes(rest.strip_prefix('/').unwrap_or(rest))))
}

/// A URL in its one spelling.
pub static URL: TextForm = TextForm {
    doc: "a URL in canonical form, with scheme, host and path, and without a fragment and the port of the scheme: `https://example.com/`",
    has: |text| Url::parse(text).is_ok_and(|url| url.as_str() == text),
    meant: url_meant,
    machine: machine!(
        |state, byte| with_escapes(state, byte, url_step, |base, escaped| base < QUESTION && is_ambiguous(escaped)),
        |state| [TOLD + 1, TOLD + 4, QUESTION + 1].contains(&state),
    ),
};

/// Steps through a URL's path. States: 0 at the start, 1 after a slash, 2 after `/.`, 3 after `/..`, 4 elsewhere.
fn url_path_step(state: u32, byte: u8) -> Option<u32> {
    match (state, byte) {
        (2 | 3, b'/' | b';') => None,
        (_, b'/') => Some(1),
        (0, _) => None,
        (1, b'.') => Some(2),
        (2, b'.') => Some(3),
        _ => is_plain(byte, b"\"#<>?^`{}\\").then_some(4),
    }
}

/// The path of a URL.
pub static URL_PATH: TextForm = TextForm {
    doc: "the path of a URL, with its first slash and without the query: `/v1/items`",
    has: |text| text.starts_with('/') && !text.contains('?') && Url::parse(&format!("http://a{text}")).is_ok(),
    meant: |text| {
        let path = upper_escapes(text.split(['?', '#']).next()?);
        Some(if path.starts_with('/') { path } else { format!("/{path}") })
    },
    machine: machine!(
        |state, byte| with_escapes(state, byte, url_path_step, |_, escaped| is_ambiguous(escaped)),
        |state| state == 1 || state == 4
    ),
};

/// Steps through a query. States: 0 at the start, 1 elsewhere.
fn query_step(state: u32, byte: u8) -> Option<u32> {
    (is_plain(byte, b"\"#<>'") && (state == 1 || byte != b'?')).then_some(1)
}

/// The query of a URL.
pub static QUERY: TextForm = TextForm {
    doc: "the query of a URL, without its `?`, or empty",
    has: |text| text.is_empty() || (!text.starts_with('?') && Url::parse(&format!("http://a/?{text}")).is_ok()),
    meant: |text| Some(upper_escapes(text.trim_start_matches('?'))),
    machine: machine!(|state, byte| with_escapes(state, byte, query_step, |_, _| false), |state| state <= 1),
};

/// The address of a name server with its port, or nothing.
pub static SERVER: TextForm = TextForm {
    doc: "the address of a server with its port, `192.0.2.53:53`, or empty",
    has: |text| text.is_empty() || text.parse::<SocketAddr>().is_ok_and(|address| address.to_string() == text),
    meant: |text| text.parse().ok().map(|address| SocketAddr::new(address, 53).to_string()),
    machine: machine!(|_, byte| (byte.is_ascii_digit() || b"abcdef.:[]%".contains(&byte)).then_some(0), |_| true),
};
