//! What the parts of one gateway share. Built once, in [`crate::Gateway::start`].

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use penstock_domain::{Code, Decider, Error, Side};
use penstock_http::{Accepting, Acceptor, Lanes, Server};
use penstock_record::Recorder;
use rand::Rng as _;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    ask::Asker,
    egress::Passages,
    http::Api,
    metrics::Metrics,
    probe::Probes,
    public::Public,
    registry::{Agents, Cancels, Credentials, Sessions, Turns},
};

/// Credit of each HTTP/2 stream, in bytes: a carrier's inner connection is one stream, and does the limiting.
const WINDOW: u32 = 4 * 1024 * 1024;

/// Agents' links that are asked to go elsewhere in a second: each is a handshake and a login at whoever takes it.
const LINKS_PER_SECOND: u32 = 200;

pub(crate) struct Shared {
    pub config: Config,
    pub asker: Asker,
    /// Where connections run, whichever port takes them.
    pub lanes: Lanes,
    pub recorder: Recorder,
    pub metrics: Arc<Metrics>,
    pub agents: Agents,
    /// Clients' links, by their token.
    pub clients: Credentials,
    /// Whose turn it is to have a session decided, by token.
    pub turns: Turns,
    /// Agents' links on mutual TLS, by their certificate.
    pub certificates: Credentials,
    pub api: Api,
    /// Published apps, where there is a port for them.
    pub public: Option<Arc<Public>>,
    pub sessions: Sessions,
    /// Of the forward proxy.
    pub passages: Arc<Passages>,
    pub probes: Probes,
    pub cancels: Cancels,
    pub ready: Ready,
    /// No new links or sessions.
    pub drain: CancellationToken,
    /// Over which time the agents' links are asked for others elsewhere, once it drains.
    pub spread: OnceLock<Duration>,
    /// Everything ends.
    pub close: CancellationToken,
}

impl Shared {
    pub(crate) fn new(config: Config, decider: Arc<dyn Decider>, lanes: Lanes) -> Result<Self, Error> {
        let recorder = Recorder::start(config.recorder_threads, config.recorder_queue).map_err(|error| {
            Error::new(Code::Recorder, Side::Gateway, format!("the recorder cannot start: {error}"))
        })?;
        let public = config.public.is_some().then(|| Arc::new(Public::new(&config)));
        let metrics = Arc::new(Metrics::new(public.as_deref()));
        Ok(Self {
            asker: Asker::new(decider, config.ask_timeout()),
            lanes,
            passages: Arc::new(Passages::new(Arc::clone(&metrics))),
            metrics,
            public,
            recorder,
            agents: Agents::default(),
            clients: Credentials::default(),
            turns: Turns::default(),
            certificates: Credentials::default(),
            api: Api::new(&config),
            sessions: Sessions::default(),
            probes: Probes::default(),
            cancels: Cancels::default(),
            ready: Ready::default(),
            drain: CancellationToken::new(),
            spread: OnceLock::new(),
            close: CancellationToken::new(),
            config,
        })
    }

    /// How a port accepts.
    pub(crate) fn accepting(&self, port: &'static str) -> Accepting {
        Accepting {
            port,
            connections: self.config.connections,
            lanes: self.lanes.clone(),
            ports: self.metrics.ports.clone(),
            stop: self.close.clone(),
        }
    }

    /// What serves the connections of 8009 and 8010. They carry links, which drain by themselves.
    pub(crate) fn server(&self, port: &'static str, acceptor: Acceptor) -> Server {
        let (ports, drain) = (self.metrics.ports.clone(), CancellationToken::new());
        Server::new(port, acceptor, self.config.limits(), ports, WINDOW, drain, self.close.clone())
    }

    /// Begins to drain. Links of agents are then asked for others at [`Shared::leaving`], so many each second that
    /// whoever takes them keeps up, and well before `grace` is over.
    pub(crate) fn begin_drain(&self, grace: Duration) {
        let links = u32::try_from(self.agents.links()).unwrap_or(u32::MAX);
        let spread = (Duration::from_secs(1) / LINKS_PER_SECOND).saturating_mul(links).min(grace / 2);
        // It drains once.
        let _drains_already = self.spread.set(spread);
        self.drain.cancel();
    }

    /// Resolves when one of the agents' links should go, at any moment of the time that all have for it.
    pub(crate) async fn leaving(&self) {
        self.drain.cancelled().await;
        let spread = self.spread.get().copied().unwrap_or_default();
        let moment = rand::rng().random_range(Duration::ZERO..=spread);
        sleep(moment).await;
    }

    /// The refusal of whatever is new while draining.
    pub(crate) fn draining(&self) -> Option<Error> {
        self.drain.is_cancelled().then(|| {
            Error::new(Code::Draining, Side::Gateway, "the gateway is shutting down")
                .hint("try again in a moment")
        })
    }
}

/// How far a gateway is in its life.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Phase {
    /// It has its ports, and not yet all that is behind them.
    #[default]
    Starting,
    /// New work is welcome.
    Ready,
    /// It is not any more.
    Stopping,
}

/// Whether new work is welcome: the one thing that health checks of every kind ask.
#[derive(Debug, Default)]
pub(crate) struct Ready(watch::Sender<Phase>);

impl Ready {
    pub(crate) fn set(&self, ready: bool) {
        self.0.send_replace(if ready { Phase::Ready } else { Phase::Stopping });
    }

    pub(crate) fn get(&self) -> bool {
        self.phase() == Phase::Ready
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }
}
