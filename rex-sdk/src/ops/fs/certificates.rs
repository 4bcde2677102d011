//! `fs::certificates`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};

use crate::certificate::describe;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Returns the contents of the certificates in a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::certificates",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[Param::required(
            "path",
            ParamKind::Path,
            "The file: PEM (RFC 7468) with any number of certificates, or DER with one. A byte order mark, UTF-16 and compression do not matter.",
        )],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, in the order of the file: `subject` and `issuer`, `names` (hosts and addresses that it is for), `not_before` and `not_after` with `not_after_epoch` (seconds since 1970), \
     `serial` and `sha256` (hexadecimal), `key` (`EC 256`), `signature`, `authority` (whether it may sign others).",
        },
        doc: "Tells what the X.509 certificates in a file say.\nKeys and other things beside them are passed over.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/etc/ssl/certs/app.pem"]"#,
            returns: r#"[{"authority":false,"issuer":"CN=app.example.com","key":"EC 256","names":["app.example.com","93.184.215.14"],"not_after":"2126-01-01T00:00:00Z","not_after_epoch":4922899200,"not_before":"2026-01-01T00:00:00Z","serial":"2a","sha256":"3d0e5a3f2b69cb9c4050a52ff907f3658b71affb87fa62004740f210d91f4ae0","signature":"ecdsa-with-SHA256","subject":"CN=app.example.com"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let bytes = session.open(path.clone())?.read_all_expanded()?;
    // A byte order mark would hide the first certificate.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let of =
        |error: Error| Error { message: format!("`{}`: {}", path.as_str().escape_debug(), error.message), ..error };
    let told = |der: &[u8]| describe(der).map_err(of);
    let mut all = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(bytes) {
        session.run.budget().check()?;
        let certificate = certificate
            .map_err(|error| of(Error::new(Code::Unsupported, format!("what is in it is not PEM: {}", why(&error)))))?;
        all.push(told(&certificate)?);
        if all.len() as u64 > session.limits().entries {
            return Err(rex_core::limits::exceeded("entries", session.limits().entries, "certificates"));
        }
    }
    if all.is_empty() {
        all.push(told(bytes)?);
    }
    Ok(Value::List(all))
}

/// Describes what is wrong with PEM, for people. It does not repeat the data.
fn why(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a line `-----BEGIN ...-----` has no line `-----END ...-----`",
        pem::Error::IllegalSectionStart { .. } => "a line `-----BEGIN ...-----` is malformed",
        pem::Error::Base64Decode(_) => "what is between `BEGIN` and `END` is not base64",
        pem::Error::SectionTooLarge => "it is too long",
        _ => "it cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    #[test]
    fn a_mark_hides_none_and_what_is_none_is_refused() {
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let own = MemOs::example().contents("/etc/ssl/certs/app.pem").unwrap();
        let text = String::from_utf8(own).unwrap();
        let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let world = World::new(MemOs::new().file("/marked", format!("\u{feff}{text}{text}")).file("/wide", wide));
        for (path, count) in [("/marked", 2), ("/wide", 1)] {
            let told = world.call("fs::certificates", &format!("[\"{path}\"]")).unwrap();
            assert!(matches!(&told, Value::List(told) if told.len() == count), "{path}: {told}");
        }
        let world = World::new(MemOs::new().file("/text", "x").file("/empty", "").file("/damaged", damaged));
        for path in ["/text", "/empty", "/damaged"] {
            assert_eq!(world.fails("fs::certificates", &format!("[\"{path}\"]")), Code::Unsupported, "{path}");
        }
    }
}
