//! Breakers, outliers, retries, timeouts and limits. Names and defaults follow Envoy's where it has them.

use serde::{Deserialize, Serialize};

/// What protects destinations from too much.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Breakers {
    /// For all destinations together.
    pub overall: Thresholds,
    /// For each destination (host and port).
    pub destination: Thresholds,
}

/// How much at once; what comes beyond is answered 503 without touching the destination.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Connections, tunnels among them.
    pub connections: u32,
    /// Requests and tunnels that wait for a connection.
    pub pending: u32,
    /// Requests and tunnels under way.
    pub requests: u32,
    /// Repetitions under way; not looked at with a `retry_budget`.
    pub retries: u32,
    /// Repetitions as a share of the requests under way.
    pub retry_budget: Option<RetryBudget>,
    /// Whether statistics show what remains.
    pub track_remaining: bool,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            connections: 1024,
            pending: 1024,
            requests: 1024,
            retries: 3,
            retry_budget: None,
            track_remaining: false,
        }
    }
}

/// Repetitions as a share of the requests under way.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryBudget {
    /// The share in percent.
    pub percent: u32,
    /// So many are always allowed.
    pub min_concurrency: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { percent: 20, min_concurrency: 3 }
    }
}

/// When an address that fails is left alone. One of each destination is always left, so this never denies.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outliers {
    /// Failures in a row (connect failures, resets, 502, 503, 504) that eject an address; 0: never.
    pub consecutive_failures: u32,
    /// How long the first time; each further ejection in a row adds as much.
    pub base_ejection_ms: u64,
    /// How long at the most.
    pub max_ejection_ms: u64,
}

impl Default for Outliers {
    fn default() -> Self {
        Self { consecutive_failures: 5, base_ejection_ms: 30_000, max_ejection_ms: 300_000 }
    }
}

/// How often a request is repeated. Only what is safe is: what provably was not sent, and bodyless idempotent
/// requests whose connection broke before any answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// Repetitions after the first attempt; 0: none.
    pub attempts: u32,
    /// The first pause; it doubles, with full jitter.
    pub base_ms: u64,
    /// The longest pause.
    pub max_ms: u64,
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: 1, base_ms: 25, max_ms: 250 }
    }
}

/// How long each step may take; 0: any time, where it says so.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Until a destination accepts, over all its addresses.
    pub connect_ms: u64,
    /// Between attempts at two addresses of one destination (RFC 8305 §5).
    pub attempt_delay_ms: u64,
    /// TLS to a destination.
    pub tls_ms: u64,
    /// From the whole request to the head of the answer; 0: any time.
    pub response_ms: u64,
    /// For a request as a whole, its answer's body included; 0: any time.
    pub request_ms: u64,
    /// For which neither side of a request moves a byte; 0: any time.
    pub idle_ms: u64,
    /// For which neither side of a tunnel or an upgraded connection moves a byte; 0: any time.
    pub tunnel_idle_ms: u64,
    /// From the answer to CONNECT to the whole ClientHello, where one is required.
    pub client_hello_ms: u64,
    /// For which an upstream connection is kept for the next request.
    pub pool_idle_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect_ms: 5_000,
            attempt_delay_ms: 250,
            tls_ms: 10_000,
            response_ms: 60_000,
            request_ms: 0,
            idle_ms: 300_000,
            tunnel_idle_ms: 3_600_000,
            client_hello_ms: 10_000,
            pool_idle_ms: 60_000,
        }
    }
}

/// What bounds callers and memory.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections of callers at once, on each listener.
    pub connections: usize,
    /// Seconds for each of handshake and request head.
    pub handshake_seconds: u64,
    /// Header fields of a request or an answer.
    pub header_fields: usize,
    /// Bytes of a request's or an answer's header list.
    pub header_bytes: u32,
    /// HTTP/2 streams of a caller's connection at once.
    pub streams: u32,
    /// HTTP/2 streams that a caller may reset on one connection in a minute.
    pub resets_per_minute: u32,
    /// Idle upstream connections kept for each destination. They count as connections of the breakers, and make
    /// room when those would open.
    pub pool_idle_connections: usize,
    /// Destinations whose breakers and outliers are tracked at once; idle ones make room.
    pub destinations: usize,
    /// Destinations with series of their own in `/metrics` and `/stats`; the rest is summed as `other`.
    pub series: usize,
    /// Callers and destinations whose rates and budgets are tracked at once; when it is full, unknown ones
    /// are refused.
    pub counters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            handshake_seconds: 10,
            header_fields: 100,
            header_bytes: 64 * 1024,
            streams: 100,
            resets_per_minute: 1000,
            pool_idle_connections: 256,
            destinations: 10_000,
            series: 100,
            counters: 100_000,
        }
    }
}
