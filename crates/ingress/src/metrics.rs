//! What is counted about published requests. Labels are bounded: status classes, and groups up to a number.

use std::{collections::HashMap, fmt, sync::Mutex, time::Duration};

use http::StatusCode;
use penstock_http::Ports;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Groups that are told apart; further ones count as `other`.
const GROUPS: usize = 100;

/// Status classes, the first for what has no status of HTTP.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct OfGroup {
    group: String,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Answered {
    group: String,
    class: &'static str,
}

/// Everything that is counted, by group.
pub struct Metrics {
    /// Of the public and the tunnel ports.
    pub ports: Ports,
    requests: Family<Answered, Counter>,
    in_flight: Family<OfGroup, Gauge>,
    heads: Family<OfGroup, Histogram, fn() -> Histogram>,
    retries: Family<OfGroup, Counter>,
    waits: Family<OfGroup, Counter>,
    workers: Family<OfGroup, Gauge>,
    links: Family<OfGroup, Gauge>,
    groups: Mutex<HashMap<String, GroupMetrics>>,
}

/// The counters of one group, found once.
#[derive(Clone, Debug)]
pub(crate) struct GroupMetrics {
    requests: [Counter; CLASSES.len()],
    pub in_flight: Gauge,
    heads: Histogram,
    pub retries: Counter,
    pub waits: Counter,
    pub workers: Gauge,
    pub links: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            ports: Ports::default(),
            requests: Family::default(),
            in_flight: Family::default(),
            heads: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 4.0, 8))),
            retries: Family::default(),
            waits: Family::default(),
            workers: Family::default(),
            links: Family::default(),
            groups: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Shows them in a registry; the ports are left to whoever owns them.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("public");
        registry.register("requests", "Requests by the class of their status", self.requests.clone());
        registry.register("in_flight", "Requests that are being served", self.in_flight.clone());
        let heads = self.heads.clone();
        registry.register_with_unit("head", "Time until the head of an answer", Unit::Seconds, heads);
        registry.register("retries", "Further attempts at a request", self.retries.clone());
        registry.register("waits", "Requests that waited for a worker", self.waits.clone());
        registry.register("workers", "Workers that are attached", self.workers.clone());
        registry.register("links", "Links of workers", self.links.clone());
    }

    /// The counters of a group.
    pub(crate) fn group(&self, name: &str) -> GroupMetrics {
        let mut groups = self.groups.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = groups.get(name) {
            return known.clone();
        }
        let label = if groups.len() < GROUPS { name } else { "other" };
        let metrics = self.of(label);
        if label == name {
            groups.insert(name.to_owned(), metrics.clone());
        }
        metrics
    }

    fn of(&self, group: &str) -> GroupMetrics {
        let label = OfGroup { group: group.to_owned() };
        GroupMetrics {
            requests: CLASSES.map(|class| {
                self.requests.get_or_create(&Answered { group: group.to_owned(), class }).clone()
            }),
            in_flight: self.in_flight.get_or_create(&label).clone(),
            heads: self.heads.get_or_create(&label).clone(),
            retries: self.retries.get_or_create(&label).clone(),
            waits: self.waits.get_or_create(&label).clone(),
            workers: self.workers.get_or_create(&label).clone(),
            links: self.links.get_or_create(&label).clone(),
        }
    }
}

impl GroupMetrics {
    /// Counts a request whose caller left before its answer.
    pub(crate) fn left(&self) {
        if let Some(counter) = self.requests.first() {
            counter.inc();
        }
    }

    /// Counts a request's answer.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100);
        if let Some(counter) = self.requests.get(class).or(self.requests.first()) {
            counter.inc();
        }
        self.heads.observe(took.as_secs_f64());
    }
}
