//! The links that this side dials and serves: dial, serve, redial.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use penstock_domain::{Code, Error, Side};
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Incoming, Keepalive, Redial, Serve,
    carrier::{Dialled, Dialler},
    serve,
};

/// A link that lived so long was really accepted; one that ends at once must not be redialled at once for ever.
const ACCEPTED: Duration = Duration::from_secs(5);

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
    /// Links that are up.
    pub links: usize,
    /// Streams that are open on them.
    pub streams: usize,
    /// What kept the last attempt from succeeding.
    pub error: Option<Error>,
}

/// What the links have in common.
#[derive(Debug, Default)]
struct Shared {
    up: AtomicUsize,
    /// Links that have been up.
    ready: watch::Sender<usize>,
    /// Streams that are open, by the link's number.
    streams: Mutex<BTreeMap<usize, Arc<AtomicUsize>>>,
    error: Mutex<Option<Error>>,
    end: watch::Sender<Option<Error>>,
}

/// One of the links.
struct Slot<H> {
    number: usize,
    dialling: Dialling,
    handler: H,
    shared: Arc<Shared>,
    ready: AtomicBool,
    drain: CancellationToken,
    close: CancellationToken,
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
                ready: AtomicBool::new(false),
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
            links: self.up.load(Ordering::Relaxed),
            streams: locked(&self.streams).values().map(|streams| streams.load(Ordering::Relaxed)).sum(),
            error: locked(&self.error).clone(),
        }
    }

    fn note(&self, error: Option<Error>) {
        *locked(&self.error) = error;
    }

    fn was_accepted(&self) -> bool {
        *self.ready.borrow() > 0
    }
}

impl<H, F> Slot<H>
where
    H: Fn(Incoming) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    async fn run(self) {
        let mut redial = Redial::default();
        while !self.drain.is_cancelled() {
            let dialled = tokio::select! {
                dialled = self.dialling.dialler.dial() => dialled,
                () = self.drain.cancelled() => return,
            };
            match dialled {
                Ok(dialled) => {
                    if self.serve(dialled).await {
                        redial.accepted();
                    }
                }
                Err(error) if self.is_final(&error) => {
                    self.shared.end.send_replace(Some(error));
                    return;
                }
                Err(error) => self.report(error),
            }
            tokio::select! {
                () = tokio::time::sleep(redial.wait()) => {}
                () = self.drain.cancelled() => return,
            }
        }
    }

    /// Serves one link until it ends. Says whether the peer really accepted it: that it lived, or had work.
    async fn serve(&self, dialled: Dialled) -> bool {
        let mut options = Serve::new(self.drain.clone(), self.close.clone());
        options.keepalive = self.dialling.keepalive;
        options.streams = self.dialling.streams;
        options.reversed = true;
        locked(&self.shared.streams).insert(self.number, Arc::clone(&options.in_flight));
        let established = options.established.clone();
        let (up, worked) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let (handler, working) = (self.handler.clone(), Arc::clone(&worked));
        let serving = serve(dialled.bytes, options, move |incoming| {
            working.store(true, Ordering::Relaxed);
            handler(incoming)
        });
        tokio::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => Err(ended),
            () = established.cancelled() => Ok(()),
        };
        let standing = ended.is_ok().then(|| self.up());
        let ended = match ended {
            Ok(()) => serving.await,
            Err(ended) => ended,
        };
        drop((standing, dialled.outer));
        self.over(established.is_cancelled(), ended.err());
        established.is_cancelled() && (worked.load(Ordering::Relaxed) || up.elapsed() >= ACCEPTED)
    }

    /// Counts the link as up until what it returns is dropped.
    fn up(&self) -> impl Drop + use<H, F> {
        self.shared.up.fetch_add(1, Ordering::Relaxed);
        self.shared.note(None);
        if !self.ready.swap(true, Ordering::Relaxed) {
            self.shared.ready.send_modify(|ready| *ready += 1);
        }
        tracing::info!(target: "penstock::link", link = self.number, "link up");
        Up(Arc::clone(&self.shared))
    }

    fn over(&self, established: bool, why: Option<String>) {
        let peer = self.dialling.peer;
        let why = why.unwrap_or_else(|| match self.drain.is_cancelled() {
            true => "drained".into(),
            false => format!("ended by the {peer}"),
        });
        if established {
            // HAProxy ends idle links without a word: nothing is wrong.
            tracing::info!(target: "penstock::link", link = self.number, why, "link down");
        } else if !self.drain.is_cancelled() {
            self.report(
                Error::new(Code::Lost, Side::Gateway, format!("the {peer} did not accept the link: {why}"))
                    .hint("a certificate must be from the CA that it asks for, in date and not revoked"),
            );
        }
    }

    /// An identity that was never accepted is wrong; one that was may be accepted again.
    fn is_final(&self, error: &Error) -> bool {
        matches!(error.code, Code::Unauthenticated | Code::Forbidden) && !self.shared.was_accepted()
    }

    fn report(&self, error: Error) {
        let (peer, hint) = (self.dialling.peer, error.hint.as_deref().unwrap_or_default());
        tracing::warn!(target: "penstock::link", link = self.number, %error, hint, "cannot reach the {peer}");
        self.shared.note(Some(error));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A link that is up.
struct Up(Arc<Shared>);

impl Drop for Up {
    fn drop(&mut self) {
        self.0.up.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<H> fmt::Debug for Slot<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("number", &self.number).finish_non_exhaustive()
    }
}
