//! What a worker has served.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Requests, over all links.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    begun: AtomicU64,
    over: AtomicU64,
}

/// A request that is being served.
pub(crate) struct Begun(Arc<Counts>);

impl Counts {
    /// Counts a request for as long as what it returns lives.
    pub(crate) fn begin(self: &Arc<Self>) -> Begun {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Begun(Arc::clone(self))
    }

    /// Requests since the start.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Requests that are being served.
    pub(crate) fn in_flight(&self) -> u64 {
        self.begun().saturating_sub(self.over.load(Ordering::Relaxed))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.over.fetch_add(1, Ordering::Relaxed);
    }
}
