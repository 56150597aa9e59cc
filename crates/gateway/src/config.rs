//! What a gateway is told.

use std::{fmt, num::NonZeroUsize, path::PathBuf, time::Duration};

use ipnet::IpNet;
use penstock_http::Limits;
use penstock_link::Keepalive;
use serde::{Deserialize, Serialize};

/// The gateway's settings, as the Python side hands them over. Serialized, it holds no secret: `/config_dump`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// REST, web and gRPC, `HOST:PORT`.
    pub http_listen: String,
    /// gRPC, `HOST:PORT`.
    pub grpc_listen: String,
    /// Metrics and state, `HOST:PORT`.
    #[serde(default)]
    pub admin_listen: Option<String>,
    /// Networks of proxies that are believed about their callers, on every port but the forward proxy's.
    #[serde(default)]
    pub trusted: Vec<IpNet>,
    /// The unix socket of the API.
    pub api_socket: PathBuf,
    /// Without it the ports speak plaintext only.
    #[serde(default, skip_serializing)]
    pub tls: Option<Tls>,
    /// The port for links on mutual TLS; none without it.
    #[serde(default)]
    pub tunnel: Option<Tunnel>,
    /// The port of the published apps; none without it.
    #[serde(default)]
    pub public: Option<PublicPort>,
    /// The forward proxy; none without it. Its callers are the gateway's own.
    #[serde(default)]
    pub egress: Option<penstock_egress::Config>,
    /// Seconds of silence before a link is asked whether its peer lives.
    #[serde(default = "defaults::keepalive_seconds")]
    pub keepalive_seconds: u64,
    /// Seconds that a decision may take before it is a denial.
    #[serde(default = "defaults::ask_timeout_seconds")]
    pub ask_timeout_seconds: u64,
    /// Connections on one port at once.
    #[serde(default = "defaults::connections")]
    pub connections: usize,
    /// Seconds for each of handshake, first request and client start-up.
    #[serde(default = "defaults::handshake_seconds")]
    pub handshake_seconds: u64,
    /// Streams on a client's link at once.
    #[serde(default = "defaults::client_streams")]
    pub client_streams: u32,
    /// Header fields of a request.
    #[serde(default = "defaults::header_fields")]
    pub header_fields: usize,
    /// Bytes of a request's header list.
    #[serde(default = "defaults::header_bytes")]
    pub header_bytes: u32,
    /// Streams that a peer may reset on one connection or link in a minute.
    #[serde(default = "defaults::resets_per_minute")]
    pub resets_per_minute: u32,
    /// Bytes of an API request's body.
    #[serde(default = "defaults::body_bytes")]
    pub body_bytes: usize,
    /// Threads that write recordings.
    #[serde(default = "defaults::recorder_threads")]
    pub recorder_threads: NonZeroUsize,
    /// Bursts that wait for one of them at the most.
    #[serde(default = "defaults::recorder_queue")]
    pub recorder_queue: NonZeroUsize,
}

mod defaults {
    use std::num::NonZeroUsize;

    pub(super) const fn keepalive_seconds() -> u64 {
        15
    }
    pub(super) const fn ask_timeout_seconds() -> u64 {
        10
    }
    pub(super) const fn connections() -> usize {
        10_000
    }
    pub(super) const fn handshake_seconds() -> u64 {
        10
    }
    pub(super) const fn client_streams() -> u32 {
        1000
    }
    pub(super) const fn header_fields() -> usize {
        100
    }
    pub(super) const fn header_bytes() -> u32 {
        64 * 1024
    }
    pub(super) const fn resets_per_minute() -> u32 {
        1000
    }
    pub(super) const fn body_bytes() -> usize {
        1024 * 1024
    }
    pub(super) const fn recorder_threads() -> NonZeroUsize {
        NonZeroUsize::MIN.saturating_add(1)
    }
    pub(super) const fn recorder_queue() -> NonZeroUsize {
        NonZeroUsize::MIN.saturating_add(1023)
    }
}

impl Config {
    pub(crate) fn keepalive(&self) -> Keepalive {
        Keepalive { interval: Duration::from_secs(self.keepalive_seconds), ..Keepalive::default() }
    }

    /// What bounds the connections of 8009 and 8010, of the tunnel port and of the public one.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            connections: self.connections,
            handshake_seconds: self.handshake_seconds,
            header_fields: self.header_fields,
            header_bytes: self.header_bytes,
            resets_per_minute: self.resets_per_minute,
            trusted: self.trusted.clone(),
            ..Limits::default()
        }
    }

    pub(crate) const fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds)
    }

    pub(crate) const fn ask_timeout(&self) -> Duration {
        Duration::from_secs(self.ask_timeout_seconds)
    }
}

/// Carrier `tls`.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// `HOST:PORT`.
    pub listen: String,
    /// The chain in PEM, leaf first.
    #[serde(skip_serializing)]
    pub cert_pem: String,
    /// The key in PEM.
    #[serde(skip_serializing)]
    pub key_pem: String,
    /// The CA of the peers' certificates, in PEM.
    #[serde(skip_serializing)]
    pub client_ca_pem: String,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// The port of the published apps.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublicPort {
    /// `HOST:PORT`.
    pub listen: String,
    /// Without it the port speaks plaintext only.
    #[serde(default, skip_serializing)]
    pub tls: Option<Tls>,
}

/// A certificate and its key.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain in PEM, leaf first.
    pub cert_pem: String,
    /// The key in PEM.
    pub key_pem: String,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
