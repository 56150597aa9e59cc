//! The DNS cache. Names and defaults follow Envoy's `DnsCacheConfig`.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

/// How names are resolved and kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// The cache's name in statistics: `dns_cache.NAME.*`.
    pub name: String,
    /// Which addresses are asked for and used.
    pub family: Family,
    /// A host that nobody asked for in this time is forgotten.
    pub host_ttl_ms: u64,
    /// When an answer that names no TTL is refreshed, and one that failed if `failure_backoff` is none.
    pub refresh_ms: u64,
    /// No answer is refreshed sooner, whatever its TTL.
    pub min_refresh_ms: u64,
    /// Whether hosts that fail to refresh are tried again by themselves.
    pub refresh_on_failure: bool,
    /// How failures are tried again; none: every `refresh_ms`.
    pub failure_backoff: Option<Backoff>,
    /// Hosts kept. When it is full, the one that was asked for longest ago makes room, also if a connection to
    /// it is open; those of `preresolve` never do. Names that do not exist are kept apart and never take a
    /// place here.
    pub max_hosts: usize,
    /// How long a name that does not exist is remembered at the most.
    pub negative_ttl_ms: u64,
    /// How long one resolution may take; 0: any time.
    pub query_timeout_ms: u64,
    /// Resolutions under way at once; more are refused.
    pub max_pending_queries: u32,
    /// How long after its expiry an answer is still used while the resolver fails; 0: not at all.
    pub stale_ms: u64,
    /// Hosts that are resolved at start and kept for good.
    pub preresolve: Vec<String>,
    /// Hosts that are never asked for. The guard holds for their addresses, too.
    pub static_hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Whom to ask; empty: as `/etc/resolv.conf` says.
    pub resolvers: Vec<Resolver>,
    /// Whether names without a final dot are also tried under the search domains of `/etc/resolv.conf`.
    pub search: bool,
    /// Whether `/etc/hosts` is read.
    pub hosts_file: bool,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            name: "egress".into(),
            family: Family::All,
            host_ttl_ms: 300_000,
            refresh_ms: 60_000,
            min_refresh_ms: 5_000,
            refresh_on_failure: true,
            failure_backoff: Some(Backoff { base_ms: 1_000, max_ms: 10_000 }),
            max_hosts: 1024,
            negative_ttl_ms: 5_000,
            query_timeout_ms: 5_000,
            max_pending_queries: 1024,
            stale_ms: 3_600_000,
            preresolve: Vec::new(),
            static_hosts: BTreeMap::new(),
            resolvers: Vec::new(),
            search: false,
            hosts_file: true,
        }
    }
}

/// Which addresses are asked for and used.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Family {
    /// IPv6; IPv4 only where there is none.
    Auto,
    /// IPv4 only.
    V4Only,
    /// IPv6 only.
    V6Only,
    /// IPv4; IPv6 only where there is none.
    V4Preferred,
    /// Both, raced (RFC 8305).
    All,
}

/// Growing pauses.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// The first.
    pub base_ms: u64,
    /// The longest.
    pub max_ms: u64,
}

/// A name server.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Resolver {
    /// Its address and port.
    pub address: SocketAddr,
    /// How to speak to it.
    #[serde(default)]
    pub transport: Transport,
    /// The name that its certificate must show; needed for TLS.
    #[serde(default)]
    pub tls_name: Option<String>,
}

/// How to speak to a name server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// UDP, and TCP where an answer is cut.
    #[default]
    Udp,
    /// TCP only.
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
}
