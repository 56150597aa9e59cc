//! What the proxy tells of itself on its admin port.

use std::sync::Arc;

use penstock_admin::Admin;
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::{Value, json};

use crate::{config::Thresholds, shared::Shared, stats::Stats};

pub(crate) struct EgressAdmin(pub Arc<Shared>);

impl Admin for EgressAdmin {
    fn metrics(&self) -> Option<String> {
        let mut registry = Registry::with_prefix("penstock_egress");
        self.0.ports.register(&mut registry);
        let mut ports = String::new();
        encode(&mut ports, &registry).ok()?;
        // OpenMetrics ends once.
        Some(format!("{}{ports}", Stats::of(&self.0).open_metrics()))
    }

    fn stats(&self) -> Value {
        json!(Stats::of(&self.0).by_name())
    }

    fn config(&self) -> Value {
        let snapshot = self.0.snapshot.load();
        let mut dump = serde_json::to_value(&snapshot.config).unwrap_or_default();
        if let Some(fields) = dump.as_object_mut() {
            fields.insert("configs".into(), json!([clusters(&snapshot.config)]));
        }
        dump
    }

    fn ready(&self) -> bool {
        self.0.is_ready()
    }
}

/// The destinations' breakers where users of Envoy's admin interface look for them.
fn clusters(config: &crate::Config) -> Value {
    let threshold = |limits: &Thresholds| {
        json!({
            "max_connections": limits.connections,
            "max_pending_requests": limits.pending,
            "max_requests": limits.requests,
            "max_retries": limits.retries,
            "track_remaining": limits.track_remaining,
        })
    };
    let seconds = |ms: u64| format!("{}s", std::time::Duration::from_millis(ms).as_secs_f64());
    json!({
        "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
        "dynamic_active_clusters": [{
            "cluster": {
                "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                "name": format!("solo_io_generated_dfp:{}", config.dns.name),
                "connect_timeout": seconds(config.timeouts.connect_ms),
                "lb_policy": "CLUSTER_PROVIDED",
                "circuit_breakers": {
                    "thresholds": [threshold(&config.breakers.overall)],
                    "per_host_thresholds": [threshold(&config.breakers.destination)],
                },
            },
        }],
    })
}
