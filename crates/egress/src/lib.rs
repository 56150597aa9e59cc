//! The dynamic forward proxy: it resolves, checks, decides and carries what leaves.

mod access;
mod admin;
mod breakers;
mod callers;
pub mod config;
mod count;
mod destinations;
mod dns;
mod domains;
mod explain;
mod guard;
mod meter;
mod outliers;
mod passage;
mod paths;
mod policy;
mod ports;
mod proxy;
mod refusal;
mod routes;
mod shared;
mod snapshot;
mod stats;
mod target;
mod template;
mod traffic;
mod tunnel;
mod upstream;
mod watch;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use penstock_admin::{Admin as _, Port};
use penstock_domain::{Code, Error, Side};
use penstock_http::Lanes;
use serde::Serialize;
use serde_json::Value;
use tokio::{runtime::Handle, sync::Mutex, time::interval};
use tokio_util::sync::CancellationToken;

pub use access::{Access, Kind, Timings, Verdict};
pub use callers::{Caller, Callers, Credential, Proof, Proven};
pub use config::Config;
pub use explain::explain;
pub use passage::{Ending, Passage, Sink};

use crate::{
    access::Writer,
    admin::EgressAdmin,
    callers::Asked,
    destinations::Destinations,
    ports::Open,
    shared::{Counts, Shared},
    snapshot::Snapshot,
    watch::LOOK,
};

/// A running proxy.
pub struct Egress {
    shared: Arc<Shared>,
    open: Mutex<Open>,
    admin: Option<String>,
}

/// What a host of the proxy may bring.
#[derive(Clone, Default)]
pub struct Seams {
    /// Who callers are; none: as the configuration lists them.
    pub callers: Option<Arc<dyn Callers>>,
    /// Who learns of tunnels and upgraded connections, beside the access log.
    pub sink: Option<Arc<dyn Sink>>,
}

/// Where it listens.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// The ports for callers, in the order of the configuration.
    pub listeners: Vec<String>,
    /// Metrics and state, if enabled.
    pub admin: Option<String>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").finish_non_exhaustive()
    }
}

/// Refuses a configuration that could not be put in force, without binding or resolving anything; to be
/// called inside a runtime.
///
/// # Errors
/// Whatever is wrong with it.
pub fn check(config: &Config) -> Result<(), Error> {
    ports::check(config)?;
    Snapshot::check(config)
}

impl Egress {
    /// Binds every port, then serves; to be called inside one of the lanes. The admin port runs on `admin`.
    ///
    /// # Errors
    /// A port that is taken, and whatever is wrong with the configuration.
    pub async fn start(config: Config, seams: Seams, lanes: Lanes, admin: &Handle) -> Result<Self, Error> {
        let dns_stats = Arc::default();
        let log = Writer::start(&config.access_log)?;
        let port = config.admin_listen.as_deref().map(Port::bind).transpose()?;
        let snapshot = Snapshot::compile(config, None, &dns_stats)?;
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(snapshot),
            destinations: Destinations::new(),
            dns_stats,
            lines: Arc::default(),
            buffers: penstock_relay::Buffers::default(),
            counts: Counts::default(),
            lanes,
            ports: penstock_http::Ports::default(),
            log,
            asked: seams.callers.map(Asked::new),
            sink: seams.sink,
            via: via()?,
            own: std::sync::Mutex::default(),
            ready: AtomicBool::new(true),
            drain: CancellationToken::new(),
            close: CancellationToken::new(),
        });
        let admin_address = port.as_ref().map(Port::address);
        let egress = Self { shared: Arc::clone(&shared), open: Mutex::default(), admin: admin_address };
        let config = shared.snapshot.load().config.clone();
        let mut open = egress.open.lock().await;
        let prepared = open.prepare(&config, &shared).await?;
        egress.switch(&mut open, prepared, &config);
        drop(open);
        if let Some(port) = port {
            port.serve(admin, Arc::new(EgressAdmin(Arc::clone(&shared))), shared.close.clone());
        }
        tokio::spawn(watch_over(shared));
        Ok(egress)
    }

    /// Where it listens.
    pub async fn addresses(&self) -> Addresses {
        let config = &self.shared.snapshot.load().config;
        Addresses { listeners: self.open.lock().await.addresses(config), admin: self.admin.clone() }
    }

    /// Puts another configuration in force, whole or not at all. Tunnels and requests under way go on. The
    /// admin port stays where it is; the access log is opened anew, which is how it is rotated.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration; the old one then stays.
    pub async fn reconfigure(&self, config: Config) -> Result<(), Error> {
        let mut open = self.open.lock().await;
        let before = self.shared.snapshot.load_full();
        let snapshot = Snapshot::compile(config, Some(&before), &self.shared.dns_stats)?;
        let prepared = open.prepare(&snapshot.config, &self.shared).await?;
        let log = Writer::prepare(&snapshot.config.access_log)?;
        let config = snapshot.config.clone();
        self.shared.log.switch(log);
        self.shared.snapshot.store(Arc::new(snapshot));
        self.switch(&mut open, prepared, &config);
        Ok(())
    }

    /// What the configuration in force would do with a request; see [`explain`].
    ///
    /// # Errors
    /// A question that cannot be read.
    pub fn explain(&self, question: &str) -> Result<Value, Error> {
        explain(&self.shared.snapshot.load().config, question)
    }

    /// What has been counted, by Envoy's names.
    #[must_use]
    pub fn stats(&self) -> Value {
        EgressAdmin(Arc::clone(&self.shared)).stats()
    }

    /// The same, as OpenMetrics text; none if it cannot be written.
    #[must_use]
    pub fn metrics(&self) -> Option<String> {
        EgressAdmin(Arc::clone(&self.shared)).metrics()
    }

    /// The configuration in force, without secrets.
    #[must_use]
    pub fn config(&self) -> Value {
        EgressAdmin(Arc::clone(&self.shared)).config()
    }

    /// Ends the tunnels and upgraded connections whose callers were proven by this; how many.
    pub fn end(&self, proven: &str) -> usize {
        self.shared.lines.stop_proven(proven)
    }

    /// Says whether new work is welcome; health checks follow.
    pub fn ready(&self, ready: bool) {
        self.shared.ready.store(ready, Ordering::Relaxed);
    }

    /// Accepts nothing more; requests and tunnels may finish for `grace`, then they are cut. The log is
    /// written whole.
    pub async fn shutdown(&self, grace: Duration) {
        self.ready(false);
        self.shared.drain.cancel();
        let end = Instant::now() + grace;
        while self.shared.lines.len() > 0 && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.shared.lines.stop_all();
        self.shared.close.cancel();
        // What was cut still writes its line.
        for _ in 0..50 {
            if self.shared.lines.len() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.shared.log.close();
    }

    fn switch(&self, open: &mut Open, prepared: ports::Prepared, config: &Config) {
        open.switch(prepared, &self.shared);
        let own = open.addresses(config).into_iter().chain(self.admin.clone());
        let own: Vec<SocketAddr> = own.filter_map(|address| address.parse().ok()).collect();
        *self.shared.own.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = own;
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.shared.drain.cancel();
        self.shared.close.cancel();
    }
}

/// Ends what is silent for too long, and closes connections that have rested for too long.
async fn watch_over(shared: Arc<Shared>) {
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = shared.close.cancelled() => return,
        }
        shared.lines.look();
        let idle = Duration::from_millis(shared.snapshot.load().config.timeouts.pool_idle_ms);
        if let Some(oldest) = Instant::now().checked_sub(idle) {
            shared.destinations.sweep(oldest);
        }
    }
}

/// What we say in `Via` (RFC 9110 §7.6.3): a name that no other proxy has.
fn via() -> Result<HeaderValue, Error> {
    let name = format!("1.1 penstock-{:016x}", rand::random::<u64>());
    HeaderValue::from_str(&name)
        .map_err(|error| Error::new(Code::Internal, Side::Gateway, format!("no name for Via: {error}")))
}
