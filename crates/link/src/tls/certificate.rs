//! Who a peer with a certificate is.

use rustls::ServerConnection;
use sha2::{Digest as _, Sha256};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

/// The word of the leaf, which the handshake has proven, and never another certificate's in the chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// Its subject alternative names, or its common name if it has none.
    pub names: Vec<String>,
    /// The common name of its subject, for those who know their peers by it; `names` may not hold it.
    pub common_name: Option<String>,
    /// SHA-256 of its DER, in hex.
    pub fingerprint: String,
}

impl Certificate {
    /// The peer's; none if it showed none, or one that names nobody.
    #[must_use]
    pub fn of(session: &ServerConnection) -> Option<Self> {
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
        let mut common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let common_name = common.next().map(str::to_owned);
        if names.is_empty() {
            names.extend(common_name.clone());
        }
        let fingerprint = Sha256::digest(leaf.as_ref()).iter().map(|byte| format!("{byte:02x}")).collect();
        (!names.is_empty()).then_some(Self { names, common_name, fingerprint })
    }
}
