//! The contents of an X.509 certificate; RFC 5280.

use std::net::IpAddr;

use rex_core::{Code, Error, Timestamp, Value};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev, oid2sn};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

/// Returns a certificate in DER as a map.
pub(crate) fn describe(der: &[u8]) -> Result<Value, Error> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_| Error::new(Code::Unsupported, "it is not an X.509 certificate"))?;
    let time = |time: ASN1Time| Timestamp::from_micros(time.timestamp().saturating_mul(1_000_000));
    let (from, to) = (time(certificate.validity().not_before), time(certificate.validity().not_after));
    let signature = &certificate.signature_algorithm.algorithm;
    Ok(Value::map([
        ("subject", name(certificate.subject()).into()),
        ("issuer", name(certificate.issuer()).into()),
        ("names", Value::List(names(&certificate).into_iter().map(Value::from).collect())),
        ("not_before", from.to_string().into()),
        ("not_after", to.to_string().into()),
        ("not_after_epoch", to.as_secs().into()),
        ("serial", hex(certificate.raw_serial()).into()),
        ("sha256", hex(&Sha256::digest(der)).into()),
        ("key", key(&certificate).into()),
        ("signature", oid2sn(signature, oid_registry()).map_or_else(|_| signature.to_string(), str::to_owned).into()),
        ("authority", certificate.is_ca().into()),
    ]))
}

/// Formats a distinguished name. Special characters in values are escaped as in RFC 4514, section 2.4, so that one
/// value never looks like two.
fn name(name: &X509Name<'_>) -> String {
    let part = |part: &AttributeTypeAndValue<'_>| {
        let kind = part.attr_type();
        let kind = oid2abbrev(kind, oid_registry()).map_or_else(|_| kind.to_string(), str::to_owned);
        let value = part.as_str().map_or_else(|_| format!("#{}", hex(part.as_slice())), escaped);
        format!("{kind}={value}")
    };
    let parts = |parts: &RelativeDistinguishedName<'_>| parts.iter().map(part).collect::<Vec<_>>().join(" + ");
    name.iter_rdn().map(parts).collect::<Vec<_>>().join(", ")
}

fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::new();
    for (at, char) in value.chars().enumerate() {
        if ",+\"\\<>;=".contains(char) || char == ' ' && (at == 0 || at == last) || char == '#' && at == 0 {
            text.push('\\');
        }
        text.push(char);
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn key(certificate: &X509Certificate<'_>) -> String {
    let key = certificate.public_key();
    let algorithm = &key.algorithm.algorithm;
    let bits = |key: &PublicKey<'_>| key.key_size();
    match key.parsed() {
        Ok(parsed @ PublicKey::RSA(_)) => format!("RSA {}", bits(&parsed)),
        Ok(parsed @ PublicKey::EC(_)) => format!("EC {}", bits(&parsed)),
        _ => oid2sn(algorithm, oid_registry()).map_or_else(|_| algorithm.to_string(), str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    #[test]
    fn no_value_of_a_name_passes_for_two() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, " #1, Inc ");
        params.distinguished_name.push(DnType::CommonName, "a,CN=good.example.com + \\\"");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let told = describe(certificate.der()).unwrap();
        let subject = r#"CN=a\,CN\=good.example.com \+ \\\", O=\ #1\, Inc\ "#;
        assert_eq!(told.get("subject"), Some(&Value::from(subject)));
        assert_eq!(escaped("#1"), "\\#1");
    }
}
