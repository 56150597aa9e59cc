//! The ports that callers reach.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One port: HTTP/1.1 and HTTP/2, plain or TLS.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// `HOST:PORT`; port 0 takes any free one.
    pub address: String,
    /// The name in logs and metrics.
    #[serde(default = "name")]
    pub name: String,
    /// Speaks TLS to callers (an "HTTPS proxy").
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Networks whose PROXY protocol header (version 1 or 2) is required and believed.
    #[serde(default)]
    pub proxy_protocol: Vec<IpNet>,
    /// Whether CONNECT is accepted at all; a route must also terminate it.
    #[serde(default)]
    pub connect: bool,
}

fn name() -> String {
    "egress".into()
}

/// A certificate, its key, and whose client certificates are believed.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain in PEM, leaf first.
    #[serde(skip_serializing)]
    pub cert_pem: String,
    /// The key in PEM.
    #[serde(skip_serializing)]
    pub key_pem: String,
    /// The CA of the callers' certificates, in PEM. With it, a caller may show one; whether it must is up to
    /// `callers`.
    #[serde(default, skip_serializing)]
    pub client_ca_pem: Option<String>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
