//! The accepting side.

use std::sync::Arc;

use penstock_domain::{Code, Error, Side};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio_rustls::TlsAcceptor;

/// An acceptor for TLS 1.2 and 1.3 with ALPN `h2` and `http/1.1`, from a PEM chain (leaf first) and its key.
///
/// # Errors
/// [`Code::Malformed`] if the PEM does not hold a chain and its key.
pub fn acceptor(chain_pem: &str, key_pem: &str) -> Result<TlsAcceptor, Error> {
    let mut config = server_config(chain_pem, key_pem, Arc::new(NoClientAuth))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// As [`acceptor`], and asks callers for a certificate from `client_ca_pem`. One that shows none is accepted,
/// too: who it is must then be proven in another way.
///
/// # Errors
/// [`Code::Malformed`] if the PEM does not hold a chain and its key, or no CA.
pub fn acceptor_with_clients(
    chain_pem: &str,
    key_pem: &str,
    client_ca_pem: &str,
) -> Result<TlsAcceptor, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(client_ca_pem.as_bytes()) {
        let certificate = certificate.map_err(|error| malformed("the CA of the callers", &error))?;
        roots.add(certificate).map_err(|error| malformed("the CA of the callers", &error))?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), super::provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| malformed("the CA of the callers", &error))?;
    let mut config = server_config(chain_pem, key_pem, clients)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A configuration of its own for each listener: tickets of one must not resume on another, which may ask for
/// more (CVE-2025-23419).
pub(crate) fn server_config(
    chain_pem: &str,
    key_pem: &str,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, Error> {
    let (chain, key) = chain_and_key(chain_pem, key_pem)?;
    let mut config = ServerConfig::builder_with_provider(super::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| malformed("the TLS versions", &error))?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|error| malformed("the certificate and key", &error))?;
    if let Ok(ticketer) = rustls::crypto::aws_lc_rs::Ticketer::new() {
        config.ticketer = ticketer;
    }
    Ok(config)
}

/// Reads a PEM chain and its key.
pub(super) fn chain_and_key(
    chain_pem: &str,
    key_pem: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| malformed("the certificate chain", &error))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|error| malformed("the private key", &error))?;
    Ok((chain, key))
}

fn malformed(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(Code::Malformed, Side::Gateway, format!("{what} cannot be used: {error}"))
        .hint("the certificate is a PEM chain with the leaf first, the key its PEM key")
}
