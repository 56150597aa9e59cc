//! What a proxy is told.

use std::{fmt, time::Duration};

use penstock_http::Limits;
use penstock_link::{Keepalive, carrier::tls::Flavour};
use serde::{Deserialize, Serialize};

use crate::{Pattern, RouteConfig};

/// A standalone proxy's settings. Serialized, they hold no secret: `/config_dump`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where workers dial in.
    pub tunnels: Vec<TunnelConfig>,
    /// Where the public asks. None if an application asks for it.
    #[serde(default)]
    pub public: Vec<PublicConfig>,
    /// Metrics and state, `HOST:PORT`.
    #[serde(default)]
    pub admin_listen: Option<String>,
    /// Who serves what.
    #[serde(default)]
    pub table: Table,
    /// How requests are passed on.
    #[serde(default)]
    pub forwarding: Forwarding,
    /// What bounds each public port.
    #[serde(default)]
    pub limits: Limits,
}

/// A port for workers, on mutual TLS.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TunnelConfig {
    /// `HOST:PORT`.
    pub listen: String,
    /// The chain in PEM, leaf first.
    #[serde(skip_serializing)]
    pub cert_pem: String,
    /// The key in PEM.
    #[serde(skip_serializing)]
    pub key_pem: String,
    /// The CA of the workers' certificates, in PEM.
    #[serde(skip_serializing)]
    pub workers_ca_pem: String,
    /// Who may attach, and to which group; the first that matches counts. Empty: every certificate of the CA, to the
    /// group `default`.
    #[serde(default)]
    pub allow: Vec<Allowed>,
    /// The flavours that are spoken.
    #[serde(default = "every_flavour")]
    pub flavours: Vec<Flavour>,
    /// Connections at once.
    #[serde(default = "tunnel_connections")]
    pub connections: usize,
}

impl fmt::Debug for TunnelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelConfig").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Workers that may attach.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// A name in their certificate: a subject alternative name or the common name.
    pub name: Pattern,
    /// The group that they serve for.
    #[serde(default = "default_group")]
    pub group: String,
}

/// A public port.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublicConfig {
    /// `HOST:PORT`.
    pub listen: String,
    /// Without it, plain HTTP.
    #[serde(default, skip_serializing)]
    pub tls: Option<TlsConfig>,
    /// Whether something before a port of plain HTTP ends TLS, so that what is forwarded says `https`.
    #[serde(default)]
    pub behind_tls: bool,
}

/// A certificate and its key.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The chain in PEM, leaf first.
    pub cert_pem: String,
    /// The key in PEM.
    pub key_pem: String,
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").finish_non_exhaustive()
    }
}

/// Who serves what: published as a whole, while running too.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Table {
    /// Which group serves a request. Empty: every request is for the group `default`.
    pub routes: Vec<RouteConfig>,
    /// Groups that differ from the default.
    pub groups: Vec<GroupConfig>,
}

/// How a group serves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// Its name.
    pub name: String,
    /// How a worker is chosen for a request.
    #[serde(default)]
    pub selector: SelectorConfig,
    /// Seconds until the head of an answer; absent as in [`Forwarding`].
    #[serde(default)]
    pub head_seconds: Option<u64>,
}

/// How a worker is chosen.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum SelectorConfig {
    /// The one with the fewest requests.
    #[default]
    LeastInFlight,
    /// One after the other.
    RoundRobin,
    /// The less busy of two at random.
    PowerOfTwo,
    /// Always the same one for a cookie's value; the cookie is set where it is missing.
    Cookie {
        /// The cookie's name.
        name: String,
    },
    /// Always the same one for a header's value.
    Header {
        /// The header's name.
        name: String,
    },
    /// The driver's own ([`crate::Select`]).
    Custom,
}

/// How requests are passed on.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forwarding {
    /// Seconds that a request may take for the head of its answer.
    pub head_seconds: u64,
    /// Seconds of silence after which a body or an upgraded connection is given up.
    pub idle_seconds: u64,
    /// Milliseconds that a request waits for a worker when its group has none: workers redial within a second or two.
    pub wait_milliseconds: u64,
    /// Requests that wait at once; more are refused.
    pub waiting: usize,
    /// Further attempts at a request that is safe to repeat.
    pub retries: u32,
    /// Streams on one link at once, if the worker admits as many.
    pub streams: usize,
    /// Seconds of silence before a link is asked whether its worker lives.
    pub keepalive_seconds: u64,
    /// Seconds that a worker may take for TLS and its first frame.
    pub handshake_seconds: u64,
    /// Whether each request is logged, at `penstock::access`.
    pub access_log: bool,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self {
            head_seconds: 60,
            idle_seconds: 3600,
            wait_milliseconds: 2000,
            waiting: 1000,
            retries: 2,
            streams: 1000,
            keepalive_seconds: 15,
            handshake_seconds: 10,
            access_log: false,
        }
    }
}

impl Forwarding {
    pub(crate) const fn head(&self) -> Duration {
        Duration::from_secs(self.head_seconds)
    }

    pub(crate) const fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }

    pub(crate) const fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_milliseconds)
    }

    pub(crate) const fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds)
    }

    pub(crate) fn keepalive(&self) -> Keepalive {
        Keepalive { interval: Duration::from_secs(self.keepalive_seconds), ..Keepalive::default() }
    }
}

/// The group of those that are given none.
pub const DEFAULT_GROUP: &str = "default";

fn default_group() -> String {
    DEFAULT_GROUP.into()
}

fn every_flavour() -> Vec<Flavour> {
    vec![Flavour::Swap, Flavour::Rh2]
}

const fn tunnel_connections() -> usize {
    10_000
}
