//! What bounds the connections of a port.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The limits of one port (design §8).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Seconds for the PROXY header, for the TLS handshake, and for the first request.
    pub handshake_seconds: u64,
    /// Seconds for each request head after the first, the silence before it included. Longer than the idle timeout
    /// of a load balancer in front, so that it is the balancer that closes.
    pub idle_seconds: u64,
    /// Header fields of a request.
    pub header_fields: usize,
    /// Bytes of a request's header list.
    pub header_bytes: u32,
    /// Streams of one HTTP/2 connection at once.
    pub streams: u32,
    /// Streams that a peer may reset on one connection in a minute.
    pub resets_per_minute: u32,
    /// Networks of load balancers that begin each connection with a PROXY header. Others are served without.
    pub proxy_protocol: Vec<IpNet>,
    /// Networks of proxies that are believed about their callers, by a PROXY header or by what each request says.
    pub trusted: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            handshake_seconds: 10,
            idle_seconds: 75,
            header_fields: 100,
            header_bytes: 64 * 1024,
            streams: 100,
            resets_per_minute: 1000,
            proxy_protocol: Vec::new(),
            trusted: Vec::new(),
        }
    }
}

impl Limits {
    pub(crate) const fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds)
    }

    pub(crate) const fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }
}
