//! Channel binding to the server's certificate, `tls-server-end-point` (RFC 5929 §4.1).

use rustls::ClientConnection;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_parser::{
    oid_registry::{
        OID_PKCS1_SHA1WITHRSA, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA,
        OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512,
    },
    parse_x509_certificate,
};

/// The hash of the server's certificate; none if there is no certificate, or if the standard names no hash for its
/// signature (Ed25519, RSASSA-PSS).
#[must_use]
pub fn end_point(session: &ClientConnection) -> Option<Vec<u8>> {
    session.peer_certificates()?.first().and_then(|leaf| hash(leaf))
}

/// With the hash of the certificate's own signature, SHA-256 in the place of weaker ones.
fn hash(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let algorithm = &certificate.signature_algorithm.algorithm;
    let is = |oids: &[_]| oids.contains(algorithm);
    if is(&[OID_PKCS1_SHA256WITHRSA, OID_SIG_ECDSA_WITH_SHA256, OID_PKCS1_SHA1WITHRSA]) {
        Some(Sha256::digest(der).to_vec())
    } else if is(&[OID_PKCS1_SHA384WITHRSA, OID_SIG_ECDSA_WITH_SHA384]) {
        Some(Sha384::digest(der).to_vec())
    } else if is(&[OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA512]) {
        Some(Sha512::digest(der).to_vec())
    } else {
        None
    }
}
