//! Ed25519 signatures of the head of a journal.
//!
//! The signed text is `rex journal checkpoint 1`, the hash that the checkpoint's line names, its time and its run, each followed by a
//! newline. Keys have the formats of OpenSSL: PKCS#8 and SubjectPublicKeyInfo, in PEM.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use crate::chain::LineHash;
use crate::mark::Mark;

/// The bytes before the 32 bytes of an Ed25519 key: a private one in PKCS#8, a public one in SubjectPublicKeyInfo.
const PRIVATE: &[u8; 16] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const PUBLIC: &[u8; 12] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// The reason why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A text that is not a PEM of a private key.
    #[error("it is not a private key in PEM format")]
    NotPrivate,
    /// A text that is not a PEM of a public key.
    #[error("it is not a public key in PEM format")]
    NotPublic,
    /// A key for another algorithm.
    #[error("it is not an Ed25519 key")]
    NotEd25519,
    /// No random numbers from the system.
    #[error("the operating system returned no random numbers")]
    NoRandom,
}

/// A key that signs checkpoints.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Generates a key, as PEM.
    ///
    /// # Errors
    /// If the operating system returned no random numbers.
    pub fn generate() -> Result<String, KeyError> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::NoRandom)?;
        Ok(pem("PRIVATE KEY", &[&PRIVATE[..], &seed].concat()))
    }

    /// Reads a key from a PEM.
    ///
    /// # Errors
    /// If it has no private key for Ed25519.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(unmarked(text)).map_err(|_| KeyError::NotPrivate)?;
        // OpenSSL writes keys without the public key: then there is nothing to compare.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der());
        pair.map(Self).map_err(|_| KeyError::NotEd25519)
    }

    /// Returns the public key, to check signatures with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        // INVARIANT: every public key for Ed25519 has 32 bytes.
        key.iter_mut().zip(self.0.public_key().as_ref()).for_each(|(to, from)| *to = *from);
        PublicKey(key)
    }

    /// Signs everything up to the line with this hash.
    #[must_use]
    pub fn sign(&self, head: LineHash, time: &str, run: &str) -> Mark {
        let signature = self.0.sign(&message(head, time, run));
        Mark::Checkpoint { key: self.public().id(), signature: STANDARD.encode(signature) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public().id()).finish()
    }
}

/// A key that checks checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads a key from a PEM.
    ///
    /// # Errors
    /// If it has no public key for Ed25519.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(unmarked(text)).map_err(|_| KeyError::NotPublic)?;
        let key = key.strip_prefix(PUBLIC).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(KeyError::NotEd25519)
    }

    /// Returns the key as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &[&PUBLIC[..], &self.0].concat())
    }

    /// Returns the id of the key in checkpoints: 16 hexadecimal digits of its hash.
    #[must_use]
    pub fn id(&self) -> String {
        LineHash::of(&self.0).to_string().chars().take(16).collect()
    }

    /// Returns whether this key signed everything up to the line with this hash.
    #[must_use]
    pub fn signed(&self, signature: &str, head: LineHash, time: &str, run: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, &self.0).verify(&message(head, time, run), &signature).is_ok()
    }
}

fn message(head: LineHash, time: &str, run: &str) -> Vec<u8> {
    format!("rex journal checkpoint 1\n{head}\n{time}\n{run}\n").into_bytes()
}

/// Removes the byte order mark that some editors put before a text.
fn unmarked(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

// INVARIANT: the Base64 of a key fits on one line.
fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_key_signed_the_other_finds() {
        let key = SigningKey::from_pem(SigningKey::generate().unwrap().as_bytes()).unwrap();
        let public = PublicKey::from_pem(format!("\u{feff}{}", key.public().to_pem()).as_bytes()).unwrap();
        let head = LineHash::of(b"x");
        let Mark::Checkpoint { key: id, signature } = key.sign(head, "now", "r") else { panic!() };
        assert_eq!(id, public.id());
        assert!(public.signed(&signature, head, "now", "r"));
        assert!(!public.signed(&signature, LineHash::of(b"y"), "now", "r"));
        assert!(!public.signed(&signature, head, "then", "r") && !public.signed(&signature, head, "now", "s"));
        assert!(!public.signed("", head, "now", "r") && !public.signed("?", head, "now", "r"));
        let other = SigningKey::from_pem(SigningKey::generate().unwrap().as_bytes()).unwrap();
        assert!(!other.public().signed(&signature, head, "now", "r"));
    }

    /// The first key of RFC 8032, and a signature that OpenSSL 3.0 made with it.
    #[test]
    fn keys_and_signatures_are_as_others_have_them() {
        let private = pem("PRIVATE KEY", &[&PRIVATE[..], &SEED].concat());
        assert!(private.contains("\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"));
        let key = SigningKey::from_pem(private.as_bytes()).unwrap();
        let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
        assert_eq!(key.public().to_pem(), public);
        let mark = key.sign(LineHash::NONE, "2026-01-01T00:00:00Z", "r");
        let signature =
            "7yBSVNMB/RixletbJnO2lGUKQB4wxH0ECRz2re6zuWeBGyVDTuTg8qbu3jXxGuPNk1606/X6nRlDXUce7pYlAA==".to_owned();
        assert_eq!(mark, Mark::Checkpoint { key: key.public().id(), signature });
        assert_eq!(SigningKey::from_pem(b"").err(), Some(KeyError::NotPrivate));
        assert_eq!(PublicKey::from_pem(private.as_bytes()).err(), Some(KeyError::NotPublic));
        assert_eq!(PublicKey::from_pem(pem("PUBLIC KEY", b"short").as_bytes()).err(), Some(KeyError::NotEd25519));
    }

    const SEED: [u8; 32] = *b"\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
}
