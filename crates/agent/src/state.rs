//! How the agent stands, for whoever asks.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use penstock_domain::Error;
use penstock_relay::Meter;
use serde::Serialize;

/// Shared by the agent's links.
#[derive(Debug, Default)]
pub struct State {
    links: AtomicUsize,
    accepted: AtomicBool,
    error: Mutex<Option<Error>>,
    streams: AtomicUsize,
    opened: AtomicU64,
    refused: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// What has passed since the start.
#[derive(Clone, Debug, Serialize)]
pub struct Totals {
    /// Streams that are open.
    pub streams: usize,
    /// Targets that were opened.
    pub opened: u64,
    /// Targets that were not.
    pub refused: u64,
    /// Bytes to targets, of streams that have ended.
    pub sent: u64,
    /// Bytes from targets, of streams that have ended.
    pub received: u64,
}

/// The state at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Links that are up.
    pub links: usize,
    /// What kept the last attempt from succeeding.
    pub error: Option<Error>,
}

impl State {
    pub(crate) fn up(&self) {
        self.links.fetch_add(1, Ordering::Relaxed);
        self.accepted.store(true, Ordering::Relaxed);
        self.note(None);
    }

    pub(crate) fn down(&self) {
        self.links.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, error: Error) {
        self.note(Some(error));
    }

    /// Whether the gateway has ever accepted this agent.
    pub(crate) fn was_accepted(&self) -> bool {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            links: self.links.load(Ordering::Relaxed),
            error: self.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

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

    fn note(&self, error: Option<Error>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}
