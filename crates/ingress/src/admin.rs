//! What a proxy tells of itself on the admin port.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use penstock_admin::Admin;
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::{Value, json};

use crate::{Config, Ingress};

pub(crate) struct ProxyAdmin {
    ingress: Ingress,
    config: Config,
    ready: Arc<AtomicBool>,
    registry: Registry,
}

impl ProxyAdmin {
    pub(crate) fn new(ingress: Ingress, config: Config, ready: Arc<AtomicBool>) -> Self {
        let mut registry = Registry::with_prefix("penstock");
        ingress.metrics().ports.register(&mut registry);
        ingress.metrics().register(&mut registry);
        Self { ingress, config, ready, registry }
    }
}

impl Admin for ProxyAdmin {
    fn metrics(&self) -> Option<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry).ok().map(|()| text)
    }

    fn stats(&self) -> Value {
        json!({ "workers": self.ingress.workers(), "in_flight": self.ingress.in_flight() })
    }

    fn config(&self) -> Value {
        json!(self.config)
    }

    fn ready(&self) -> bool {
        self.ready.load(Relaxed)
    }
}
