//! How a gateway is found and believed: what agents and clients are configured with.

use penstock_domain::Error;
use serde::{Deserialize, Serialize};

use crate::{
    Endpoint,
    carrier::grpc::{Dialler, Identity},
    tls::{Connector, Trust},
};

/// A gateway's address and the trust in it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Address {
    /// `grpcs://HOST:PORT`.
    pub url: String,
    /// The fingerprint of the gateway's own CA, `sha256:HEX`.
    #[serde(default)]
    pub ca_pin: Option<String>,
    /// Roots in PEM; the system's if neither these nor a pin are given.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// The name that the certificate must hold, if not the host.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Allows plaintext beyond this machine.
    #[serde(default)]
    pub insecure: bool,
}

impl Address {
    /// A dialler for carrier `grpc`.
    ///
    /// # Errors
    /// What is wrong with the address, the pin or the roots.
    pub fn dialler(&self, identity: Identity) -> Result<Dialler, Error> {
        let endpoint = Endpoint::parse(&self.url, self.insecure)?;
        let tls = if endpoint.tls {
            Some(Connector::new(&self.trust(), self.server_name.clone(), &[b"h2"])?)
        } else {
            None
        };
        Ok(Dialler::new(endpoint, identity, tls))
    }

    fn trust(&self) -> Trust {
        match (&self.ca_pin, &self.ca_pem) {
            (Some(pin), _) => Trust::Pin(pin.clone()),
            (None, Some(pem)) => Trust::Roots(pem.clone()),
            (None, None) => Trust::System,
        }
    }
}
