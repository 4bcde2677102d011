//! An HTTP response as a script sees it: always with status and body.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Response};
use rex_core::net::Url;
use rex_core::{Budget, Code, Error, Value};

/// Maximum number of encodings on top of each other in one body.
const ENCODINGS: usize = 3;

/// The form in which a script wants the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm {
    /// No body, as in the response to HEAD.
    None,
    /// As text.
    Text,
    /// As it was sent.
    Bytes,
    /// As the value of its JSON.
    Json,
}

/// Bytes of memory that a JSON value takes beyond its text.
const VALUE_BYTES: usize = 80;

/// Returns a response as a value. Its body may expand to at most `max` bytes. A body that does not have the requested
/// form is returned as it is, with `why`.
pub(crate) fn tell(
    url: &Url,
    answer: &Response<()>,
    body: Vec<u8>,
    form: BodyForm,
    (max, budget): (u64, &Budget),
) -> Result<Value, Error> {
    let mut told = BTreeMap::from([
        ("status".to_owned(), Value::count(answer.status().as_u16())),
        ("headers".to_owned(), headers(answer.headers())),
        ("url".to_owned(), url.as_str().into()),
    ]);
    let mut put = |name: &str, value: Value| told.insert(name.to_owned(), value);
    match form {
        BodyForm::None => {}
        BodyForm::Bytes => drop(put("body", Value::Bytes(body))),
        BodyForm::Text | BodyForm::Json => {
            if form == BodyForm::Json {
                put("json", Value::Null);
            }
            match expanded(answer.headers(), &body, max) {
                Err(BodyError::TooLong) => {
                    let (url, status) = (url.as_str().escape_debug(), answer.status().as_u16());
                    let message =
                        format!("`{url}` answered {status}: the body is longer than {max} bytes when it is expanded");
                    return Err(Error::new(Code::LimitExceeded, message));
                }
                Err(BodyError::Not(why)) => {
                    put("body", Value::Null);
                    put("bytes", Value::Bytes(body));
                    put("why", why.into());
                }
                Ok(plain) => match String::from_utf8(plain) {
                    Err(error) => {
                        put("body", Value::Null);
                        put("bytes", Value::Bytes(error.into_bytes()));
                        put("why", "the body is not UTF-8; `bytes` holds it as it is".into());
                    }
                    Ok(text) if form == BodyForm::Text => drop(put("body", text.into())),
                    Ok(text) => {
                        let values = text.bytes().filter(|byte| b",:[{".contains(byte)).count();
                        budget.ask_memory((text.len() + VALUE_BYTES * values) as u64)?;
                        match serde_json::from_str(&text) {
                            Ok(value) => drop(put("json", value)),
                            Err(error) => {
                                put("why", no_json(&text, &error).into());
                                put("body", text.into());
                            }
                        }
                    }
                },
            }
        }
    }
    Ok(Value::Map(told))
}

fn no_json(text: &str, error: &serde_json::Error) -> String {
    if text.trim().is_empty() {
        return "the body is empty, and not JSON".to_owned();
    }
    format!("the body is not valid JSON at line {}, column {}; `body` holds it as it is", error.line(), error.column())
}

fn headers(headers: &HeaderMap) -> Value {
    let mut told = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let told = told.entry(name.as_str().to_owned()).or_default();
        if !told.is_empty() {
            told.push_str(", ");
        }
        told.push_str(&value);
    }
    Value::Map(told.into_iter().map(|(name, value)| (name, value.into())).collect())
}

/// The reason why a body is not expanded.
enum BodyError {
    /// It is longer than allowed.
    TooLong,
    /// It cannot be expanded, for this reason.
    Not(String),
}

/// Expands a body by its `Content-Encoding`; RFC 9110, section 8.4.
fn expanded(headers: &HeaderMap, body: &[u8], max: u64) -> Result<Vec<u8>, BodyError> {
    let mut encodings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let named = text.split(',').map(|name| name.trim().to_owned());
        encodings.extend(named.filter(|name| !matches!(name.as_str(), "" | "identity")));
    }
    // Some servers send the header without a body, to HEAD or with 204.
    if body.is_empty() || encodings.is_empty() {
        return Ok(body.to_vec());
    }
    if encodings.len() > ENCODINGS {
        return Err(BodyError::Not(format!("the body is compressed more than {ENCODINGS} times; `bytes` holds it")));
    }
    let mut plain = body.to_vec();
    for name in encodings.iter().rev() {
        plain = expand(name, &plain, max)?;
    }
    Ok(plain)
}

fn expand(name: &str, body: &[u8], max: u64) -> Result<Vec<u8>, BodyError> {
    let decoder: Box<dyn Read + '_> = match name {
        "gzip" | "x-gzip" => Box::new(MultiGzDecoder::new(body)),
        // Some servers leave out the two-byte header (RFC 1950), which is a multiple of 31.
        "deflate" => match body {
            [first, second, ..] if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0 => {
                Box::new(ZlibDecoder::new(body))
            }
            _ => Box::new(DeflateDecoder::new(body)),
        },
        other => {
            let shown: String = other.chars().take(50).flat_map(char::escape_debug).collect();
            let why = format!(
                "the body is compressed (`content-encoding: {shown}`), which Rex does not expand; `bytes` holds it"
            );
            return Err(BodyError::Not(why));
        }
    };
    let mut plain = Vec::new();
    let read: io::Result<usize> = decoder.take(max.saturating_add(1)).read_to_end(&mut plain);
    match read {
        Ok(_) if plain.len() as u64 > max => Err(BodyError::TooLong),
        Ok(_) => Ok(plain),
        Err(_) => {
            let why = format!(
                "the server says that the body is compressed by {name}, but it is not, or it is damaged; `bytes` holds it"
            );
            Err(BodyError::Not(why))
        }
    }
}

/// Describes what is wrong with a response, for people.
pub(crate) fn wrong(error: &ureq_proto::Error) -> &'static str {
    use ureq_proto::Error as Http;
    match error {
        Http::UnsupportedVersion => "its answer has an unknown HTTP version",
        Http::BadHeader(_) => "a header of its answer is malformed",
        Http::HttpParseTooManyHeaders => "its answer has too many headers",
        Http::HttpParseFail(_) => "its answer is not HTTP/1.1",
        Http::TooManyContentLengthHeaders | Http::BadContentLengthHeader | Http::ConflictingBodyHeaders => {
            "its answer gives conflicting or invalid lengths of the body"
        }
        Http::ChunkLenNotAscii | Http::ChunkLenNotANumber | Http::ChunkExpectedCrLf | Http::BodyIsChunked => {
            "the chunks of the body have no valid length"
        }
        Http::NoLocationHeader | Http::BadLocationHeader(_) => "its redirect has no valid target",
        Http::HeadersWith100 | Http::BadReject100Status(_) => "it sends a malformed `100 Continue`",
        _ => "its answer cannot be parsed",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use std::sync::Arc;

    use rex_core::Limits;

    use super::*;

    fn told(encoding: &str, body: &[u8], form: BodyForm) -> Result<Value, Error> {
        let url = Url::parse("http://app.test/x").unwrap();
        let mut answer = Response::builder().status(502);
        if !encoding.is_empty() {
            answer = answer.header(CONTENT_ENCODING, encoding);
        }
        tell(&url, &answer.body(()).unwrap(), body.to_vec(), form, (1_000, &budget(1 << 20)))
    }

    fn budget(memory_bytes: u64) -> Budget {
        Budget::new(Limits { memory_bytes, ..Limits::default() }, Arc::default())
    }

    #[test]
    fn json_that_takes_more_memory_than_there_is_is_refused() {
        let url = Url::parse("http://app.test/x").unwrap();
        let body = format!("[{}0]", "0,".repeat(10_000)).into_bytes();
        let answer = Response::new(());
        let told = |memory| tell(&url, &answer, body.clone(), BodyForm::Json, (1 << 20, &budget(memory)));
        assert_eq!(told(1 << 19).unwrap_err().code, Code::LimitExceeded);
        assert!(
            matches!(told(1 << 20), Ok(Value::Map(map)) if matches!(&map["json"], Value::List(list) if list.len() == 10_001))
        );
    }

    fn text(value: &Value, key: &str) -> String {
        match value.get(key) {
            Some(Value::Text(text)) => text.clone(),
            other => panic!("{key}: {other:?} in {value}"),
        }
    }

    #[test]
    fn what_is_not_json_is_told_with_its_status() {
        let told = |body: &[u8]| told("", body, BodyForm::Json).unwrap();
        let page = told(b"<html>");
        assert_eq!((page.get("status"), page.get("json")), (Some(&Value::Int(502)), Some(&Value::Null)));
        assert_eq!(text(&page, "body"), "<html>");
        assert!(text(&page, "why").contains("line 1, column 1"), "{page}");
        assert!(text(&told(b" "), "why").contains("empty"));
        let null = told(b"null");
        assert_eq!((null.get("json"), null.get("why"), null.get("body")), (Some(&Value::Null), None, None));
        let raw = told(&[0xff]);
        assert_eq!((raw.get("body"), raw.get("bytes")), (Some(&Value::Null), Some(&Value::Bytes(vec![0xff]))));
    }

    #[test]
    fn a_compressed_body_is_expanded_within_limits() {
        let plain = br#"{"a":1}"#;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(plain).unwrap();
        zlib.write_all(plain).unwrap();
        raw.write_all(plain).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut twice = GzEncoder::new(Vec::new(), Compression::default());
        twice.write_all(&gzip).unwrap();
        for (encoding, body) in [
            ("gzip", &gzip),
            ("X-GZIP", &gzip),
            ("identity, gzip", &gzip),
            ("deflate", &zlib.finish().unwrap()),
            ("deflate", &raw.finish().unwrap()),
            ("gzip,gzip", &twice.finish().unwrap()),
        ] {
            let json = told(encoding, body, BodyForm::Json).unwrap();
            assert_eq!(json.get("json").unwrap().to_string(), r#"{"a":1}"#, "{encoding}");
            assert_eq!(text(&told(encoding, body, BodyForm::Text).unwrap(), "body").as_bytes(), plain);
            assert_eq!(told(encoding, body, BodyForm::Bytes).unwrap().get("body"), Some(&Value::Bytes(body.clone())));
        }
        let mut bomb = GzEncoder::new(Vec::new(), Compression::default());
        bomb.write_all(&[b'x'; 100_000]).unwrap();
        let error = told("gzip", &bomb.finish().unwrap(), BodyForm::Text).unwrap_err();
        assert!(error.code == Code::LimitExceeded && error.message.contains("502"), "{error}");
        for (encoding, body, why) in [
            ("br", &b"x"[..], "`content-encoding: br`"),
            ("gzip", b"plain", "gzip"),
            ("gzip", &gzip[..20], "damaged"),
            ("gzip,gzip,gzip,gzip", &gzip, "times"),
        ] {
            let value = told(encoding, body, BodyForm::Text).unwrap();
            assert!(text(&value, "why").contains(why), "{value}");
            assert_eq!(
                (value.get("status"), value.get("bytes")),
                (Some(&Value::Int(502)), Some(&Value::Bytes(body.to_vec())))
            );
        }
        assert_eq!(text(&told("gzip", b"", BodyForm::Text).unwrap(), "body"), "");
    }
}
