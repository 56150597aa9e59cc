//! Live sessions, and how to end them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use penstock_domain::Status;
use penstock_relay::Meter;
use serde::Serialize;
use tokio::sync::{Notify, watch};

use crate::session::Recording;

#[derive(Debug, Default)]
pub(crate) struct Sessions(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    live: Mutex<HashMap<String, Arc<Live>>>,
    ended: Notify,
}

/// A live session, as others see it.
#[derive(Debug)]
pub(crate) struct Live {
    session: String,
    token: Option<String>,
    pub meter: Meter,
    pub recording: Recording,
    statements: AtomicU64,
    end: watch::Sender<Option<(Status, String)>>,
    sessions: Arc<Inner>,
}

/// Counters of a live session.
#[derive(Clone, Debug, Serialize)]
pub struct SessionState {
    /// Statements so far.
    pub statements: u64,
    /// Bytes from the client.
    pub client_bytes: u64,
    /// Bytes from the upstream.
    pub upstream_bytes: u64,
    /// Records of the recording so far.
    pub records: u64,
    /// The hash of the last of them, in hex; empty if there is none.
    pub head: String,
}

/// Keeps a session registered; dropping it takes it out.
#[derive(Debug)]
pub(crate) struct Registered(pub Arc<Live>);

impl Sessions {
    pub(crate) fn add(&self, session: &str, token: Option<String>, recording: Recording) -> Registered {
        let live = Arc::new(Live {
            session: session.to_owned(),
            token,
            meter: Meter::default(),
            recording,
            statements: AtomicU64::new(0),
            end: watch::Sender::new(None),
            sessions: Arc::clone(&self.0),
        });
        self.0.lock().insert(session.to_owned(), Arc::clone(&live));
        Registered(live)
    }

    pub(crate) fn end(&self, session: &str, status: Status, reason: &str) -> bool {
        match self.0.lock().get(session) {
            Some(live) => {
                live.end(status, reason);
                true
            }
            None => false,
        }
    }

    pub(crate) fn end_token(&self, token: &str) -> usize {
        let live = self.0.lock();
        let of_token = live.values().filter(|live| live.token.as_deref() == Some(token));
        of_token.map(|live| live.end(Status::Killed, "the token was revoked")).count()
    }

    pub(crate) fn end_all(&self, status: Status, reason: &str) {
        self.0.lock().values().for_each(|live| live.end(status, reason));
    }

    /// Resolves when no session is live.
    pub(crate) async fn empty(&self) {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.0.lock().is_empty() {
                return;
            }
            ended.await;
        }
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<String, SessionState> {
        self.0.lock().iter().map(|(session, live)| (session.clone(), live.state())).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Asks the session to end; the first reason holds.
    pub(crate) fn end(&self, status: Status, reason: &str) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some((status, reason.to_owned()));
            }
            first
        });
    }

    /// Resolves when someone wants the session to end.
    pub(crate) async fn wanted_to_end(&self) -> (Status, String) {
        let mut wanted = self.end.subscribe();
        loop {
            if let Some(end) = wanted.borrow_and_update().clone() {
                return end;
            }
            if wanted.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    pub(crate) fn count_statements(&self, total: u64) {
        self.statements.store(total, Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> SessionState {
        let head = self.recording.head();
        SessionState {
            records: head.map_or(0, |head| head.records),
            head: head.map(|head| head.hash.to_string()).unwrap_or_default(),
            statements: self.statements.load(Ordering::Relaxed),
            client_bytes: self.meter.client(),
            upstream_bytes: self.meter.upstream(),
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.sessions.lock().remove(&self.0.session);
        self.0.sessions.ended.notify_waiters();
    }
}
