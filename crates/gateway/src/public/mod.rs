//! The public port: published apps, served by workers that dialled the tunnel port.

mod apps;
mod challenge;
mod credential;
mod door;
mod port;
mod visit;
mod visitors;

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use penstock_domain::Error;
use penstock_ingress::{Forwarding, Ingress, Watch, WorkerState};
use serde::Serialize;
use tokio::sync::Semaphore;

pub use self::apps::{App, Route};
pub(crate) use self::port::{bind, serve};
use self::{apps::Apps, visitors::Visitors};
use crate::Config;

/// Decisions about visitors that are asked for at once; more wait. Guessers of tokens shall not starve sessions.
const ASKING: usize = 64;

/// The apps, their workers, and who may enter.
pub(crate) struct Public {
    pub ingress: Ingress,
    pub visitors: Visitors,
    apps: ArcSwap<Apps>,
    asking: Semaphore,
}

/// An app with at least one worker's link up.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AppState {
    /// Workers that are attached.
    pub workers: usize,
    /// Their links.
    pub links: usize,
    /// Requests that they serve at this moment.
    pub requests: usize,
}

impl Public {
    pub(crate) fn new(config: &Config) -> Self {
        let settings = Forwarding {
            keepalive_seconds: config.keepalive_seconds,
            handshake_seconds: config.handshake_seconds,
            access_log: true,
            ..Forwarding::default()
        };
        Self {
            ingress: Ingress::new(settings, Arc::new(Audit), None),
            visitors: Visitors::default(),
            apps: ArcSwap::default(),
            asking: Semaphore::new(ASKING),
        }
    }

    /// These are all apps from now on. Links of those that are gone end.
    pub(crate) fn publish(&self, apps: Vec<App>) -> Result<(), Error> {
        let apps = Arc::new(Apps::new(apps));
        self.ingress.publish_only(&apps.table())?;
        let before = self.apps.swap(Arc::clone(&apps));
        for gone in before.without(&apps) {
            let links = self.ingress.end(&gone.name, None);
            tracing::info!(target: "penstock::public", app = gone.name, links, "app gone");
        }
        self.visitors.forget();
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<String, AppState> {
        let mut states: BTreeMap<String, AppState> = BTreeMap::new();
        for worker in self.ingress.workers() {
            let state = states.entry(worker.group).or_default();
            state.workers += 1;
            state.links += worker.links;
            state.requests += worker.in_flight;
        }
        states
    }
}

/// Workers that come and go, in the log.
struct Audit;

impl Watch for Audit {
    fn attached(&self, worker: &WorkerState) {
        let WorkerState { name, group: app, fingerprint, .. } = worker;
        tracing::info!(target: "penstock::public", worker = name, app, fingerprint, "worker attached");
    }

    fn detached(&self, worker: &WorkerState) {
        let WorkerState { name, group: app, fingerprint, requests, .. } = worker;
        tracing::info!(target: "penstock::public", worker = name, app, fingerprint, requests, "worker detached");
    }
}
