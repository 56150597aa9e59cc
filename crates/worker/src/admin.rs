//! What the worker tells of itself, if it is given an admin port.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use penstock_admin::Admin;
use penstock_link::Standing;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use serde_json::{Value, json};

use crate::Config;

pub(crate) struct WorkerAdmin<S> {
    config: Config,
    requests: Arc<AtomicU64>,
    standing: S,
    metrics: Mutex<Metrics>,
}

#[derive(Default)]
struct Metrics {
    registry: Registry,
    links: Gauge,
    dials: Counter,
    in_flight: Gauge,
    requests: Counter,
}

impl<S: Fn() -> Standing> WorkerAdmin<S> {
    pub(crate) fn new(config: Config, requests: Arc<AtomicU64>, standing: S) -> Self {
        Self { config, requests, standing, metrics: Mutex::new(Metrics::new()) }
    }
}

impl Metrics {
    fn new() -> Self {
        let mut metrics = Self { registry: Registry::with_prefix("penstock_worker"), ..Self::default() };
        let registry = &mut metrics.registry;
        registry.register("links", "Links that are up", metrics.links.clone());
        registry.register("dials", "Attempts to dial", metrics.dials.clone());
        registry.register("requests_in_flight", "Requests that are being served", metrics.in_flight.clone());
        registry.register("requests", "Requests since the start", metrics.requests.clone());
        metrics
    }
}

impl<S: Fn() -> Standing + Send + Sync + 'static> Admin for WorkerAdmin<S> {
    fn metrics(&self) -> Option<String> {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let (standing, requests) = ((self.standing)(), self.requests.load(Ordering::Relaxed));
        metrics.dials.inc_by(standing.dials.saturating_sub(metrics.dials.get()));
        metrics.links.set(i64::try_from(standing.links).unwrap_or(i64::MAX));
        metrics.in_flight.set(i64::try_from(standing.streams).unwrap_or(i64::MAX));
        metrics.requests.inc_by(requests.saturating_sub(metrics.requests.get()));
        let mut text = String::new();
        encode(&mut text, &metrics.registry).ok().map(|()| text)
    }

    fn stats(&self) -> Value {
        json!({"state": (self.standing)(), "requests": self.requests.load(Ordering::Relaxed)})
    }

    fn config(&self) -> Value {
        json!(self.config)
    }

    fn ready(&self) -> bool {
        (self.standing)().links > 0
    }
}
