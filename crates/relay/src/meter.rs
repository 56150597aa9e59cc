//! What has passed, readable while it passes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of one session or stream, by where they came from.
#[derive(Debug, Default)]
pub struct Meter {
    client: AtomicU64,
    upstream: AtomicU64,
}

impl Meter {
    /// Counts bytes from the client.
    pub fn from_client(&self, bytes: usize) {
        self.client.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes from the upstream.
    pub fn from_upstream(&self, bytes: usize) {
        self.upstream.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes from the client.
    pub fn client(&self) -> u64 {
        self.client.load(Ordering::Relaxed)
    }

    /// Bytes from the upstream.
    pub fn upstream(&self) -> u64 {
        self.upstream.load(Ordering::Relaxed)
    }
}
