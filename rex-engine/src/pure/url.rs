//! URLs as browsers read them (the standard of WHATWG), and the encoding of their parts. Nothing is fetched.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rhai::{Array, Dynamic, Map};
use url::form_urlencoded::Serializer;
use url::{Host, Url};

use super::table::text_of;
use super::{CallBudget, PureResult, TEXT_BYTES, VALUE_BYTES, fail, fail_with, quote};

functions! { "url";
    /// The parts of an absolute URL: a map of `url` (its usual spelling), `scheme`, `user`, `password`, `host` (an IPv6 address without brackets), `port` (that of its scheme, if it names none), `path`, `query`, `params` (the query as a list of maps of `key` and `value`) and `fragment`. What is not there is `()`. User, password and params are decoded, path, query and fragment are not.
    parse(text: &str) -> "map" = parse;
    /// The URL that a relative one means where `base` is the page.
    join(base: &str, relative: &str) -> "text" = join;
    /// A text as a part of a URL: all but letters, digits, `-`, `.`, `_` and `~` of ASCII becomes `%` and two digits for each byte.
    encode(text: &str) -> "text" = encode;
    /// The decoded text of such a part, which must be UTF-8. A `+` stays a `+`.
    decode(text: &str) -> "text" = decode;
    /// A map as the query of a URL, without its `?`: a list gives its key several times, `()` leaves it out.
    query(params: &mut Map) -> "text" = |params: &mut Map| query(params.iter().map(|(key, value)| Ok((key.to_string(), value))));
    /// The same for a list of maps of `key` and `value`, in its order.
    query(pairs: &mut Array) -> "text" = |pairs: &mut Array| query_of_list(pairs);
}

/// Maximum length of a URL, in bytes.
const URL_BYTES: usize = 64 << 10;

/// The characters to encode in any part of a URL: all but the unreserved ones of RFC 3986.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn read(text: &str, base: Option<&Url>) -> PureResult<Url> {
    if text.len() > URL_BYTES {
        return Err(fail(format!("{} is longer than {URL_BYTES} bytes", quote(text))));
    }
    let help = "one looks like `https://example.com/path?key=value`";
    let refuse = |error: url::ParseError| fail_with(format!("{} is not a URL: {}", quote(text), reason(error)), help);
    Url::options().base_url(base).parse(text).map_err(refuse)
}

fn reason(error: url::ParseError) -> String {
    match error {
        url::ParseError::RelativeUrlWithoutBase => "it has no scheme".to_owned(),
        url::ParseError::RelativeUrlWithCannotBeABaseBase => "the base has no path".to_owned(),
        other => other.to_string(),
    }
}

fn parse(text: &str) -> PureResult<Map> {
    /// Bytes that the map of a parameter takes in addition to its text, rounded up from what the allocator uses.
    const MAP_BYTES: usize = 640;
    let url = read(text, None)?;
    let budget = CallBudget::new(VALUE_BYTES);
    let mut params = Array::new();
    for (key, value) in url.query_pairs() {
        budget.take(MAP_BYTES + key.len() + value.len())?;
        let (key, value): (Dynamic, Dynamic) = (key.as_ref().into(), value.as_ref().into());
        params.push(Map::from([("key".into(), key), ("value".into(), value)]).into());
    }
    let text = |text: Option<&str>| text.map_or(Dynamic::UNIT, Into::into);
    // A part that is not UTF-8 stays encoded.
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map_or(text.into(), |text| text.as_ref().into());
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string().into(),
        _ => text(url.host_str()),
    };
    Ok([
        ("url", url.as_str().into()),
        ("scheme", url.scheme().into()),
        ("user", Some(url.username()).filter(|user| !user.is_empty()).map_or(Dynamic::UNIT, decoded)),
        ("password", url.password().map_or(Dynamic::UNIT, decoded)),
        ("host", host),
        ("port", url.port_or_known_default().map_or(Dynamic::UNIT, |port| i64::from(port).into())),
        ("path", url.path().into()),
        ("query", text(url.query())),
        ("params", params.into()),
        ("fragment", text(url.fragment())),
    ]
    .into_iter()
    .map(|(key, value): (&str, Dynamic)| (key.into(), value))
    .collect())
}

fn join(base: &str, relative: &str) -> PureResult<String> {
    let base = read(base, None)?;
    Ok(read(relative, Some(&base))?.into())
}

fn encode(text: &str) -> PureResult<String> {
    CallBudget::new(TEXT_BYTES).take(text.len().saturating_mul(3))?;
    Ok(utf8_percent_encode(text, COMPONENT).to_string())
}

fn decode(text: &str) -> PureResult<String> {
    let is_code = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if let Some(wrong) = text.split('%').skip(1).find(|rest| !is_code(rest)) {
        let shown: String = wrong.chars().take(2).collect();
        let message = format!("{} is not a code of two hexadecimal digits", quote(&format!("%{shown}")));
        return Err(fail_with(message, "a percent sign itself is `%25`"));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| fail("the decoded text is not UTF-8"))
}

fn query<'a>(params: impl Iterator<Item = PureResult<(String, &'a Dynamic)>>) -> PureResult<String> {
    let budget = CallBudget::new(TEXT_BYTES);
    let mut serializer = Serializer::new(String::new());
    let mut append = |key: &str, value: &Dynamic| -> PureResult<()> {
        let value = text_of(value, "a parameter")?;
        // At worst each byte becomes three.
        budget.take(key.len().saturating_add(value.len()).saturating_mul(3).saturating_add(2))?;
        serializer.append_pair(key, &value);
        Ok(())
    };
    for param in params {
        let (key, value) = param?;
        if let Ok(values) = value.as_array_ref() {
            values.iter().try_for_each(|value| append(&key, value))?;
        } else if !value.is_unit() {
            append(&key, value)?;
        }
    }
    Ok(serializer.finish())
}

fn query_of_list(params: &Array) -> PureResult<String> {
    let help = "parameters are a map, or a list such as [#{key: \"a\", value: 1}]";
    let not_a_map = || fail_with("a parameter is not a map of `key` and `value`", help);
    let maps =
        params.iter().map(|param| param.as_map_ref().map_err(|_| not_a_map())).collect::<PureResult<Vec<_>>>()?;
    query(maps.iter().map(|param| match (param.get("key"), param.get("value")) {
        (Some(key), Some(value)) => Ok((text_of(key, "the key of a parameter")?, value)),
        _ => Err(not_a_map()),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{check, check_fails, run_with, thrown};
    use super::*;

    #[test]
    fn parses() {
        check(
            r#"url::parse("HTTPS://ann:s%40x@Example.com/a%2Fb/../c d?q=a+b&q=%C3%A9&flag#top")"#,
            r#"#{"fragment": "top", "host": "example.com", "params": [#{"key": "q", "value": "a b"}, #{"key": "q", "value": "é"}, #{"key": "flag", "value": ""}], "password": "s@x", "path": "/c%20d", "port": 443, "query": "q=a+b&q=%C3%A9&flag", "scheme": "https", "url": "https://ann:s%40x@example.com/c%20d?q=a+b&q=%C3%A9&flag#top", "user": "ann"}"#,
        );
        check(
            r#"let u = url::parse("http://[::1]:8080"); [u.host, u.port, u.path, u.query, u.user]"#,
            r#"["::1", 8080, "/", (), ()]"#,
        );
        check(r#"let u = url::parse("mailto:a@b"); [u.host, u.port, u.path]"#, r#"[(), (), "a@b"]"#);
        check(
            r#"let u = url::parse("unix:///run/x.sock"); [u.scheme, u.host, u.path]"#,
            r#"["unix", (), "/run/x.sock"]"#,
        );
        check(r#"url::parse("https://bücher.example/").host"#, "xn--bcher-kva.example");
        // Every spelling is parsed to the address that would be connected to.
        for host in ["127.1", "0x7f.0.0.1", "2130706433", "127.0.0.1", "127%2e0.0.1"] {
            check(&format!(r#"url::parse("http://{host}/").host"#), "127.0.0.1");
        }
    }

    #[test]
    fn refuses() {
        for (text, reason) in [
            ("", "it has no scheme"),
            ("example.com/x", "it has no scheme"),
            ("http://", "empty host"),
            ("http://x:99999", "invalid port number"),
            ("http://a b/", "invalid international domain name"),
            ("http://[::1", "invalid IPv6 address"),
            ("http://1.2.3.256", "invalid IPv4 address"),
        ] {
            let message = format!("VALIDATION_EXCEPTION: `{text}` is not a URL: {reason}");
            check_fails(&format!("url::parse(`{text}`)"), &message);
        }
        let long = format!("http://x/{}", "a".repeat(URL_BYTES));
        assert!(thrown(run_with(&long, "url::parse(text)")).ends_with("is longer than 65536 bytes"));
        assert!(thrown(run_with(&long, "url::join(`http://x`, text)")).ends_with("is longer than 65536 bytes"));
    }

    #[test]
    fn joins() {
        for (relative, expected) in [
            ("c?x", "https://a.example/b/c?x"),
            ("../c", "https://a.example/c"),
            ("/c", "https://a.example/c"),
            ("//c.example", "https://c.example/"),
            ("http://d.example/", "http://d.example/"),
            ("", "https://a.example/b/"),
        ] {
            check(&format!("url::join(`https://a.example/b/`, `{relative}`)"), expected);
        }
        check_fails("url::join(`mailto:a`, `b`)", "VALIDATION_EXCEPTION: `b` is not a URL: the base has no path");
    }

    #[test]
    fn encodes_and_decodes() {
        check(r#"url::encode("a b/é~-._+")"#, "a%20b%2F%C3%A9~-._%2B");
        check(r#"url::decode("a%20b%2f%C3%A9+")"#, "a b/é+");
        for (text, shown) in [("100%", "%"), ("%zz", "%zz"), ("a%1é", "%1é"), ("%%41", "%")] {
            check_fails(
                &format!("url::decode(`{text}`)"),
                &format!("VALIDATION_EXCEPTION: `{shown}` is not a code of two hexadecimal digits"),
            );
        }
        check_fails("url::decode(`%ff`)", "VALIDATION_EXCEPTION: the decoded text is not UTF-8");
        let limit = "LIMIT_EXCEEDED_EXCEPTION: the result would take more than 67108864 bytes";
        assert_eq!(thrown(run_with(&"é".repeat(12 << 20), "url::encode(text)")), limit);
        assert_eq!(thrown(run_with(&"é".repeat(1 << 20), "let a = []; a.pad(20, text); url::query(#{a: a})")), limit);
    }

    #[test]
    fn queries() {
        check(r#"url::query(#{q: "a b&c", n: 1, tag: ["x", "é"], none: ()})"#, "n=1&q=a+b%26c&tag=x&tag=%C3%A9");
        check("url::query(#{})", "");
        check(r#"let u = url::parse("http://x/?b=1&a=2&b=%26"); url::query(u.params) == u.query"#, "true");
        check_fails("url::query(#{a: #{}})", "VALIDATION_EXCEPTION: a parameter is neither text nor a number");
        check_fails("url::query([1])", "VALIDATION_EXCEPTION: a parameter is not a map of `key` and `value`");
        check_fails("url::query([#{key: 1}])", "VALIDATION_EXCEPTION: a parameter is not a map of `key` and `value`");
    }

    proptest! {
        #[test]
        fn there_and_back(text in any::<String>()) {
            prop_assert_eq!(decode(&encode(&text).unwrap()).unwrap(), text.clone());
            let mut params = Map::from([("k".into(), text.clone().into())]);
            let url = format!("http://x/?{}", query(params.iter().map(|(key, value)| Ok((key.to_string(), value)))).unwrap());
            let read = parse(&url).unwrap()["params"].clone().cast::<Array>();
            params = read[0].clone().cast();
            prop_assert_eq!(params["value"].to_string(), text);
        }

        #[test]
        fn a_url_has_one_spelling(text in "[a-z]{0,5}:[/\\\\]{0,3}[ -~é]{0,30}") {
            if let Ok(map) = parse(&text) {
                let again = parse(&map["url"].to_string()).unwrap();
                prop_assert_eq!(format!("{again:?}"), format!("{map:?}"));
            }
        }
    }
}
