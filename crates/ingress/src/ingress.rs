//! Workers on one side, requests on the other: what a standalone proxy and the gateway share.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use arc_swap::ArcSwap;
use penstock_domain::Error;
use penstock_link::{Link, tls::Certificate};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Attachment, DEFAULT_GROUP, Forwarding, Metrics, RouteConfig, Routes, Select, Table, Watch, WorkerState,
    budget::Budget, heard::heard, workers::Workers,
};

/// How long a connection may take to close in order.
const CLOSING: Duration = Duration::from_secs(2);

/// Groups of workers, the routes to them, and what passes requests on. Clones share it.
#[derive(Clone)]
pub struct Ingress(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub settings: Forwarding,
    pub metrics: Arc<Metrics>,
    pub routes: ArcSwap<Routes>,
    pub workers: Arc<Workers>,
    pub select: Option<Arc<dyn Select>>,
    pub budget: Budget,
    /// Requests that wait for a worker.
    pub waiting: AtomicUsize,
    /// Requests that are being served, upgraded ones included.
    pub flights: TaskTracker,
    /// Links are let go.
    leave: CancellationToken,
    /// Everything ends.
    pub close: CancellationToken,
}

impl Ingress {
    /// Without routes: [`Ingress::publish`] brings them. `watch` hears of workers, `select` chooses for the groups
    /// whose selector is custom.
    #[must_use]
    pub fn new(settings: Forwarding, watch: Arc<dyn Watch>, select: Option<Arc<dyn Select>>) -> Self {
        let metrics = Arc::new(Metrics::default());
        let workers = Workers::new(watch, Arc::clone(&metrics), settings.streams);
        Self(Arc::new(Inner {
            settings,
            metrics,
            routes: ArcSwap::default(),
            workers: Arc::new(workers),
            select,
            budget: Budget::default(),
            waiting: AtomicUsize::new(0),
            flights: TaskTracker::new(),
            leave: CancellationToken::new(),
            close: CancellationToken::new(),
        }))
    }

    /// These are all routes and groups from now on. Requests that are being served stay where they are.
    ///
    /// # Errors
    /// What is wrong with a route; the old ones stay.
    pub fn publish(&self, table: &Table) -> Result<(), Error> {
        let everything = [RouteConfig::everything(DEFAULT_GROUP)];
        let configs = if table.routes.is_empty() { &everything } else { table.routes.as_slice() };
        self.publish_routes(configs, table)
    }

    /// [`Ingress::publish`], where no routes means that nothing is published.
    ///
    /// # Errors
    /// What is wrong with a route; the old ones stay.
    pub fn publish_only(&self, table: &Table) -> Result<(), Error> {
        self.publish_routes(&table.routes, table)
    }

    fn publish_routes(&self, configs: &[RouteConfig], table: &Table) -> Result<(), Error> {
        let routes = Routes::new(configs, |name| self.0.workers.group(name))?;
        self.0.workers.serve(&table.groups);
        self.0.routes.store(Arc::new(routes));
        Ok(())
    }

    /// Adds a link that is up to its worker, who serves for `group`.
    ///
    /// # Errors
    /// [`penstock_domain::Code::Forbidden`] if the certificate was revoked here.
    pub fn attach(&self, link: Link, certificate: Certificate, group: &str) -> Result<Attachment, Error> {
        self.0.workers.attach(link, certificate, group)
    }

    /// Runs a worker's connection as a link until it ends: the bytes that an acceptor gave, whoever accepted them.
    /// Cancelling `close` ends it at once.
    ///
    /// # Errors
    /// Why there is no link, for the log.
    pub async fn carry<T>(
        &self,
        bytes: T,
        certificate: Certificate,
        group: &str,
        peer: SocketAddr,
        close: &CancellationToken,
    ) -> Result<(), String>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (bytes, word) = heard(bytes);
        let settings = &self.0.settings;
        let link = Link::start(bytes, settings.keepalive()).await?;
        // A link is one once the worker has spoken HTTP/2: whoever only connects is given no requests.
        tokio::select! {
            heard = timeout(settings.handshake(), word.heard.cancelled()) => {
                heard.map_err(|_| "no HTTP/2 in time".to_owned())?;
            }
            () = link.lost() => return Err("the connection ended before its first frame".into()),
        }
        let name = certificate.names.first().cloned().unwrap_or_default();
        let attachment = self.attach(link, certificate, group).map_err(|error| error.to_string())?;
        tracing::info!(target: "penstock::link", worker = name, group, %peer, "worker's link up");
        attachment.hold(&self.0.leave, close).await;
        tracing::info!(target: "penstock::link", worker = name, group, %peer, "worker's link down");
        // Requests may still be on it; it closes when they have ended.
        tokio::select! {
            () = word.over.cancelled() => {}
            () = self.0.close.cancelled() => {
                // What was told to go is gone at once, unless the peer does not read.
                let _closed = timeout(CLOSING, word.over.cancelled()).await;
            }
        }
        Ok(())
    }

    /// Every worker that is attached.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerState> {
        self.0.workers.states()
    }

    /// Ends the links of a worker, by a name or the fingerprint of its certificate, and takes no more of it. Says
    /// how many.
    #[must_use]
    pub fn revoke(&self, who: &str) -> usize {
        self.0.workers.revoke(who)
    }

    /// Takes links of a revoked worker again; false if it was not revoked.
    #[must_use]
    pub fn restore(&self, who: &str) -> bool {
        self.0.workers.restore(who)
    }

    /// Ends the links of a group, or of one worker of it by the fingerprint of its certificate; they may come again.
    /// Says how many.
    #[must_use]
    pub fn end(&self, group: &str, fingerprint: Option<&str>) -> usize {
        self.0.workers.end(|worker, of| {
            of.name() == group && fingerprint.is_none_or(|each| worker.certificate.fingerprint == each)
        })
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Requests that are being served, upgraded ones included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.flights.len()
    }

    /// Asks every worker to dial elsewhere (GOAWAY), and lets requests finish for `grace`; then ends them, and every
    /// link. Whoever owns the ports has closed them before.
    pub async fn shutdown(&self, grace: Duration) {
        self.0.flights.close();
        self.0.workers.go_away();
        let _finished = timeout(grace, self.0.flights.wait()).await;
        self.0.leave.cancel();
        self.0.close.cancel();
    }
}
