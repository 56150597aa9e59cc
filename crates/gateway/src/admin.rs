//! What the gateway tells of itself on the admin port.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use penstock_admin::Admin;
use penstock_egress::Egress;
use serde_json::{Value, json};

use crate::shared::Shared;

pub(crate) struct GatewayAdmin {
    pub shared: Arc<Shared>,
    pub egress: Option<Arc<Egress>>,
}

impl Admin for GatewayAdmin {
    fn metrics(&self) -> Option<String> {
        let metrics = self.shared.metrics.encode(&self.shared).ok()?;
        let Some(egress) = &self.egress else { return Some(metrics) };
        // OpenMetrics ends once.
        let before = metrics.strip_suffix("# EOF\n").unwrap_or(&metrics);
        Some(format!("{before}{}", egress.metrics()?))
    }

    fn stats(&self) -> Value {
        let shared = &self.shared;
        json!({
            "agents": shared.agents.snapshot(),
            "sessions": shared.sessions.snapshot(),
            "apps": shared.public.as_ref().map(|public| public.snapshot()),
            "client_links": shared.clients.len(),
            "egress": self.egress.as_ref().map(|egress| egress.stats()),
            "recorder_queue": shared.recorder.stats().queued.load(Relaxed),
        })
    }

    fn config(&self) -> Value {
        let mut dump = json!(self.shared.config);
        if let (Some(egress), Some(fields)) = (&self.egress, dump.as_object_mut()) {
            fields.insert("egress".into(), egress.config());
        }
        dump
    }

    fn ready(&self) -> bool {
        self.shared.ready.get()
    }
}
