//! The gateway: it owns the ports, runs the sessions and enforces what was decided elsewhere.

mod admin;
mod ask;
mod clock;
mod config;
mod egress;
mod http;
mod metrics;
mod probe;
mod public;
mod registry;
mod session;
mod shared;
mod transport;
mod tunnel;
mod upstream;

use std::{sync::Arc, time::Duration};

use penstock_admin::Port;
use penstock_domain::{Decider, Error, Status};
use penstock_egress::Egress;
use penstock_http::{Acceptor, Lanes, Listener};
use penstock_link::tls;
use serde::Serialize;
use tokio::runtime::Handle;

pub use config::{Config, PublicPort, Tls, Tunnel};
pub use public::{App, AppState, Route};
pub use registry::{AgentState, SessionState};

use crate::{
    admin::GatewayAdmin,
    http::{Front, Surface},
    shared::Shared,
};

/// How long the store may take to note the ends of tunnels when everything ends.
const SETTLE: Duration = Duration::from_secs(10);

/// A running gateway.
pub struct Gateway {
    shared: Arc<Shared>,
    egress: Option<Arc<Egress>>,
    addresses: Addresses,
}

/// Where it listens.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// REST, web and gRPC.
    pub http: String,
    /// gRPC.
    pub grpc: String,
    /// Links on mutual TLS, if enabled.
    pub tunnel: Option<String>,
    /// Published apps, if enabled.
    pub public: Option<String>,
    /// The forward proxy, if enabled, in the order of its configuration.
    pub egress: Vec<String>,
    /// Metrics and state, if enabled.
    pub admin: Option<String>,
}

impl Gateway {
    /// Binds every port, then serves; to be called inside one of the lanes. The admin port runs on `admin`, so
    /// that a scrape never waits behind a session, nor a session behind a scrape.
    ///
    /// # Errors
    /// A port that is taken, TLS material that cannot be read.
    pub async fn start(
        config: Config,
        decider: Arc<dyn Decider>,
        lanes: Lanes,
        admin: &Handle,
    ) -> Result<Self, Error> {
        let material = config.tls.as_ref();
        let tls = material.map(|tls| tls::acceptor(&tls.cert_pem, &tls.key_pem)).transpose()?;
        let http = Listener::bind(&config.http_listen, "HTTP_LISTEN").await?;
        let grpc = Listener::bind(&config.grpc_listen, "GRPC_LISTEN").await?;
        let tunnel = match &config.tunnel {
            Some(tunnel) => Some(tunnel::bind(tunnel).await?),
            None => None,
        };
        let public = match &config.public {
            Some(port) => Some(public::bind(port).await?),
            None => None,
        };
        let port = config.admin_listen.as_deref().map(Port::bind).transpose()?;
        let mut addresses = Addresses {
            http: http.address(),
            grpc: grpc.address(),
            tunnel: tunnel.as_ref().map(|(listener, _)| listener.address()),
            public: public.as_ref().map(|(listener, _)| listener.address()),
            egress: Vec::new(),
            admin: port.as_ref().map(Port::address),
        };
        let shared = Arc::new(Shared::new(config, decider, lanes)?);
        let egress = match shared.config.egress.clone() {
            Some(config) => Some(Arc::new(egress::start(config, &shared, admin).await?)),
            None => None,
        };
        if let Some(egress) = &egress {
            addresses.egress = egress.addresses().await.listeners;
        }
        for (listener, surface) in [(http, Surface::Api), (grpc, Surface::Grpc)] {
            let front = Front::new(Arc::clone(&shared), surface);
            let server = shared.server(surface.name(), Acceptor::either(tls.clone()));
            let serve = move |tcp, peer| server.clone().serve(front.clone(), tcp, peer);
            tokio::spawn(listener.serve(shared.accepting(surface.name()), serve));
        }
        if let Some((listener, acceptor)) = tunnel {
            tokio::spawn(tunnel::serve(listener, acceptor, Arc::clone(&shared)));
        }
        if let (Some((listener, acceptor)), Some(apps)) = (public, shared.public.clone()) {
            tokio::spawn(public::serve(listener, acceptor, apps, Arc::clone(&shared)));
        }
        if let Some(port) = port {
            let told = GatewayAdmin { shared: Arc::clone(&shared), egress: egress.clone() };
            port.serve(admin, Arc::new(told), shared.close.clone());
        }
        Ok(Self { shared, egress, addresses })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Says whether new work is welcome; health checks of every kind follow at once.
    pub fn ready(&self, ready: bool) {
        self.shared.ready.set(ready);
    }

    /// Agents with a link, by name.
    #[must_use]
    pub fn agents(&self) -> std::collections::BTreeMap<String, AgentState> {
        self.shared.agents.snapshot()
    }

    /// Apps with a worker's link, by name.
    #[must_use]
    pub fn apps(&self) -> std::collections::BTreeMap<String, AppState> {
        self.shared.public.as_ref().map(|public| public.snapshot()).unwrap_or_default()
    }

    /// These are all apps from now on; without a public port nobody asks for them.
    ///
    /// # Errors
    /// What is wrong with a route; everything stays as it was.
    pub fn publish(&self, apps: Vec<App>) -> Result<(), Error> {
        self.shared.public.as_ref().map_or(Ok(()), |public| public.publish(apps))
    }

    /// Whoever entered an app is asked about again.
    pub fn forget_visitors(&self) {
        if let Some(public) = &self.shared.public {
            public.visitors.forget();
        }
    }

    /// Puts another configuration of the forward proxy in force; without its port nobody asks it.
    ///
    /// # Errors
    /// Whatever is wrong with it; the old one then stays whole.
    pub async fn reconfigure_egress(&self, config: penstock_egress::Config) -> Result<(), Error> {
        match &self.egress {
            Some(egress) => egress.reconfigure(config).await,
            None => Ok(()),
        }
    }

    /// Live sessions, by identifier.
    #[must_use]
    pub fn sessions(&self) -> std::collections::BTreeMap<String, SessionState> {
        let mut sessions = self.shared.sessions.snapshot();
        sessions.extend(self.shared.passages.snapshot());
        sessions
    }

    /// Ends a live session; false if there is none.
    pub fn kill(&self, session: &str, status: Status, reason: &str) -> bool {
        self.shared.sessions.end(session, status, reason) || self.shared.passages.end(session, status, reason)
    }

    /// Ends the links and sessions of a token that was revoked; says how many sessions.
    pub fn end_token(&self, token: &str) -> usize {
        // In this order: a session that loses its link has another reason than the true one.
        let ended = self.shared.sessions.end_token(token);
        self.shared.clients.end(token);
        if let Some(public) = &self.shared.public {
            public.visitors.end_token(token);
        }
        if let Some(egress) = &self.egress {
            egress.end(token);
        }
        ended
    }

    /// Ends the links of a certificate that was revoked, by the SHA-256 of its DER in hex.
    pub fn end_certificate(&self, fingerprint: &str) {
        self.shared.certificates.end(fingerprint);
    }

    /// Drops the links of an agent that was deleted; says how many.
    pub fn end_agent(&self, name: &str) -> usize {
        self.shared.agents.end(name)
    }

    /// Not ready, no new links, sessions or requests, and whoever dialled is asked to dial elsewhere; what runs may
    /// finish for `grace`, then it is ended and recordings closed.
    pub async fn shutdown(&self, grace: Duration) {
        self.ready(false);
        self.shared.begin_drain(grace);
        tokio::join!(self.end_sessions(grace), self.end_requests(grace), self.end_tunnels(grace));
        self.shared.close.cancel();
    }

    async fn end_requests(&self, grace: Duration) {
        if let Some(public) = &self.shared.public {
            public.ingress.shutdown(grace).await;
        }
    }

    async fn end_tunnels(&self, grace: Duration) {
        if let Some(egress) = &self.egress {
            egress.shutdown(grace).await;
            egress::settle(&self.shared, SETTLE).await;
        }
    }

    async fn end_sessions(&self, grace: Duration) {
        if tokio::time::timeout(grace, self.shared.sessions.empty()).await.is_err() {
            let reason = format!(
                "terminating connection: the gateway is shutting down, and waited {} s for the session to end",
                grace.as_secs()
            );
            self.shared.sessions.end_all(Status::Closed, &reason);
            // Sessions end within a second; the rest is for their recordings.
            let _ended = tokio::time::timeout(Duration::from_secs(10), self.shared.sessions.empty()).await;
        }
    }
}
