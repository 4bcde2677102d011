//! The forms of hosts, servers and URLs.

use std::net::SocketAddr;

use super::{Form, Machine};
use crate::net::{RemoteHost, Url};

/// States: 0 at the start and after a dot, 1 in a label.
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
pub static HOST: Form = Form {
    doc: "the lower-case name or the address of a host, without scheme, port and path",
    has: |text| RemoteHost::parse(text).is_ok_and(|host| host.name() == text),
    meant: host_meant,
    machine: Machine { step: host_step, ends: |state| state == 1 },
};

/// What a path or a query of a URL never holds as it is.
fn is_plain(byte: u8, others: &[u8]) -> bool {
    byte.is_ascii_graphic() && !others.contains(&byte)
}

/// Marks a state after a percent sign, and one after its first digit, which is in the bits above.
const PERCENT: u32 = 1 << 8;
const DIGIT: u32 = 1 << 9;
const VALUE: u32 = 10;

/// Goes on in a machine where escapes have two digits in upper case, and stand for nothing that needs none.
fn with_escapes(state: u32, byte: u8, step: fn(u32, u8) -> Option<u32>) -> Option<u32> {
    let digit = || match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let base = state & 0xff;
    if state & PERCENT != 0 {
        return digit().map(|digit| base | DIGIT | (u32::from(digit) << VALUE));
    }
    if state & DIGIT != 0 {
        let escaped = u8::try_from(state >> VALUE).ok()? << 4 | digit()?;
        return (!escaped.is_ascii_alphanumeric() && !b"-._~".contains(&escaped)).then_some(base);
    }
    let next = step(base, byte)?;
    Some(if byte == b'%' { next | PERCENT } else { next })
}

/// The text with its escapes as facts have them.
fn upper_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        format!("{text}%{}{rest}", digits.to_ascii_uppercase())
    })
}

/// States: the letters of `https://` that were read, 9 in the authority, 10 after its slash.
fn url_step(state: u32, byte: u8) -> Option<u32> {
    match (state, byte) {
        (0, b'h') | (1 | 2, b't') | (3, b'p') | (4, b's') => Some(state + 1),
        (4 | 5, b':') => Some(6),
        (6 | 7, b'/') => Some(state + 1),
        (9, b'/') => Some(10),
        (8 | 9, b'.' | b'-' | b'_' | b':' | b'[' | b']') => Some(9),
        (8 | 9, _) => (byte.is_ascii_lowercase() || byte.is_ascii_digit()).then_some(9),
        (10, _) => is_plain(byte, b"\"#<>").then_some(10),
        _ => None,
    }
}

/// A URL in its one spelling.
pub static URL: Form = Form {
    doc: "a URL in its one spelling, with scheme, host and path: `https://example.com/`",
    has: |text| Url::parse(text).is_ok_and(|url| url.as_str() == text),
    meant: |text| {
        let all = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let (scheme, rest) = all.split_once("://")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        Some(format!("{}://{}/{}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase(), upper_escapes(path)))
    },
    machine: Machine { step: |state, byte| with_escapes(state, byte, url_step), ends: |state| state == 10 },
};

/// States: 0 at the start, 1 after a slash, 2 after `/.`, 3 after `/..`, 4 elsewhere.
fn url_path_step(state: u32, byte: u8) -> Option<u32> {
    match (state, byte) {
        (2 | 3, b'/') => None,
        (_, b'/') => Some(1),
        (0, _) => None,
        (1, b'.') => Some(2),
        (2, b'.') => Some(3),
        _ => is_plain(byte, b"\"#<>?^`{}\\").then_some(4),
    }
}

/// The path of a URL.
pub static URL_PATH: Form = Form {
    doc: "the path of a URL, with its first slash and without the query: `/v1/items`",
    has: |text| text.starts_with('/') && !text.contains('?') && Url::parse(&format!("http://a{text}")).is_ok(),
    meant: |text| {
        let path = upper_escapes(text.split(['?', '#']).next()?);
        Some(if path.starts_with('/') { path } else { format!("/{path}") })
    },
    machine: Machine {
        step: |state, byte| with_escapes(state, byte, url_path_step),
        ends: |state| state == 1 || state == 4,
    },
};

/// States: 0 at the start, 1 elsewhere.
fn query_step(state: u32, byte: u8) -> Option<u32> {
    (is_plain(byte, b"\"#<>'") && (state == 1 || byte != b'?')).then_some(1)
}

/// The query of a URL.
pub static QUERY: Form = Form {
    doc: "the query of a URL, without its `?`, or empty",
    has: |text| text.is_empty() || (!text.starts_with('?') && Url::parse(&format!("http://a/?{text}")).is_ok()),
    meant: |text| Some(upper_escapes(text.trim_start_matches('?'))),
    machine: Machine { step: |state, byte| with_escapes(state, byte, query_step), ends: |state| state <= 1 },
};

/// A name server with its port, or nothing.
pub static SERVER: Form = Form {
    doc: "the address of a server with its port, `192.0.2.53:53`, or empty",
    has: |text| text.is_empty() || text.parse::<SocketAddr>().is_ok_and(|address| address.to_string() == text),
    meant: |text| text.parse().ok().map(|address| SocketAddr::new(address, 53).to_string()),
    machine: Machine {
        step: |_, byte| (byte.is_ascii_digit() || b"abcdef.:[]%".contains(&byte)).then_some(0),
        ends: |_| true,
    },
};
