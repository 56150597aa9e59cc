//! What the agent has done, for whoever asks.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use penstock_relay::Meter;
use serde::Serialize;

/// Shared by the agent's links.
#[derive(Debug, Default)]
pub(crate) struct State {
    streams: AtomicUsize,
    opened: AtomicU64,
    refused: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// What has passed since the start.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Totals {
    /// Streams that are open.
    pub(crate) streams: usize,
    /// Targets that were opened.
    pub(crate) opened: u64,
    /// Targets that were not.
    pub(crate) refused: u64,
    /// Bytes to targets, of streams that have ended.
    pub(crate) sent: u64,
    /// Bytes from targets, of streams that have ended.
    pub(crate) received: u64,
}

impl State {
    pub(crate) fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self, meter: &Meter) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
        self.sent.fetch_add(meter.client(), Ordering::Relaxed);
        self.received.fetch_add(meter.upstream(), Ordering::Relaxed);
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            streams: self.streams.load(Ordering::Relaxed),
            opened: self.opened.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }
}
