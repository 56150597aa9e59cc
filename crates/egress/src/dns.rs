//! The DNS cache: one resolution at a time for each name, refreshed while it is used, served stale while the
//! resolver fails. Names that do not exist are kept apart, so that asking for them pushes out nobody.

mod absent;
mod hosts;
mod resolver;
mod stats;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{absent::Absent, hosts::Hosts};
pub(crate) use self::{
    resolver::{Fault, Hickory, Resolve, Resolved},
    stats::DnsStats,
};
use crate::config;

/// No answer is believed for longer, whatever its TTL.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Addresses of one name, never empty.
pub(crate) type Addresses = Arc<[IpAddr]>;

type Outcome = Result<Addresses, Fault>;

/// The cache. Dropped, it ends its tasks.
pub(crate) struct Dns {
    shared: Arc<Shared>,
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

struct Shared {
    config: config::Dns,
    resolver: Box<dyn Resolve>,
    fixed: HashMap<String, Addresses>,
    stats: Arc<DnsStats>,
    state: Mutex<State>,
    close: CancellationToken,
}

struct State {
    hosts: Hosts,
    absent: Absent,
    /// Names that are being resolved for somebody who waits.
    flights: HashMap<Arc<str>, watch::Receiver<Option<Outcome>>>,
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.shared.close.cancel();
    }
}

impl Dns {
    /// A cache that asks `resolver`; to be called inside a runtime, for it resolves some names at once.
    pub(crate) fn new(config: &config::Dns, resolver: Box<dyn Resolve>, stats: Arc<DnsStats>) -> Self {
        let fixed = config.static_hosts.iter().filter(|(_, addresses)| !addresses.is_empty());
        let fixed = fixed.map(|(host, addresses)| (normal(host), addresses.as_slice().into()));
        let state = State {
            hosts: Hosts::new(config.max_hosts),
            absent: Absent::new(config.max_hosts),
            flights: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            fixed: fixed.collect(),
            config: config.clone(),
            resolver,
            stats,
            state: Mutex::new(state),
            close: CancellationToken::new(),
        });
        for host in &config.preresolve {
            let host: Arc<str> = normal(host).into();
            let _resolving = Shared::begin(&shared, &mut shared.state(), &host, true);
        }
        Self { shared }
    }

    /// The addresses of a name, in the resolver's order.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) async fn lookup(&self, host: &Arc<str>) -> Outcome {
        let mut flight = match self.shared.start(host) {
            Ok(known) => return known,
            Err(flight) => flight,
        };
        let landed = flight.wait_for(Option::is_some).await;
        landed
            .ok()
            .and_then(|outcome| outcome.clone())
            .unwrap_or_else(|| Err(Fault::failed("the resolver stopped")))
    }

    /// What statistics show.
    #[cfg(test)]
    pub(crate) fn stats(&self) -> &DnsStats {
        &self.shared.stats
    }

    /// How many more resolutions may be under way.
    pub(crate) fn remaining(&self) -> u64 {
        u64::from(self.shared.config.max_pending_queries).saturating_sub(self.shared.stats.pending.get())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a name, or the resolution to wait for.
    fn start(self: &Arc<Self>, host: &Arc<str>) -> Result<Outcome, watch::Receiver<Option<Outcome>>> {
        if let Some(addresses) = self.fixed.get(host.as_ref()) {
            return Ok(Ok(Arc::clone(addresses)));
        }
        let now = Instant::now();
        let mut state = self.state();
        if let Some(addresses) = state.hosts.get(host, now) {
            return Ok(Ok(addresses));
        }
        if let Some(fault) = state.absent.get(host, now) {
            return Ok(Err(fault));
        }
        if let Some(flight) = state.flights.get(host) {
            return Err(flight.clone());
        }
        self.begin(&mut state, host, false).map_or_else(|fault| Ok(Err(fault)), Err)
    }

    /// Resolves in a task of its own: it goes on if whoever asked has gone.
    fn begin(
        self: &Arc<Self>,
        state: &mut State,
        host: &Arc<str>,
        pinned: bool,
    ) -> Result<watch::Receiver<Option<Outcome>>, Fault> {
        if !self.stats.pending.take(u64::from(self.config.max_pending_queries)) {
            self.stats.pending_overflow.add(1);
            return Err(Fault::Overflow);
        }
        let (sender, flight) = watch::channel(None);
        state.flights.insert(Arc::clone(host), flight.clone());
        let (shared, host) = (Arc::clone(self), Arc::clone(host));
        tokio::spawn(async move {
            let close = shared.close.clone();
            let keeping = async {
                let resolved = shared.resolve(&host).await;
                shared.stats.pending.give(1);
                let (outcome, kept) = shared.land(&host, resolved, pinned);
                sender.send_replace(Some(outcome));
                if let Some(evicted) = kept {
                    tokio::select! {
                        () = shared.keep(&host, pinned) => {}
                        () = evicted.cancelled() => {}
                    }
                }
            };
            tokio::select! {
                () = keeping => {}
                () = close.cancelled() => {}
            }
        });
        Ok(flight)
    }

    async fn resolve(&self, host: &str) -> Result<Resolved, Fault> {
        self.stats.query_attempt.add(1);
        let limit = match self.config.query_timeout_ms {
            0 => LONGEST,
            limit => Duration::from_millis(limit),
        };
        let resolved = timeout(limit, self.resolver.resolve(host)).await.unwrap_or(Err(Fault::Timeout));
        match &resolved {
            Ok(_) => self.stats.query_success.add(1),
            Err(fault) => {
                self.stats.query_failure.add(1);
                if *fault == Fault::Timeout {
                    self.stats.query_timeout.add(1);
                }
            }
        }
        resolved
    }

    /// Notes a first resolution; gives the sign by which an evicted host is told, if it was kept.
    fn land(
        &self,
        host: &Arc<str>,
        resolved: Result<Resolved, Fault>,
        pinned: bool,
    ) -> (Outcome, Option<CancellationToken>) {
        let now = Instant::now();
        let mut state = self.state();
        state.flights.remove(host);
        match resolved {
            Ok(Resolved { addresses, ttl }) => {
                let fresh = now + self.freshness(ttl);
                let added = state.hosts.add(host, &addresses, fresh + self.stale(), now, pinned);
                match &added {
                    Some(added) => {
                        self.stats.host_added.add(1);
                        self.stats.host_removed.add(added.evicted);
                    }
                    None => self.stats.host_overflow.add(1),
                }
                self.stats.hosts.set(state.hosts.len());
                (Ok(addresses), added.map(|added| added.removed))
            }
            Err(fault) => {
                state.absent.add(host, fault.clone(), now + self.absence(&fault));
                if !pinned {
                    return (Err(fault), None);
                }
                // It is kept trying: nobody may ask for it again by themselves.
                (Err(fault), Some(CancellationToken::new()))
            }
        }
    }

    /// Refreshes a host for as long as it is used.
    async fn keep(&self, host: &Arc<str>, pinned: bool) {
        let mut failures = 0;
        let mut next = self.first_refresh(host);
        loop {
            let unused = Duration::from_millis(self.config.host_ttl_ms);
            let forgotten = self.state().hosts.used(host).map(|used| used + unused);
            match forgotten.filter(|_| !pinned) {
                Some(forgotten) if forgotten < next => {
                    sleep_until(forgotten).await;
                    if self.forget(host, forgotten - unused) {
                        return;
                    }
                    continue;
                }
                _ => sleep_until(next).await,
            }
            next = match self.refresh(host, pinned).await {
                Ok(next) => {
                    failures = 0;
                    next
                }
                Err(true) => return,
                Err(false) => {
                    failures += 1;
                    Instant::now() + self.backoff(failures)
                }
            };
        }
    }

    /// Removes a host that nobody has used since; true if it is gone.
    fn forget(&self, host: &Arc<str>, used: Instant) -> bool {
        let mut state = self.state();
        if state.hosts.used(host).is_some_and(|now| now > used) {
            return false;
        }
        self.drop_host(&mut state, host);
        true
    }

    /// Asks again. An error says whether the host is gone.
    async fn refresh(&self, host: &Arc<str>, pinned: bool) -> Result<Instant, bool> {
        if !self.stats.pending.take(u64::from(self.config.max_pending_queries)) {
            self.stats.pending_overflow.add(1);
            return Err(false);
        }
        let resolved = self.resolve(host).await;
        self.stats.pending.give(1);
        let now = Instant::now();
        let mut state = self.state();
        match resolved {
            Ok(Resolved { addresses, ttl }) => {
                let fresh = now + self.freshness(ttl);
                let known = state.hosts.renew(host, &addresses, fresh + self.stale());
                if known.is_none() {
                    let _added = state.hosts.add(host, &addresses, fresh + self.stale(), now, pinned);
                }
                if known == Some(true) {
                    self.stats.host_address_changed.add(1);
                }
                state.absent.remove(host);
                self.stats.hosts.set(state.hosts.len());
                Ok(fresh)
            }
            Err(fault) => {
                // What does not exist any more is not served stale: only a resolver that fails is bridged.
                let gone = fault == Fault::NotFound || !state.hosts.is_usable(host, now);
                if gone {
                    self.drop_host(&mut state, host);
                    state.absent.add(host, fault.clone(), now + self.absence(&fault));
                }
                Err((gone || !self.config.refresh_on_failure) && !pinned)
            }
        }
    }

    fn drop_host(&self, state: &mut State, host: &Arc<str>) {
        if state.hosts.remove(host) {
            self.stats.host_removed.add(1);
        }
        self.stats.hosts.set(state.hosts.len());
    }

    fn first_refresh(&self, host: &Arc<str>) -> Instant {
        let until = self.state().hosts.until(host);
        until.map_or_else(|| Instant::now() + self.backoff(1), |until| until - self.stale())
    }

    fn freshness(&self, ttl: Option<Duration>) -> Duration {
        let ttl = ttl.unwrap_or(Duration::from_millis(self.config.refresh_ms));
        ttl.clamp(Duration::from_millis(self.config.min_refresh_ms.max(1)), LONGEST)
    }

    /// For how long past its freshness an answer is used: while it is refreshed, and while the resolver
    /// fails.
    fn stale(&self) -> Duration {
        Duration::from_millis(self.config.stale_ms).min(LONGEST)
    }

    fn absence(&self, fault: &Fault) -> Duration {
        match fault {
            Fault::NotFound => Duration::from_millis(self.config.negative_ttl_ms),
            _ => self.backoff(1),
        }
    }

    fn backoff(&self, failures: u32) -> Duration {
        let Some(backoff) = self.config.failure_backoff else {
            return Duration::from_millis(self.config.refresh_ms.max(1));
        };
        let grown = backoff.base_ms.max(1).saturating_mul(1 << failures.saturating_sub(1).min(20));
        Duration::from_millis(grown.min(backoff.max_ms.max(backoff.base_ms).max(1)))
    }
}

fn normal(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
