//! How many streams a link carries.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::Resets;

/// Counts one stream for as long as one of its halves lives, and its reset by the peer.
#[derive(Debug)]
pub(crate) struct InFlight {
    count: Arc<AtomicUsize>,
    resets: Option<Arc<Resets>>,
    reset: AtomicBool,
}

impl InFlight {
    pub(crate) fn count(count: &Arc<AtomicUsize>, resets: Option<&Arc<Resets>>) -> Arc<Self> {
        count.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { count: Arc::clone(count), resets: resets.cloned(), reset: AtomicBool::new(false) })
    }

    /// Notes that the peer has reset the stream; once, however many notice it.
    pub(crate) fn note_reset(&self) {
        if let Some(resets) = &self.resets
            && !self.reset.swap(true, Ordering::Relaxed)
        {
            resets.note();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
