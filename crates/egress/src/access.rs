//! The access log: one JSON line per request and per tunnel.

mod time;
mod writer;

use std::{mem, net::SocketAddr, sync::Arc, time::Instant};

use serde::{Serialize, Serializer};

pub(crate) use writer::Writer;

use crate::meter::now_ms;

/// What became of one request or tunnel.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Access {
    /// When it came, RFC 3339 in UTC.
    #[serde(serialize_with = "time::rfc3339")]
    pub time: u64,
    /// `request`, `tunnel` or `upgrade`.
    pub kind: Kind,
    /// What a tunnel or an upgraded connection is called among the gateway's sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Arc<str>>,
    /// The listener's name.
    pub listener: Arc<str>,
    /// The caller's address.
    pub peer: SocketAddr,
    /// Who called; none before that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Arc<str>>,
    /// The method.
    pub method: String,
    /// `HOST:PORT` as asked for, or what of it could be read.
    pub requested: String,
    /// The path, without the query, which may hold secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The destination, if it is another than the one asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Arc<str>>,
    /// `PROFILE/RULE`, or `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// What became of it.
    pub verdict: Verdict,
    /// The status that the caller saw.
    pub status: u16,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The breaker, limit or budget that fired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fired: Option<String>,
    /// The resolved addresses; none if no name was resolved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<std::net::IpAddr>,
    /// The address that was dialled, or whose connection was used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Whether a connection was used again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
    /// The name in the tunnel's ClientHello.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// How often it was repeated.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Payload bytes from the caller.
    pub sent_bytes: u64,
    /// Payload bytes to the caller.
    pub received_bytes: u64,
    /// How long it took, by phase.
    pub timings: Timings,
    /// Since when.
    #[serde(skip)]
    pub(crate) since: Instant,
}

impl Access {
    /// A record of something that begins now.
    pub(crate) fn new(listener: Arc<str>, peer: SocketAddr, kind: Kind) -> Self {
        Self {
            time: now_ms(),
            kind,
            session: None,
            listener,
            peer,
            principal: None,
            method: String::new(),
            requested: String::new(),
            path: None,
            target: None,
            route: None,
            rule: None,
            verdict: Verdict::Allowed,
            status: 0,
            error: None,
            fired: None,
            resolved: Vec::new(),
            address: None,
            reused: false,
            sni: None,
            retries: 0,
            sent_bytes: 0,
            received_bytes: 0,
            timings: Timings::default(),
            since: Instant::now(),
        }
    }

    /// Takes the record of something that has ended.
    pub(crate) fn take(&mut self) -> Self {
        let empty = Self::new(Arc::clone(&self.listener), self.peer, self.kind);
        mem::replace(self, empty)
    }
}

/// What it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A request and its answer.
    Request,
    /// A CONNECT.
    Tunnel,
    /// A request that became another protocol.
    Upgrade,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// It passed.
    Allowed,
    /// A rule, a route or the address guard refused it.
    Denied,
    /// A rate limit, a budget or a breaker refused it.
    Limited,
    /// The caller is unknown.
    Unauthenticated,
    /// It could not be read.
    Malformed,
    /// It was allowed, and the destination failed.
    Failed,
    /// It was allowed, and cut before its end.
    Cut,
}

impl Verdict {
    /// As the log writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Limited => "limited",
            Self::Unauthenticated => "unauthenticated",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
            Self::Cut => "cut",
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Milliseconds, with fractions.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Timings {
    /// Resolving the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<f64>,
    /// Connecting, TLS included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<f64>,
    /// From sending the request to the head of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<f64>,
    /// All of it.
    pub total: f64,
}

/// Milliseconds since.
pub(crate) fn ms(since: Instant) -> f64 {
    // Microseconds are enough.
    let micros = u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1_000.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
