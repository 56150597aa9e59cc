//! Numbers that many threads change.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that grows and shrinks.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// One more, if that is not more than `most`.
    pub(crate) fn take(&self, most: u64) -> bool {
        if self.0.fetch_add(1, Ordering::AcqRel) < most {
            return true;
        }
        self.0.fetch_sub(1, Ordering::AcqRel);
        false
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::AcqRel);
    }

    pub(crate) fn give(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::AcqRel);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
