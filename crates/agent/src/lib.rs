//! The agent: it dials out, and opens targets that its own list allows. It knows no protocol and no policy, so
//! that it can stay old for years on other people's networks.

mod admin;
mod config;
mod state;
mod targets;

use std::{sync::Arc, time::Duration};

use penstock_admin::Port;
use penstock_domain::Error;
use penstock_link::{Dialling, Keepalive, Links, Standing, carrier::grpc::Identity};
use penstock_relay::Allow;
use tokio::runtime::Handle;

pub use config::Config;

use crate::{admin::AgentAdmin, state::State, targets::Targets};

/// Streams that our gateway may open on one link.
const STREAMS: u32 = 4096;

/// A running agent.
#[derive(Debug)]
pub struct Agent(Links);

impl Agent {
    /// Starts dialling; to be called inside a runtime. It redials for ever. The admin port, if one is set, runs on
    /// `admin`.
    ///
    /// # Errors
    /// What is wrong with the configuration; an admin port that is taken.
    pub fn start(config: &Config, admin: &Handle) -> Result<Self, Error> {
        let identity = Identity::agent(config.name.clone(), config.secret.clone());
        let dialling = Dialling {
            dialler: config.address.dialler(identity)?,
            peer: "gateway",
            links: config.links,
            streams: STREAMS,
            keepalive: Keepalive {
                interval: Duration::from_secs(config.keepalive_seconds),
                ..Keepalive::default()
            },
        };
        let state = Arc::new(State::default());
        let targets = Arc::new(Targets::new(Allow::parse(&config.allow)?, Arc::clone(&state)));
        let port = config.admin_listen.as_deref().map(Port::bind).transpose()?;
        let links = dialling.start(move |incoming| {
            let targets = Arc::clone(&targets);
            async move { targets.open(incoming).await }
        });
        if let Some(port) = port {
            let told = AgentAdmin::new(config.clone(), state, links.watch());
            port.serve(admin, Arc::new(told), links.close());
        }
        Ok(Self(links))
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> Standing {
        self.0.standing()
    }

    /// Resolves with what ended the agent: an error that dialling again cannot mend.
    pub async fn ended(&self) -> Error {
        self.0.ended().await
    }

    /// Takes no more streams, lets those that are open finish for `grace`, then closes.
    pub async fn shutdown(&self, grace: Duration) {
        self.0.shutdown(grace).await;
    }
}
