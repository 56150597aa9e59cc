//! The accepting side of carrier `tls`, which requests.

use std::{fmt, io, sync::Arc};

use penstock_domain::{Code, Error, Side};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Flavour, preface};
use crate::{
    carrier::Duplex,
    tls::{self, Certificate},
};

/// Accepts links on mutual TLS.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

/// A link's bytes and who dialled.
pub struct Accepted {
    /// The link's bytes, for the requesting role.
    pub bytes: Box<dyn Duplex>,
    /// Who dialled.
    pub certificate: Certificate,
}

/// Why there is no link.
#[derive(Debug)]
pub struct NoLink {
    why: String,
    /// Whether nobody tried to prove anything, as when a load balancer looks whether the port is open.
    pub probe: bool,
}

impl NoLink {
    /// The peer was too slow.
    #[must_use]
    pub fn late() -> Self {
        Self { why: "timed out".into(), probe: true }
    }
}

impl From<io::Error> for NoLink {
    fn from(error: io::Error) -> Self {
        let gone = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        );
        let shown = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let anonymous = matches!(shown, Some(rustls::Error::NoCertificatesPresented));
        Self { why: error.to_string(), probe: gone || anonymous }
    }
}

impl fmt::Display for NoLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Acceptor {
    /// An acceptor with its own chain and key, for peers with a certificate from `client_ca_pem`.
    ///
    /// # Errors
    /// [`Code::Malformed`] if the PEM cannot be used.
    pub fn new(chain_pem: &str, key_pem: &str, client_ca_pem: &str) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(client_ca_pem.as_bytes()) {
            let certificate = certificate.map_err(|error| malformed(&error))?;
            roots.add(certificate).map_err(|error| malformed(&error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider())
            .build()
            .map_err(|error| malformed(&error))?;
        let mut config = tls::server_config(chain_pem, key_pem, verifier)?;
        config.alpn_protocols = vec![Flavour::Swap.alpn().to_vec(), Flavour::Rh2.alpn().to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Takes these flavours only.
    #[must_use]
    pub fn flavours(self, flavours: &[Flavour]) -> Self {
        let mut config = self.0.config().as_ref().clone();
        config.alpn_protocols = flavours.iter().map(|flavour| flavour.alpn().to_vec()).collect();
        Self(TlsAcceptor::from(Arc::new(config)))
    }

    /// Runs the handshake; bounded in time by the caller.
    ///
    /// # Errors
    /// The peer is not who may dial, or has left.
    pub async fn accept(&self, tcp: TcpStream) -> Result<Accepted, NoLink> {
        tcp.set_nodelay(true)?;
        let tls = self.0.accept(tcp).await?;
        let (_, session) = tls.get_ref();
        let certificate = Certificate::of(session)
            .ok_or_else(|| NoLink { why: "the certificate names nobody".into(), probe: false })?;
        let bytes: Box<dyn Duplex> = match Flavour::negotiated(session.alpn_protocol()) {
            Flavour::Swap => Box::new(preface::Acceptor::new(tls)),
            Flavour::Rh2 => Box::new(tls),
        };
        Ok(Accepted { bytes, certificate })
    }
}

fn malformed(error: &dyn std::fmt::Display) -> Error {
    Error::new(
        Code::Malformed,
        Side::Gateway,
        format!("the CA of the tunnel's peers cannot be used: {error}"),
    )
    .hint("`penstock pki init` makes one")
}
