//! What a client is told.

use std::{fmt, time::Duration};

use penstock_link::{Address, Keepalive};
use serde::Deserialize;

/// The client's settings, as the Python side hands them over.
#[derive(Clone, Deserialize)]
pub struct Config {
    /// Where the gateway is.
    #[serde(flatten)]
    pub address: Address,
    /// The token of `penstock login`.
    pub token: String,
    /// Links to hold at the most.
    #[serde(default = "links")]
    pub links: usize,
    /// Seconds of silence before a PING.
    #[serde(default = "keepalive")]
    pub keepalive_seconds: u64,
}

impl Config {
    pub(crate) fn keepalive(&self) -> Keepalive {
        Keepalive { interval: Duration::from_secs(self.keepalive_seconds), ..Keepalive::default() }
    }
}

const fn links() -> usize {
    4
}

const fn keepalive() -> u64 {
    15
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("address", &self.address).finish_non_exhaustive()
    }
}
