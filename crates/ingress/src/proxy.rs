//! The standalone proxy: it owns the ports.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use penstock_admin::Port;
use penstock_domain::{Code, Error, Side};
use penstock_http::{Accepting, Acceptor, Lanes, Listener, Server};
use penstock_link::tls;
use serde::Serialize;
use tokio::{runtime::Handle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config, Ingress, Public, PublicConfig, Select, Unwatched, Watch,
    admin::ProxyAdmin,
    tunnel::{self, Tunnel},
};

/// The public ports' name in metrics and logs.
const PUBLIC: &str = "public";

/// Credit of each stream of a caller's HTTP/2 connection, in bytes.
const WINDOW: u32 = 1024 * 1024;

/// How long links may take to close in order, once their requests have ended.
const CLOSING: Duration = Duration::from_secs(3);

/// A running proxy.
pub struct Proxy {
    ingress: Ingress,
    addresses: Addresses,
    ready: Arc<AtomicBool>,
    /// No new connections, and the last request on those that are open.
    drain: CancellationToken,
    links: TaskTracker,
}

/// Where it listens, in the order of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// For workers.
    pub tunnels: Vec<String>,
    /// For the public.
    pub public: Vec<String>,
    /// Metrics and state, if enabled.
    pub admin: Option<String>,
}

/// What the driver's owner brings.
pub struct Hooks {
    /// Hears of workers.
    pub watch: Arc<dyn Watch>,
    /// Chooses for groups whose selector is custom.
    pub select: Option<Arc<dyn Select>>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { watch: Arc::new(Unwatched), select: None }
    }
}

impl Proxy {
    /// Binds every port, then serves; to be called inside one of the lanes. The admin port runs on `admin`.
    ///
    /// # Errors
    /// A port that is taken, TLS material that cannot be used, a route that cannot be.
    pub async fn start(config: Config, hooks: Hooks, lanes: Lanes, admin: &Handle) -> Result<Self, Error> {
        let ingress = Ingress::new(config.forwarding.clone(), hooks.watch, hooks.select);
        ingress.publish(&config.table)?;
        let mut tunnels = Vec::new();
        for each in &config.tunnels {
            tunnels.push(Tunnel::bind(each).await?);
        }
        let mut public = Vec::new();
        for each in &config.public {
            let handler = Public::new(ingress.clone()).behind_tls(each.behind_tls);
            public.push((Listener::bind(&each.listen, "--public-listen").await?, acceptor(each)?, handler));
        }
        let port = config.admin_listen.as_deref().map(Port::bind).transpose()?;
        let addresses = Addresses {
            tunnels: tunnels.iter().map(Tunnel::address).collect(),
            public: public.iter().map(|(listener, ..)| listener.address()).collect(),
            admin: port.as_ref().map(Port::address),
        };
        let (drain, links) = (CancellationToken::new(), TaskTracker::new());
        let ready = Arc::new(AtomicBool::new(true));
        for each in tunnels {
            let (ingress, lanes) = (ingress.clone(), lanes.clone());
            tokio::spawn(tunnel::serve(each, ingress, lanes, drain.clone(), links.clone()));
        }
        for (listener, acceptor, handler) in public {
            let server = server(acceptor, &ingress, &config, &drain);
            let serve = move |tcp, peer| server.clone().serve(handler.clone(), tcp, peer);
            tokio::spawn(listener.serve(accepting(&ingress, &config, &lanes, &drain), serve));
        }
        if let Some(port) = port {
            let told = ProxyAdmin::new(ingress.clone(), config, Arc::clone(&ready));
            port.serve(admin, Arc::new(told), ingress.0.close.clone());
        }
        Ok(Self { ingress, addresses, ready, drain, links })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Its workers and requests.
    #[must_use]
    pub const fn ingress(&self) -> &Ingress {
        &self.ingress
    }

    /// Not ready, no new connections; requests may finish for `grace`, then they are ended, and links with them.
    pub async fn shutdown(&self, grace: Duration) {
        self.ready.store(false, Relaxed);
        self.drain.cancel();
        self.ingress.shutdown(grace).await;
        self.links.close();
        // A worker that reads nothing does not keep us.
        let _closed = timeout(CLOSING, self.links.wait()).await;
    }
}

fn acceptor(config: &PublicConfig) -> Result<Acceptor, Error> {
    let material = config.tls.as_ref();
    let tls = material.map(|tls| tls::acceptor(&tls.cert_pem, &tls.key_pem)).transpose()?;
    Ok(tls.map_or_else(|| Acceptor::either(None), Acceptor::tls))
}

fn accepting(ingress: &Ingress, config: &Config, lanes: &Lanes, drain: &CancellationToken) -> Accepting {
    Accepting {
        port: PUBLIC,
        connections: config.limits.connections,
        lanes: lanes.clone(),
        ports: ingress.metrics().ports.clone(),
        stop: drain.clone(),
    }
}

fn server(acceptor: Acceptor, ingress: &Ingress, config: &Config, drain: &CancellationToken) -> Server {
    let (limits, ports) = (config.limits.clone(), ingress.metrics().ports.clone());
    Server::new(PUBLIC, acceptor, limits, ports, WINDOW, drain.clone(), ingress.0.close.clone())
}

pub(crate) fn misconfigured(what: impl Into<String>) -> Error {
    Error::new(Code::Malformed, Side::Gateway, what)
}
