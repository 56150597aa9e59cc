//! What all connections of a proxy share.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use penstock_http::{Lanes, Ports};
use penstock_relay::Buffers;
use tokio_util::sync::CancellationToken;

use crate::{
    access::{Access, Verdict, Writer, ms},
    callers::Asked,
    count::{Counter, Gauge},
    destinations::Destinations,
    dns::DnsStats,
    passage::Sink,
    snapshot::Snapshot,
    watch::Lines,
};

/// Shared state. What belongs to one configuration is in its [`Snapshot`].
pub(crate) struct Shared {
    pub snapshot: ArcSwap<Snapshot>,
    pub destinations: Destinations,
    pub dns_stats: Arc<DnsStats>,
    pub lines: Arc<Lines>,
    pub buffers: Buffers,
    pub counts: Counts,
    /// Where connections run, whichever port takes them.
    pub lanes: Lanes,
    pub ports: Ports,
    pub log: Writer,
    pub asked: Option<Asked>,
    pub sink: Option<Arc<dyn Sink>>,
    /// What we say in `Via`; a request that says it has come round.
    pub via: HeaderValue,
    /// Where we listen ourselves: no request may lead back.
    pub own: Mutex<Vec<SocketAddr>>,
    pub ready: AtomicBool,
    /// Cancelled to take no new work.
    pub drain: CancellationToken,
    /// Cancelled to end what runs.
    pub close: CancellationToken,
}

/// What callers have asked, under Envoy's names where it has them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub requests: Counter,
    pub allowed: Counter,
    pub denied: Counter,
    pub limited: Counter,
    pub unauthenticated: Counter,
    pub malformed: Counter,
    pub failed: Counter,
    pub cut: Counter,
    pub tunnels: Gauge,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// Notes how a request or tunnel ended.
    pub(crate) fn ended(&self, mut access: Access) {
        access.timings.total = ms(access.since);
        self.counts.of(access.verdict).add(1);
        if let (Some(sink), Some(session)) = (&self.sink, &access.session) {
            sink.ended(session, &access);
        }
        self.log.write(access);
    }

    /// Whether an address is one at which we listen.
    pub(crate) fn is_own(&self, address: SocketAddr) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.iter().any(|own| {
            own.port() == address.port()
                && (own.ip().to_canonical() == address.ip().to_canonical()
                    || (own.ip().is_unspecified() && address.ip().to_canonical().is_loopback()))
        })
    }

    /// Whether new work is welcome.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed) && !self.drain.is_cancelled()
    }
}

impl Counts {
    pub(crate) const fn of(&self, verdict: Verdict) -> &Counter {
        match verdict {
            Verdict::Allowed => &self.allowed,
            Verdict::Denied => &self.denied,
            Verdict::Limited => &self.limited,
            Verdict::Unauthenticated => &self.unauthenticated,
            Verdict::Malformed => &self.malformed,
            Verdict::Failed => &self.failed,
            Verdict::Cut => &self.cut,
        }
    }
}
