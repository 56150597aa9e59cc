//! The accepting side.

use std::sync::Arc;

use penstock_domain::{Code, Error, Side};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::TlsAcceptor;

/// An acceptor for TLS 1.2 and 1.3 with ALPN `h2` and `http/1.1`, from a PEM chain (leaf first) and its key.
///
/// # Errors
/// [`Code::Malformed`] if the PEM does not hold a chain and its key.
pub fn acceptor(chain_pem: &str, key_pem: &str) -> Result<TlsAcceptor, Error> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| malformed("the certificate chain", &error))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|error| malformed("the private key", &error))?;
    let mut config = rustls::ServerConfig::builder_with_provider(super::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| malformed("the TLS versions", &error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| malformed("the certificate and key", &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if let Ok(ticketer) = rustls::crypto::aws_lc_rs::Ticketer::new() {
        config.ticketer = ticketer;
    }
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn malformed(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(Code::Malformed, Side::Gateway, format!("{what} cannot be used: {error}"))
        .hint("TLS_CERT is the PEM chain with the leaf first, TLS_KEY its PEM key")
}
