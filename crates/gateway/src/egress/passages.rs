//! Tunnels and upgraded connections of the forward proxy, which are sessions without a recording.
//!
//! They do not wait for the store: it is told of many at once, and what it has not been told yet waits here.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use penstock_domain::{Passage, PassageEnd, Status};
use penstock_egress::{Access, Ending, Passage as Open, Sink, Verdict};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{clock::micros, metrics::Metrics, registry::SessionState};

/// Passages that are over before the store has heard of them, and wait to be noted. In a flood the shortest
/// are in the access log only; whatever the store knows as open is noted to its end.
const MOST_UNHEARD: usize = 4_096;

/// All that are open, or over and not noted yet.
#[derive(Debug)]
pub(crate) struct Passages {
    state: Mutex<State>,
    /// There is something to note, or nothing any more.
    pub changed: Notify,
    unlisted: AtomicU64,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Arc<str>, Known>,
    /// Those of whose beginning the store shall hear.
    begun: VecDeque<Arc<str>>,
    /// Those of whose end it shall hear.
    over: VecDeque<Arc<str>>,
    /// Among the latter: of which it has not been told at all.
    unheard: usize,
}

#[derive(Debug)]
struct Known {
    passage: Passage,
    /// None when it is over.
    open: Option<Open>,
    /// Whether the store may know of it.
    told: bool,
}

impl Passages {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), unlisted: AtomicU64::new(0), metrics }
    }

    /// The next of which the store shall hear, at most so many: ends first, for they make room.
    pub(super) fn next(&self, most: usize) -> Vec<Passage> {
        let mut state = self.lock();
        let mut next = Vec::new();
        while next.len() < most
            && let Some(session) = state.over.pop_front()
        {
            next.extend(state.tell(&session));
        }
        while next.len() < most
            && let Some(session) = state.begun.pop_front()
        {
            // What is over is told as that.
            if state.known.get(&session).is_some_and(|known| known.open.is_some()) {
                next.extend(state.tell(&session));
            }
        }
        next
    }

    /// The store has noted them.
    pub(super) fn noted(&self, passages: &[Passage]) {
        let mut state = self.lock();
        for passage in passages.iter().filter(|passage| passage.end.is_some()) {
            state.known.remove(passage.session.as_str());
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The store has not noted them, or nobody knows: it shall hear of them again.
    pub(super) fn again(&self, passages: &[Passage]) {
        let mut state = self.lock();
        for passage in passages.iter().rev() {
            let session = passage.session.as_str().into();
            if passage.end.is_some() {
                state.over.push_front(session);
            } else {
                state.begun.push_front(session);
            }
        }
    }

    /// Ends one that is open; false if there is none.
    pub(crate) fn end(&self, session: &str, status: Status, reason: &str) -> bool {
        match self.lock().known.get(session).and_then(|known| known.open.as_ref()) {
            Some(open) => {
                open.end(status, reason);
                true
            }
            None => false,
        }
    }

    /// Their counters, also of those whose end is not noted yet.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, SessionState> {
        self.lock().known.iter().map(|(session, known)| (session.to_string(), known.state())).collect()
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        let state = self.lock();
        state.known.len() - state.known.values().filter(|known| known.open.is_none()).count()
    }

    /// Whether the store knows all there is to know.
    pub(super) fn is_settled(&self) -> bool {
        self.lock().known.is_empty()
    }

    /// How many the store has never heard of.
    pub(crate) fn unlisted(&self) -> u64 {
        self.unlisted.load(Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self, session: &str) -> Option<Passage> {
        let known = self.known.get_mut(session)?;
        self.unheard -= usize::from(known.open.is_none() && !known.told);
        known.told = true;
        Some(known.passage.clone())
    }
}

impl Known {
    fn state(&self) -> SessionState {
        let (client_bytes, upstream_bytes) = match (&self.open, &self.passage.end) {
            (Some(open), _) => (open.sent_bytes(), open.received_bytes()),
            (None, Some(end)) => (end.client_bytes, end.upstream_bytes),
            (None, None) => (0, 0),
        };
        SessionState { statements: 0, client_bytes, upstream_bytes, records: 0, head: String::new() }
    }
}

impl Sink for Passages {
    fn opened(&self, access: &Access, open: Open) -> Arc<str> {
        let session: Arc<str> = Uuid::new_v4().to_string().into();
        let passage = begun(&session, access, &open);
        let mut state = self.lock();
        state.known.insert(Arc::clone(&session), Known { passage, open: Some(open), told: false });
        state.begun.push_back(Arc::clone(&session));
        drop(state);
        self.changed.notify_one();
        session
    }

    fn ended(&self, session: &str, access: &Access) {
        let mut state = self.lock();
        let Some((session, _)) = state.known.get_key_value(session) else { return };
        let (session, crowded) = (Arc::clone(session), state.unheard >= MOST_UNHEARD);
        let Some(known) = state.known.get_mut(&session) else { return };
        let end = ended(access, known.open.take().as_ref().and_then(Open::ending));
        self.metrics.session_ended("egress", end.status, end.client_bytes, end.upstream_bytes, 0);
        if crowded && !known.told {
            state.known.remove(&session);
            self.unlisted.fetch_add(1, Relaxed);
            return;
        }
        known.passage.verdict = access.verdict.name();
        known.passage.end = Some(end);
        let unheard = !known.told;
        state.unheard += usize::from(unheard);
        state.over.push_back(session);
        drop(state);
        self.changed.notify_one();
    }
}

fn begun(session: &str, access: &Access, open: &Open) -> Passage {
    let (user, token) = match open.proven() {
        Some(proven) => (proven.account.to_string(), proven.id.to_string()),
        None => (String::new(), String::new()),
    };
    Passage {
        session: session.to_owned(),
        principal: access.principal.as_deref().unwrap_or_default().to_owned(),
        user,
        token,
        peer: access.peer.to_string(),
        target: access.target.as_ref().unwrap_or(&access.requested).clone(),
        rule: access.rule.as_deref().map(str::to_owned),
        verdict: access.verdict.name(),
        started_at: micros(),
        end: None,
    }
}

fn ended(access: &Access, ending: Option<&Ending>) -> PassageEnd {
    let status = match (access.verdict, ending) {
        (Verdict::Allowed, _) => Status::Closed,
        (Verdict::Cut, Some(Ending::Wanted(status, _))) => *status,
        (Verdict::Cut, Some(Ending::Silence(_) | Ending::Time)) => Status::Expired,
        _ => Status::Failed,
    };
    PassageEnd {
        status,
        reason: access.error.clone(),
        client_bytes: access.sent_bytes,
        upstream_bytes: access.received_bytes,
        at: micros(),
    }
}
