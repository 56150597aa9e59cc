//! What the worker tells of itself, if it is given an admin port.

use std::sync::{Arc, Mutex, PoisonError};

use penstock_admin::Admin;
use penstock_link::Standing;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use serde_json::{Value, json};

use crate::{Config, counts::Counts};

pub(crate) struct WorkerAdmin<S> {
    config: Config,
    counts: Arc<Counts>,
    standing: S,
    metrics: Mutex<Metrics>,
}

#[derive(Default)]
struct Metrics {
    registry: Registry,
    links: Gauge,
    in_flight: Gauge,
    requests: Counter,
}

impl<S: Fn() -> Standing> WorkerAdmin<S> {
    pub(crate) fn new(config: Config, counts: Arc<Counts>, standing: S) -> Self {
        Self { config, counts, standing, metrics: Mutex::new(Metrics::new()) }
    }
}

impl Metrics {
    fn new() -> Self {
        let mut metrics = Self { registry: Registry::with_prefix("penstock_worker"), ..Self::default() };
        let registry = &mut metrics.registry;
        registry.register("links", "Links that are up", metrics.links.clone());
        registry.register("requests_in_flight", "Requests that are being served", metrics.in_flight.clone());
        registry.register("requests", "Requests since the start", metrics.requests.clone());
        metrics
    }
}

impl<S: Fn() -> Standing + Send + Sync + 'static> Admin for WorkerAdmin<S> {
    fn metrics(&self) -> Option<String> {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.links.set(i64::try_from((self.standing)().links).unwrap_or(i64::MAX));
        metrics.in_flight.set(i64::try_from(self.counts.in_flight()).unwrap_or(i64::MAX));
        metrics.requests.inc_by(self.counts.begun().saturating_sub(metrics.requests.get()));
        let mut text = String::new();
        encode(&mut text, &metrics.registry).ok().map(|()| text)
    }

    fn stats(&self) -> Value {
        json!({
            "state": (self.standing)(),
            "requests": {"begun": self.counts.begun(), "in_flight": self.counts.in_flight()},
        })
    }

    fn config(&self) -> Value {
        json!(self.config)
    }

    fn ready(&self) -> bool {
        (self.standing)().links > 0
    }
}
