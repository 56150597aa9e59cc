//! The agent: it dials out, and opens targets that its own list allows. It knows no protocol and no policy, so
//! that it can stay old for years on other people's networks.

mod admin;
mod config;
mod dialling;
mod state;
mod targets;

use std::{sync::Arc, time::Duration};

use penstock_admin::Port;
use penstock_domain::Error;
use penstock_link::{Keepalive, carrier::grpc::Identity};
use penstock_relay::Allow;
use tokio::{runtime::Handle, sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use config::Config;
pub use state::{Snapshot, State};

use crate::{admin::AgentAdmin, dialling::Dialling, targets::Targets};

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    state: Arc<State>,
    ended: watch::Receiver<Option<Error>>,
    links: TaskTracker,
    drain: CancellationToken,
    close: CancellationToken,
}

impl Agent {
    /// Starts dialling; to be called inside a runtime. It redials for ever. The admin port, if one is set, runs on
    /// `admin`.
    ///
    /// # Errors
    /// What is wrong with the configuration; an admin port that is taken.
    pub fn start(config: &Config, admin: &Handle) -> Result<Self, Error> {
        let identity = Identity::agent(config.name.clone(), config.secret.clone());
        let dialler = config.address.dialler(identity)?;
        let state = Arc::new(State::default());
        let targets = Arc::new(Targets::new(Allow::parse(&config.allow)?, Arc::clone(&state)));
        let port = config.admin_listen.as_deref().map(Port::bind).transpose()?;
        let (end, ended) = watch::channel(None);
        let agent = Self {
            state: Arc::clone(&state),
            ended,
            links: TaskTracker::new(),
            drain: CancellationToken::new(),
            close: CancellationToken::new(),
        };
        for number in 0..config.links.max(1) {
            let dialling = Dialling {
                number,
                dialler: dialler.clone(),
                keepalive: Keepalive {
                    interval: Duration::from_secs(config.keepalive_seconds),
                    ..Keepalive::default()
                },
                targets: Arc::clone(&targets),
                state: Arc::clone(&state),
                end: end.clone(),
                drain: agent.drain.clone(),
                close: agent.close.clone(),
            };
            agent.links.spawn(dialling.run());
        }
        agent.links.close();
        if let Some(port) = port {
            port.serve(admin, Arc::new(AgentAdmin::new(config.clone(), state)), agent.close.clone());
        }
        Ok(agent)
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> Snapshot {
        self.state.snapshot()
    }

    /// Resolves with what ended the agent: an error that dialling again cannot mend.
    pub async fn ended(&self) -> Error {
        let mut ended = self.ended.clone();
        loop {
            if let Some(error) = ended.borrow_and_update().clone() {
                return error;
            }
            if ended.changed().await.is_err() {
                // All links have ended because of a shutdown: there is no error to come.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes no more streams, lets those that are open finish for `grace`, then closes.
    pub async fn shutdown(&self, grace: Duration) {
        self.drain.cancel();
        let finished = timeout(grace, self.links.wait()).await.is_ok();
        self.close.cancel();
        if !finished {
            // The links' close is itself bounded to a second.
            let _closed = timeout(Duration::from_secs(2), self.links.wait()).await;
        }
    }
}
