//! What the agent tells of itself, if it is given an admin port.

use std::sync::{Arc, Mutex, PoisonError};

use penstock_admin::Admin;
use penstock_link::Standing;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};
use serde_json::{Value, json};

use crate::{Config, state::State};

pub(crate) struct AgentAdmin<S> {
    config: Config,
    state: Arc<State>,
    standing: S,
    metrics: Mutex<Metrics>,
}

#[derive(Default)]
struct Metrics {
    registry: Registry,
    links: Gauge,
    dials: Counter,
    streams: Gauge,
    opened: Counter,
    refused: Counter,
    sent: Counter,
    received: Counter,
}

impl<S: Fn() -> Standing> AgentAdmin<S> {
    pub(crate) fn new(config: Config, state: Arc<State>, standing: S) -> Self {
        Self { config, state, standing, metrics: Mutex::new(Metrics::new()) }
    }
}

impl Metrics {
    fn new() -> Self {
        let mut metrics = Self { registry: Registry::with_prefix("penstock_agent"), ..Self::default() };
        let registry = &mut metrics.registry;
        registry.register("links", "Links that are up", metrics.links.clone());
        registry.register("dials", "Attempts to dial", metrics.dials.clone());
        registry.register("streams", "Open streams to targets", metrics.streams.clone());
        registry.register("targets_opened", "Targets that were opened", metrics.opened.clone());
        registry.register("targets_refused", "Targets that were not", metrics.refused.clone());
        registry.register_with_unit("sent", "Bytes to targets", Unit::Bytes, metrics.sent.clone());
        registry.register_with_unit("received", "Bytes from targets", Unit::Bytes, metrics.received.clone());
        metrics
    }
}

impl<S: Fn() -> Standing + Send + Sync + 'static> Admin for AgentAdmin<S> {
    fn metrics(&self) -> Option<String> {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let (standing, totals) = ((self.standing)(), self.state.totals());
        metrics.dials.inc_by(standing.dials.saturating_sub(metrics.dials.get()));
        metrics.links.set(i64::try_from(standing.links).unwrap_or(i64::MAX));
        metrics.streams.set(i64::try_from(totals.streams).unwrap_or(i64::MAX));
        for (counter, total) in [
            (&metrics.opened, totals.opened),
            (&metrics.refused, totals.refused),
            (&metrics.sent, totals.sent),
            (&metrics.received, totals.received),
        ] {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
        let mut text = String::new();
        encode(&mut text, &metrics.registry).ok().map(|()| text)
    }

    fn stats(&self) -> Value {
        json!({"state": (self.standing)(), "totals": self.state.totals()})
    }

    fn config(&self) -> Value {
        json!(self.config)
    }

    fn ready(&self) -> bool {
        (self.standing)().links > 0
    }
}
