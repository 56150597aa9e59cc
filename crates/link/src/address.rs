//! How a gateway is found and believed: what agents and clients are configured with.

use std::fmt;

use penstock_domain::{Code, Error, Side};
use serde::{Deserialize, Serialize};

use crate::{
    Endpoint,
    carrier::{Dialler, grpc, tls},
    forward_proxy::ForwardProxy,
    tls::{Connector, Identity, Trust},
};

/// A gateway's address and the trust in it. Serialized, it holds no secret.
#[derive(Clone, Deserialize, Serialize)]
pub struct Address {
    /// `grpcs://HOST:PORT` for carrier `grpc`, `tls://HOST:PORT` for carrier `tls`.
    pub url: String,
    /// The fingerprint of the gateway's own CA, `sha256:HEX`.
    #[serde(default)]
    pub ca_pin: Option<String>,
    /// Roots in PEM; the system's if neither these nor a pin are given.
    #[serde(default, skip_serializing)]
    pub ca_pem: Option<String>,
    /// The name that the certificate must hold, if not the host.
    #[serde(default)]
    pub server_name: Option<String>,
    /// The forward proxy on the way: `http://` or `https://`, with its credential if it asks for one.
    #[serde(default, skip_serializing)]
    pub https_proxy: Option<String>,
    /// Hosts and networks that are reached without it.
    #[serde(default)]
    pub no_proxy: Option<String>,
    /// Allows plaintext beyond this machine.
    #[serde(default)]
    pub insecure: bool,
    /// Carrier `tls`: our certificate's chain in PEM, leaf first.
    #[serde(default, skip_serializing)]
    pub cert_pem: Option<String>,
    /// Carrier `tls`: its key in PEM.
    #[serde(default, skip_serializing)]
    pub key_pem: Option<String>,
    /// Carrier `tls`: who sends the preface.
    #[serde(default)]
    pub flavour: tls::Flavour,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Address {
    /// A dialler for a side that serves, over the carrier that the address names. Carrier `tls` proves who we are by
    /// the certificate, carrier `grpc` by `identity`.
    ///
    /// # Errors
    /// What is wrong with the address, the trust or the certificate.
    pub fn dialler(&self, identity: grpc::Identity) -> Result<Dialler, Error> {
        let endpoint = Endpoint::parse(&self.url, self.insecure)?;
        if !endpoint.tunnel {
            return self.grpc(identity).map(Dialler::Grpc);
        }
        let connector = self.connector(&endpoint)?;
        let proxy = self.forward_proxy(&endpoint)?;
        Ok(Dialler::Tls(tls::Dialler::new(endpoint, connector).through(proxy)))
    }

    /// A dialler for carrier `grpc`.
    ///
    /// # Errors
    /// What is wrong with the address or the trust.
    pub fn grpc(&self, identity: grpc::Identity) -> Result<grpc::Dialler, Error> {
        let endpoint = Endpoint::parse(&self.url, self.insecure)?;
        let tls = match endpoint.tls {
            true => Some(self.connector(&endpoint)?),
            false => None,
        };
        let proxy = self.forward_proxy(&endpoint)?;
        Ok(grpc::Dialler::new(endpoint, identity, tls).through(proxy))
    }

    pub(crate) fn forward_proxy(&self, endpoint: &Endpoint) -> Result<Option<ForwardProxy>, Error> {
        ForwardProxy::before(endpoint, self.https_proxy.as_deref(), self.no_proxy.as_deref())
    }

    /// Speaks TLS as the endpoint's carrier does.
    pub(crate) fn connector(&self, endpoint: &Endpoint) -> Result<Connector, Error> {
        self.connector_for(&self.trust(), endpoint.tunnel)
    }

    /// The same with other trust; `proven` shows our certificate.
    pub(crate) fn connector_for(&self, trust: &Trust, proven: bool) -> Result<Connector, Error> {
        let identity = if proven { Some(self.identity()?) } else { None };
        let alpn = if identity.is_some() { self.flavour.alpn() } else { b"h2" };
        Connector::new(trust, self.server_name.clone(), &[alpn], identity.as_ref())
    }

    fn identity(&self) -> Result<Identity, Error> {
        let (Some(chain_pem), Some(key_pem)) = (self.cert_pem.clone(), self.key_pem.clone()) else {
            return Err(Error::new(
                Code::Malformed,
                Side::Client,
                "a tunnel port asks for a certificate and its key",
            )
            .hint("`penstock pki issue NAME` makes them; set TLS_CERT and TLS_KEY"));
        };
        Ok(Identity { chain_pem, key_pem })
    }

    fn trust(&self) -> Trust {
        match (&self.ca_pin, &self.ca_pem) {
            (Some(pin), _) => Trust::Pin(pin.clone()),
            (None, Some(pem)) => Trust::Roots(pem.clone()),
            (None, None) => Trust::System,
        }
    }
}
