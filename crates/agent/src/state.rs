//! How the agent stands, for whoever asks.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use penstock_domain::Error;
use serde::Serialize;

/// Shared by the agent's links.
#[derive(Debug, Default)]
pub struct State {
    links: AtomicUsize,
    accepted: AtomicBool,
    error: Mutex<Option<Error>>,
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

    fn note(&self, error: Option<Error>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}
