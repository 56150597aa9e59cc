//! The worker driver: it dials a proxy and serves what comes back, with an [`App`].

mod admin;
mod config;
mod forward;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use penstock_admin::Port;
use penstock_domain::Error;
use penstock_link::{Dialling, Incoming, Keepalive, Links, Standing};
use tokio::runtime::Handle;

pub use config::{Config, Flavour};
pub use forward::Forward;

use crate::admin::WorkerAdmin;

/// What serves the requests of a worker.
pub trait App: Clone + Send + Sync + 'static {
    /// Serves one request. Dropping [`Incoming`] unanswered resets its stream.
    fn serve(&self, incoming: Incoming) -> impl Future<Output = ()> + Send + 'static;
}

/// A running worker.
#[derive(Debug)]
pub struct Worker(Links);

impl Worker {
    /// Starts dialling; to be called inside a runtime. It redials for ever. The admin port, if one is set, runs on
    /// `admin`.
    ///
    /// # Errors
    /// What is wrong with the configuration; an admin port that is taken.
    pub fn start(config: &Config, app: impl App, admin: &Handle) -> Result<Self, Error> {
        let dialling = Dialling {
            dialler: config.dialler()?,
            peer: "proxy",
            links: config.connections,
            streams: config.streams,
            keepalive: Keepalive {
                interval: Duration::from_secs(config.keepalive_seconds),
                ..Keepalive::default()
            },
        };
        let port = config.admin_listen.as_deref().map(Port::bind).transpose()?;
        let requests = Arc::<AtomicU64>::default();
        let counting = Arc::clone(&requests);
        let links = dialling.start(move |incoming| {
            counting.fetch_add(1, Ordering::Relaxed);
            let app = app.clone();
            async move { app.serve(incoming).await }
        });
        if let Some(port) = port {
            let told = WorkerAdmin::new(config.clone(), requests, links.watch());
            port.serve(admin, Arc::new(told), links.close());
        }
        Ok(Self(links))
    }

    /// Resolves once every link has been up.
    pub async fn ready(&self) {
        self.0.ready().await;
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> Standing {
        self.0.standing()
    }

    /// Says GOAWAY, lets the requests that are in flight finish for `grace`, then closes. Says whether all finished.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.0.shutdown(grace).await
    }
}
