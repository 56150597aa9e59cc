//! What is counted about ports.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

type Text = &'static str;

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Port {
    port: Text,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Handshake {
    port: Text,
    result: Text,
}

/// Connections, failed accepts and handshakes, by port.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    connections: Family<Port, Gauge>,
    accept_errors: Family<Port, Counter>,
    handshakes: Family<Handshake, Counter>,
}

impl Ports {
    /// Shows them in a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("accept_errors", "Accepts that failed", self.accept_errors.clone());
        registry.register("handshakes", "TLS handshakes by result", self.handshakes.clone());
    }

    /// Counts a TLS handshake.
    pub fn handshake(&self, port: Text, done: bool) {
        let result = if done { "done" } else { "failed" };
        self.handshakes.get_or_create(&Handshake { port, result }).inc();
    }

    pub(crate) fn accept_error(&self, port: Text) {
        self.accept_errors.get_or_create(&Port { port }).inc();
    }

    pub(crate) fn connection(&self, port: Text) -> Open {
        let gauge = self.connections.get_or_create(&Port { port }).clone();
        gauge.inc();
        Open(gauge)
    }
}

/// Counts one connection for as long as it lives.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
