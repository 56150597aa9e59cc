//! What a worker is told.

use std::fmt;

use penstock_domain::{Code, Error, Side};
use penstock_link::{Address, carrier, carrier::grpc, carrier::tls};
use serde::{Deserialize, Serialize};

/// The worker's settings, as the Python side hands them over. Serialized, it holds no secret: `/config_dump`.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The proxy's tunnel port, `HOST:PORT`.
    pub connect: String,
    /// The name that the proxy's certificate must hold, if not the host.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Our certificate's chain in PEM, leaf first.
    #[serde(skip_serializing)]
    pub cert_pem: String,
    /// Its key in PEM.
    #[serde(skip_serializing)]
    pub key_pem: String,
    /// Roots in PEM; the system's if absent.
    #[serde(default, skip_serializing)]
    pub ca_pem: Option<String>,
    /// The forward proxy on the way: `http://` or `https://`, with its credential if it asks for one.
    #[serde(default, skip_serializing)]
    pub https_proxy: Option<String>,
    /// Hosts and networks that are reached without it.
    #[serde(default)]
    pub no_proxy: Option<String>,
    /// Links to hold.
    #[serde(default = "connections")]
    pub connections: usize,
    /// Requests that the proxy may have open on one link.
    #[serde(default = "streams")]
    pub streams: u32,
    /// Who sends the HTTP/2 preface.
    #[serde(default)]
    pub flavour: Flavour,
    /// Seconds of silence before a PING.
    #[serde(default = "keepalive")]
    pub keepalive_seconds: u64,
    /// Metrics and state, `HOST:PORT`; no port is opened without it.
    #[serde(default)]
    pub admin_listen: Option<String>,
}

/// How the roles are reversed, by the name in ALPN.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// HAProxy's `rhttp@`.
    #[default]
    H2,
    /// The IETF draft's; experimental.
    Rh2,
}

const fn connections() -> usize {
    1
}

const fn streams() -> u32 {
    100
}

const fn keepalive() -> u64 {
    15
}

impl Config {
    /// Dials the proxy as the certificate's holder.
    pub(crate) fn dialler(&self) -> Result<carrier::Dialler, Error> {
        if self.connect.contains('/') {
            return Err(Error::new(
                Code::Malformed,
                Side::Client,
                format!("{} is not HOST:PORT", self.connect),
            )
            .hint("name the proxy's tunnel port without a scheme: proxy.example.com:8443"));
        }
        let address = Address {
            url: format!("tls://{}", self.connect),
            ca_pin: None,
            ca_pem: self.ca_pem.clone(),
            server_name: self.server_name.clone(),
            https_proxy: self.https_proxy.clone(),
            no_proxy: self.no_proxy.clone(),
            insecure: false,
            cert_pem: Some(self.cert_pem.clone()),
            key_pem: Some(self.key_pem.clone()),
            flavour: match self.flavour {
                Flavour::H2 => tls::Flavour::Swap,
                Flavour::Rh2 => tls::Flavour::Rh2,
            },
        };
        // The certificate says who we are: there is no key besides.
        address.dialler(grpc::Identity::agent(String::new(), String::new()))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("connect", &self.connect).finish_non_exhaustive()
    }
}
