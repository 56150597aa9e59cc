//! What a probe is told.

use std::fmt;

use penstock_link::{Address, carrier::grpc::Identity};
use serde::Deserialize;

/// The settings of the agent or client whose way is probed.
#[derive(Clone, Deserialize)]
pub struct Config {
    /// Where the gateway is.
    #[serde(flatten)]
    pub address: Address,
    /// The agent's name; none for a user.
    #[serde(default)]
    pub agent: Option<String>,
    /// The agent's secret, or the user's token.
    pub secret: String,
    /// Seconds of silence before a PING.
    pub keepalive_seconds: u64,
}

impl Config {
    pub(crate) fn identity(&self) -> Identity {
        match &self.agent {
            Some(name) => Identity::agent(name.clone(), self.secret.clone()),
            None => Identity::user(self.secret.clone()),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("address", &self.address).finish_non_exhaustive()
    }
}
