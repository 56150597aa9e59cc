//! Prometheus metrics with bounded labels: roles, ports, protocols and statuses, never names.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use penstock_domain::Status;
use penstock_http::Ports;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{public::Public, shared::Shared};

type Text = &'static str;

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Ended {
    protocol: Text,
    status: Text,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct From {
    from: Text,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Role {
    role: Text,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Asked {
    question: Text,
}

type Histograms = Family<Asked, Histogram, fn() -> Histogram>;

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    pub ports: Ports,
    links_opened: Family<Role, Counter>,
    sessions_ended: Family<Ended, Counter>,
    bytes: Family<From, Counter>,
    statements: Counter,
    decisions: Histograms,
    live: Gauges,
}

/// What is read at scrape time from where it is known.
#[derive(Default)]
struct Gauges {
    sessions: Gauge,
    unlisted: Counter,
    links: Family<Role, Gauge>,
    streams: Gauge,
    queued: Gauge,
    records: Counter,
    record_bytes: Counter,
    record_failures: Counter,
    ready: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn new(public: Option<&Public>) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("penstock"),
            ports: Ports::default(),
            links_opened: Family::default(),
            sessions_ended: Family::default(),
            bytes: Family::default(),
            statements: Counter::default(),
            decisions: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 4.0, 8))),
            live: Gauges::default(),
        };
        metrics.register_counters();
        metrics.register_gauges();
        if let Some(public) = public {
            public.ingress.metrics().register(&mut metrics.registry);
        }
        metrics
    }

    fn register_counters(&mut self) {
        let registry = &mut self.registry;
        self.ports.register(registry);
        registry.register("links_opened", "Links that were accepted", self.links_opened.clone());
        registry.register("sessions_ended", "Sessions that ended", self.sessions_ended.clone());
        registry.register_with_unit("session", "Bytes of ended sessions", Unit::Bytes, self.bytes.clone());
        registry.register("statements", "Statements of ended sessions", self.statements.clone());
        let decisions = self.decisions.clone();
        registry.register_with_unit("decision", "Time that decisions took", Unit::Seconds, decisions);
    }

    fn register_gauges(&mut self) {
        let (registry, live) = (&mut self.registry, &self.live);
        registry.register("sessions", "Live sessions", live.sessions.clone());
        let unlisted = "Tunnels that were over before the store heard of them: the access log has them";
        registry.register("egress_unlisted", unlisted, live.unlisted.clone());
        registry.register("links", "Links that are up", live.links.clone());
        registry.register("agent_streams", "Streams on agents' links", live.streams.clone());
        registry.register("recorder_queue", "Bursts that wait for the recorder", live.queued.clone());
        registry.register("recorder_records", "Records written", live.records.clone());
        registry.register("recorder_failures", "Bursts or files that failed", live.record_failures.clone());
        let bytes = live.record_bytes.clone();
        registry.register_with_unit("recorder_written", "Bytes written", Unit::Bytes, bytes);
        registry.register("ready", "1 while new work is welcome", live.ready.clone());
    }

    pub(crate) fn link_opened(&self, role: Text) {
        self.links_opened.get_or_create(&Role { role }).inc();
    }

    pub(crate) fn asked(&self, question: Text, took: Duration) {
        self.decisions.get_or_create(&Asked { question }).observe(took.as_secs_f64());
    }

    pub(crate) fn session_ended(
        &self,
        protocol: Text,
        status: Status,
        client: u64,
        upstream: u64,
        statements: u64,
    ) {
        let status = match status {
            Status::Closed => "closed",
            Status::Killed => "killed",
            Status::Expired => "expired",
            Status::Failed => "failed",
        };
        self.sessions_ended.get_or_create(&Ended { protocol, status }).inc();
        self.bytes.get_or_create(&From { from: "client" }).inc_by(client);
        self.bytes.get_or_create(&From { from: "upstream" }).inc_by(upstream);
        self.statements.inc_by(statements);
    }

    /// The OpenMetrics text of this moment.
    pub(crate) fn encode(&self, shared: &Shared) -> Result<String, fmt::Error> {
        self.refresh(shared);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn refresh(&self, shared: &Shared) {
        let agents = shared.agents.snapshot();
        let links = agents.values().map(|agent| agent.links).sum();
        let recorder = shared.recorder.stats();
        self.live.sessions.set(gauge(shared.sessions.len() + shared.passages.open()));
        self.live.unlisted.inc_by(shared.passages.unlisted().saturating_sub(self.live.unlisted.get()));
        self.live.links.get_or_create(&Role { role: "agent" }).set(gauge(links));
        self.live.links.get_or_create(&Role { role: "client" }).set(gauge(shared.clients.len()));
        self.live.streams.set(gauge(agents.values().map(|agent| agent.streams).sum()));
        self.live.queued.set(i64::try_from(recorder.queued.load(Relaxed)).unwrap_or(i64::MAX));
        catch_up(&self.live.records, &recorder.records);
        catch_up(&self.live.record_bytes, &recorder.bytes);
        catch_up(&self.live.record_failures, &recorder.failures);
        self.live.ready.set(i64::from(shared.ready.get()));
    }
}

/// Scrapes come one after the other: the admin runtime has one thread.
fn catch_up(counter: &Counter, total: &AtomicU64) {
    counter.inc_by(total.load(Relaxed).saturating_sub(counter.get()));
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
