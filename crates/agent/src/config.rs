//! What an agent is told.

use std::fmt;

use penstock_link::Address;
use serde::{Deserialize, Serialize};

/// The agent's settings, as the Python side hands them over. Serialized, it holds no secret: `/config_dump`.
#[derive(Clone, Deserialize, Serialize)]
pub struct Config {
    /// Where the gateway is.
    #[serde(flatten)]
    pub address: Address,
    /// The agent's name, from its key.
    pub name: String,
    /// The key's secret.
    #[serde(skip_serializing)]
    pub secret: String,
    /// Links to hold.
    #[serde(default = "links")]
    pub links: usize,
    /// The allow-list; empty allows what the gateway asks.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Seconds of silence before a PING.
    #[serde(default = "keepalive")]
    pub keepalive_seconds: u64,
    /// Metrics and state, `HOST:PORT`; no port is opened without it.
    #[serde(default)]
    pub admin_listen: Option<String>,
}

const fn links() -> usize {
    4
}

const fn keepalive() -> u64 {
    15
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("address", &self.address)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
