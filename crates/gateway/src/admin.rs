//! What the gateway tells of itself on the admin port.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use penstock_admin::Admin;
use serde_json::{Value, json};

use crate::shared::Shared;

pub(crate) struct GatewayAdmin(pub Arc<Shared>);

impl Admin for GatewayAdmin {
    fn metrics(&self) -> Option<String> {
        self.0.metrics.encode(&self.0).ok()
    }

    fn stats(&self) -> Value {
        let shared = &self.0;
        json!({
            "agents": shared.agents.snapshot(),
            "sessions": shared.sessions.snapshot(),
            "apps": shared.public.as_ref().map(|public| public.snapshot()),
            "client_links": shared.clients.len(),
            "recorder_queue": shared.recorder.stats().queued.load(Relaxed),
        })
    }

    fn config(&self) -> Value {
        json!(self.0.config)
    }

    fn ready(&self) -> bool {
        self.0.ready.get()
    }
}
