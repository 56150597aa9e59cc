//! The accepting side of carrier `tls`, which requests.

use std::sync::Arc;

use penstock_domain::{Code, Error, Side};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

use super::{Flavour, preface};
use crate::{carrier::Duplex, tls};

/// Accepts links on mutual TLS.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

/// A link's bytes and who dialled.
pub struct Accepted {
    /// The link's bytes, for the requesting role.
    pub bytes: Box<dyn Duplex>,
    /// The names in the peer's leaf certificate: its subject alternative names, and its common name if it has none.
    pub names: Vec<String>,
    /// SHA-256 of the leaf, in hex.
    pub fingerprint: String,
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

    /// Runs the handshake; bounded in time by the caller.
    ///
    /// # Errors
    /// The peer is not who may dial, for the log.
    pub async fn accept(&self, tcp: TcpStream) -> Result<Accepted, String> {
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        let tls = self.0.accept(tcp).await.map_err(|error| error.to_string())?;
        let (names, fingerprint) = identity(&tls).ok_or("the certificate names nobody")?;
        let (_, session) = tls.get_ref();
        let bytes: Box<dyn Duplex> = match Flavour::negotiated(session.alpn_protocol()) {
            Flavour::Swap => Box::new(preface::Acceptor::new(tls)),
            Flavour::Rh2 => Box::new(tls),
        };
        Ok(Accepted { bytes, names, fingerprint })
    }
}

/// Who a peer is: the leaf's word, which the handshake has proven, and never another certificate's in the chain.
fn identity(tls: &TlsStream<TcpStream>) -> Option<(Vec<String>, String)> {
    let (_, session) = tls.get_ref();
    let leaf = session.peer_certificates()?.first()?;
    let (_, certificate) = parse_x509_certificate(leaf).ok()?;
    let alternatives = certificate.subject_alternative_name().ok()?;
    let mut names: Vec<String> = alternatives
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
                Some((*name).to_owned())
            }
            _ => None,
        })
        .collect();
    if names.is_empty() {
        names.extend(
            certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(str::to_owned),
        );
    }
    let fingerprint = Sha256::digest(leaf.as_ref()).iter().map(|byte| format!("{byte:02x}")).collect();
    (!names.is_empty()).then_some((names, fingerprint))
}

fn malformed(error: &dyn std::fmt::Display) -> Error {
    Error::new(
        Code::Malformed,
        Side::Gateway,
        format!("the CA of the tunnel's peers cannot be used: {error}"),
    )
    .hint("`penstock pki init` makes one")
}
