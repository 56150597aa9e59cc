//! The dialling side.

use std::{io, sync::Arc};

use penstock_domain::{Code, Error, Side};
use rustls::{
    CertificateError, ClientConfig, InvalidMessage, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    belief::{Belief, Verifier, parse_pin},
    server::chain_and_key,
};

/// Whom to believe.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The system's roots.
    System,
    /// The roots in this PEM.
    Roots(String),
    /// The CA with this fingerprint, `sha256:HEX`.
    Pin(String),
    /// A chain to one of the roots in this PEM, or to the system's; the name does not matter.
    Chain(Option<String>),
    /// Whoever answers: encryption without authentication.
    Anyone,
}

/// Who we are, if asked: a certificate and its key.
#[derive(Clone)]
pub struct Identity {
    /// The chain in PEM, leaf first.
    pub chain_pem: String,
    /// The key in PEM.
    pub key_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// Speaks TLS as a client.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector that offers `alpn` and shows `identity` if asked; `server_name` replaces the dialled host in the
    /// check of the certificate.
    ///
    /// # Errors
    /// [`Code::Malformed`] if the roots, the pin or the identity cannot be read.
    pub fn new(
        trust: &Trust,
        server_name: Option<String>,
        alpn: &[&[u8]],
        identity: Option<&Identity>,
    ) -> Result<Self, Error> {
        let builder = ClientConfig::builder_with_provider(super::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| malformed(error.to_string()))?;
        let builder = match belief(trust)? {
            None => builder.with_root_certificates(roots(trust)?),
            Some(belief) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Verifier { belief, provider: super::provider() })),
        };
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { chain_pem, key_pem }) => {
                let (chain, key) = chain_and_key(chain_pem, key_pem)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| malformed(error.to_string()))?
            }
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { config: Arc::new(config), server_name })
    }

    /// The configuration, for a library that runs handshakes by itself.
    #[must_use]
    pub fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }

    /// Runs the handshake over any byte stream.
    ///
    /// # Errors
    /// [`Code::Lost`] with the likely cause.
    pub async fn connect<T>(&self, host: &str, io: T) -> Result<TlsStream<T>, Error>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|error| malformed(error.to_string()))?;
        let handshake = TlsConnector::from(Arc::clone(&self.config)).connect(name, io);
        handshake.await.map_err(|error| diagnose(host, &error))
    }
}

/// What a verifier of our own has to believe; none where the usual one does.
fn belief(trust: &Trust) -> Result<Option<Belief>, Error> {
    Ok(match trust {
        Trust::System | Trust::Roots(_) => None,
        Trust::Chain(_) => Some(Belief::Chain(roots(trust)?)),
        Trust::Anyone => Some(Belief::Anyone),
        Trust::Pin(pin) => Some(Belief::Pinned(
            parse_pin(pin).ok_or_else(|| malformed("the CA pin is not sha256: and 64 hex digits".into()))?,
        )),
    })
}

fn roots(trust: &Trust) -> Result<RootCertStore, Error> {
    match trust {
        Trust::Roots(pem) | Trust::Chain(Some(pem)) => pem_roots(pem),
        Trust::System | Trust::Chain(None) | Trust::Anyone | Trust::Pin(_) => Ok(system_roots()),
    }
}

/// Roots from PEM text.
///
/// # Errors
/// [`Code::Malformed`] if it holds no certificate.
fn pem_roots(pem: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| malformed(error.to_string()))?;
        roots.add(certificate).map_err(|error| malformed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(malformed("the CA file holds no certificate".into()));
    }
    Ok(roots)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn malformed(what: String) -> Error {
    Error::new(Code::Malformed, Side::Client, format!("TLS cannot be set up: {what}"))
}

fn diagnose(host: &str, error: &io::Error) -> Error {
    let lost = Error::new(Code::Lost, Side::Gateway, format!("TLS with {host} failed: {error}"));
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            lost.hint("the port does not speak TLS: use grpc:// on this machine, or put TLS in front of it")
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })) => {
            lost.hint("the certificate is for other names: set TLS_SERVER_NAME, or dial a name that it holds")
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(_))) => {
            lost.hint("the gateway's CA changed: get a new agent key, or run `penstock login` again")
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            lost.hint("the CA is not known here: use the key or login that pins it, or set TLS_CA")
        }
        _ => lost.hint("is something between here and the gateway ending TLS?"),
    }
}
