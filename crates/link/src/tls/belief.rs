//! Trust beyond the usual roots: one CA known by its fingerprint, a chain without a name, or nothing at all.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest as _, Sha256};

/// What makes a chain believed.
#[derive(Debug)]
pub(super) enum Belief {
    /// The chain's CA has this SHA-256; leaf, dates and names are verified against it.
    Pinned([u8; 32]),
    /// The chain leads to a root; the name does not matter (libpq's `verify-ca`).
    Chain(RootCertStore),
    /// Whoever answers (libpq's `require`: encryption without authentication).
    Anyone,
}

/// Verifies by a [`Belief`]; signatures are always verified.
#[derive(Debug)]
pub(super) struct Verifier {
    pub belief: Belief,
    pub provider: Arc<CryptoProvider>,
}

/// The chain holds no certificate with the pinned fingerprint.
#[derive(Debug)]
pub(super) struct WrongCa;

impl std::fmt::Display for WrongCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the gateway shows another CA than the pinned one")
    }
}

impl std::error::Error for WrongCa {}

/// Reads `sha256:HEX`; none if it is not that.
pub(super) fn parse_pin(pin: &str) -> Option<[u8; 32]> {
    let hex = pin.strip_prefix("sha256:")?;
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut bytes = [0u8; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl Verifier {
    fn roots(&self, roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.belief {
            Belief::Anyone => Ok(ServerCertVerified::assertion()),
            Belief::Pinned(pin) => {
                let ca = intermediates
                    .iter()
                    .find(|certificate| Sha256::digest(certificate.as_ref()).as_slice() == pin)
                    .ok_or_else(|| CertificateError::Other(OtherError(Arc::new(WrongCa))))?;
                let mut roots = RootCertStore::empty();
                roots.add(ca.clone().into_owned())?;
                self.roots(roots)?.verify_server_cert(leaf, intermediates, name, ocsp, now)
            }
            Belief::Chain(roots) => {
                let result =
                    self.roots(roots.clone())?.verify_server_cert(leaf, intermediates, name, ocsp, now);
                match result {
                    Err(rustls::Error::InvalidCertificate(
                        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                    )) => Ok(ServerCertVerified::assertion()),
                    result => result,
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_pin_and_nothing_else() {
        assert_eq!(parse_pin(&format!("sha256:{}", "ab".repeat(32))), Some([0xab; 32]));
        for pin in ["", "sha256:", "sha256:ab", "md5:00", &format!("sha256:{}", "zz".repeat(32))] {
            assert_eq!(parse_pin(pin), None, "{pin}");
        }
    }
}
