//! TLS connections: certificates are verified, and problems are described for people.

use std::fmt::Display;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rex_core::net::RemoteHost;
use rex_core::{Code, Error, Timestamp};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::connection::{OpenConnection, failed};

/// A TLS connection.
pub(crate) type TlsStream<'r> = StreamOwned<ClientConnection, OpenConnection<'r>>;

/// Returns the provider of cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A verifier of certificates against the authorities that a machine trusts. It keeps a description of the problem.
#[derive(Debug)]
pub(crate) struct Checker {
    trust: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
    /// `true` if the connection continues with an invalid certificate. Signatures of the handshake are always checked:
    /// the peer has the key of the certificate that it presents.
    takes_any: bool,
    verdict: Mutex<Option<String>>,
}

impl Checker {
    /// Creates a verifier with these authorities, as PEM.
    pub(crate) fn new(authorities: &str, takes_any: bool) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authorities.as_bytes()).flatten());
        let provider = provider();
        let trust = if roots.is_empty() {
            None
        } else {
            let built = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build();
            Some(built.map_err(|_| Error::new(Code::Internal, "no certificate can be checked"))? as _)
        };
        Ok(Self { trust, provider, takes_any, verdict: Mutex::default() })
    }

    /// Returns `true` if it trusts any authority.
    pub(crate) fn trusts_anybody(&self) -> bool {
        self.trust.is_some()
    }

    /// Returns what is wrong with the certificate of the peer, if anything.
    pub(crate) fn verdict(&self) -> Option<String> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts TLS with a host under a name, with `checker` as verifier.
pub(crate) fn secure<'r>(
    mut line: OpenConnection<'r>,
    name: &RemoteHost,
    checker: &Arc<Checker>,
) -> Result<TlsStream<'r>, Error> {
    let internal = |_: &dyn Display| Error::new(Code::Internal, "TLS cannot be started");
    let config = ClientConfig::builder_with_provider(checker.provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| internal(&error))?
        .dangerous()
        .with_custom_certificate_verifier(checker.clone())
        .with_no_client_auth();
    let server = ServerName::try_from(name.name().to_owned())
        .map_err(|_| Error::new(Code::Unsupported, format!("`{}` cannot have a certificate", name.name())))?;
    let mut connection = ClientConnection::new(config.into(), server).map_err(|error| internal(&error))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut line).map_err(|error| match checker.verdict() {
            Some(why) if !checker.takes_any => {
                Error::new(Code::Io, format!("the certificate of `{}` is not trusted: {why}", name.name()))
                    .with_help("`net::tls_certificate` shows all of it, trusted or not")
            }
            _ => failed(name, error),
        })?;
    }
    Ok(StreamOwned::new(connection, line))
}

/// Describes an error of TLS; `None` if the error has another cause.
pub(crate) fn wrong(error: &io::Error) -> Option<&'static str> {
    use rustls::Error as Tls;
    Some(match error.get_ref()?.downcast_ref::<Tls>()? {
        Tls::InvalidMessage(_) | Tls::InappropriateMessage { .. } => "it does not speak TLS on this port",
        Tls::InappropriateHandshakeMessage { .. } | Tls::PeerMisbehaved(_) => "it violates TLS",
        Tls::PeerIncompatible(_) => "it has no version of TLS and no cipher in common with Rex",
        Tls::AlertReceived(_) => "it refused the connection with a TLS alert",
        Tls::DecryptError | Tls::PeerSentOversizedRecord => "its TLS data is damaged",
        Tls::NoCertificatesPresented => "it shows no certificate",
        Tls::InvalidCertificate(error) => plain(error),
        _ => "TLS failed",
    })
}

/// Describes what is wrong with a certificate for this name, for people.
fn describe(error: &rustls::Error, der: &[u8], name: &ServerName<'_>) -> String {
    let parsed = X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate);
    let time = |time: ASN1Time| Timestamp::from_micros(time.timestamp().saturating_mul(1_000_000));
    let validity = parsed.as_ref().map(|certificate| certificate.validity());
    let rustls::Error::InvalidCertificate(error) = error else { return "it cannot be checked".to_owned() };
    let why = match (error, validity) {
        (CertificateError::Expired | CertificateError::ExpiredContext { .. }, Some(validity)) => {
            format!("it expired at {}", time(validity.not_after))
        }
        (CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }, Some(validity)) => {
            format!("it is not valid before {}", time(validity.not_before))
        }
        (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }, _) => {
            format!("it is issued for another name than `{}`", name.to_str().escape_debug())
        }
        (error, _) => plain(error).to_owned(),
    };
    // A certificate that names itself as its issuer has no other authority.
    let own = parsed.is_some_and(|certificate| certificate.issuer().as_raw() == certificate.subject().as_raw());
    match (own, error) {
        (true, CertificateError::UnknownIssuer | CertificateError::Other(_)) => {
            "it is self-signed, and this machine does not trust it".to_owned()
        }
        (true, _) => format!("{why}, and it is self-signed"),
        (false, _) => why,
    }
}

fn plain(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is issued for another name"
        }
        CertificateError::UnknownIssuer => {
            "this machine does not trust its issuer, or the server does not send the intermediate certificates"
        }
        CertificateError::Revoked => "it was revoked",
        CertificateError::BadSignature => "its signature is wrong",
        CertificateError::BadEncoding => "it cannot be read",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "it is not for a server",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its signature algorithm is not accepted"
        }
        CertificateError::UnhandledCriticalExtension => "it has a critical extension that Rex does not know",
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "it is the certificate of an authority, and not one of a server"
        }
        _ => "it failed the check",
    }
}

impl ServerCertVerifier for Checker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let checked = match &self.trust {
            Some(trust) => {
                trust.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).map(drop)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let why = checked.as_ref().err().map(|error| describe(error, end_entity, server_name));
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = why;
        if self.takes_any {
            Ok(ServerCertVerified::assertion())
        } else {
            checked.map(|()| ServerCertVerified::assertion())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
