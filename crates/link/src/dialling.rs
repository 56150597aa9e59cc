//! The links that this side dials and serves: dial, serve, dial again.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use penstock_domain::Error;
use serde::Serialize;
use tokio::{sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Incoming, Keepalive, carrier::Dialler, slot::Slot};

/// How links are dialled and served.
#[derive(Clone, Debug)]
pub struct Dialling {
    /// Whom to dial, and as whom.
    pub dialler: Dialler,
    /// What the peer is to people: `gateway` or `proxy`.
    pub peer: &'static str,
    /// Links to hold, at least one.
    pub links: usize,
    /// Streams that the peer may open on one of them.
    pub streams: u32,
    /// When the peer is asked whether it lives.
    pub keepalive: Keepalive,
}

/// The links of a [`Dialling`].
#[derive(Debug)]
pub struct Links {
    held: usize,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    drain: CancellationToken,
    close: CancellationToken,
}

/// How links stand at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Links that are up, and take streams.
    pub links: usize,
    /// Streams that are open.
    pub streams: usize,
    /// Attempts to dial, since the start.
    pub dials: u64,
    /// What kept the last attempt from succeeding.
    pub error: Option<Error>,
}

/// What the links have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Links that are up, and take streams.
    up: watch::Sender<usize>,
    /// Places whose link has been up.
    ready: watch::Sender<usize>,
    /// Streams that are open, by the number of the link.
    streams: Mutex<BTreeMap<u64, Arc<AtomicUsize>>>,
    next: AtomicU64,
    dials: AtomicU64,
    error: Mutex<Option<Error>>,
    end: watch::Sender<Option<Error>>,
}

impl Dialling {
    /// Starts dialling; to be called inside a runtime. Each stream runs `handler` in a task.
    pub fn start<H, F>(self, handler: H) -> Links
    where
        H: Fn(Incoming) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let links = Links {
            held: self.links.max(1),
            shared: Arc::default(),
            tasks: TaskTracker::new(),
            drain: CancellationToken::new(),
            close: CancellationToken::new(),
        };
        for number in 0..links.held {
            let slot = Slot {
                number,
                dialling: self.clone(),
                handler: handler.clone(),
                shared: Arc::clone(&links.shared),
                tasks: links.tasks.clone(),
                drain: links.drain.clone(),
                close: links.close.clone(),
            };
            links.tasks.spawn(slot.run());
        }
        links.tasks.close();
        links
    }
}

impl Links {
    /// How they stand.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.shared.standing()
    }

    /// How they stand, for those who ask later.
    pub fn watch(&self) -> impl Fn() -> Standing + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.standing()
    }

    /// Resolves once each of them has been up.
    pub async fn ready(&self) {
        // Its sender lives as long as we do.
        let mut ready = self.shared.ready.subscribe();
        let _ready = ready.wait_for(|ready| *ready >= self.held).await;
    }

    /// Resolves with an error that dialling again cannot mend.
    pub async fn ended(&self) -> Error {
        let mut end = self.shared.end.subscribe();
        let error = end.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        match error {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Resolves when they are told to close at once.
    #[must_use]
    pub fn close(&self) -> CancellationToken {
        self.close.clone()
    }

    /// Takes no more streams, lets those that are open finish for `grace`, then closes. Says whether all finished.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.drain.cancel();
        let finished = timeout(grace, self.tasks.wait()).await.is_ok();
        self.close.cancel();
        if !finished {
            // The links' close is itself bounded to a second.
            let _closed = timeout(Duration::from_secs(2), self.tasks.wait()).await;
        }
        finished
    }
}

impl Shared {
    fn standing(&self) -> Standing {
        Standing {
            links: *self.up.borrow(),
            streams: locked(&self.streams).values().map(|streams| streams.load(Ordering::Relaxed)).sum(),
            dials: self.dials.load(Ordering::Relaxed),
            error: locked(&self.error).clone(),
        }
    }

    pub(crate) fn count_dial(&self) {
        self.dials.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note(&self, error: Option<Error>) {
        *locked(&self.error) = error;
    }

    /// Ends all, for dialling again cannot mend it.
    pub(crate) fn end(&self, error: Error) {
        self.end.send_replace(Some(error));
    }

    pub(crate) fn was_accepted(&self) -> bool {
        *self.ready.borrow() > 0
    }

    /// A place has its first link.
    pub(crate) fn first_up(&self) {
        self.ready.send_modify(|ready| *ready += 1);
    }

    /// Resolves once a link is up.
    pub(crate) async fn any_up(&self) {
        let mut up = self.up.subscribe();
        // Its sender lives as long as we do.
        let _up = up.wait_for(|up| *up > 0).await;
    }

    /// Counts a link as up until what it returns is dropped.
    pub(crate) fn up(self: &Arc<Self>) -> Up {
        self.up.send_modify(|up| *up += 1);
        self.note(None);
        Up(Arc::clone(self))
    }

    /// Counts a link's streams until what it returns is dropped.
    pub(crate) fn count(self: &Arc<Self>, streams: &Arc<AtomicUsize>) -> Counted {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        locked(&self.streams).insert(number, Arc::clone(streams));
        Counted(Arc::clone(self), number)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A link that is up.
pub(crate) struct Up(Arc<Shared>);

impl Drop for Up {
    fn drop(&mut self) {
        self.0.up.send_modify(|up| *up -= 1);
    }
}

/// A link whose streams count.
pub(crate) struct Counted(Arc<Shared>, u64);

impl Drop for Counted {
    fn drop(&mut self) {
        locked(&self.0.streams).remove(&self.1);
    }
}
