//! Workers that serve the same thing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::request::Parts;
use tokio::sync::Notify;

use crate::{
    GroupConfig, Select, SelectorConfig, Worker, WorkerState,
    metrics::GroupMetrics,
    selector::{Affinity, Selector},
    worker::Lease,
};

/// A group: its workers, and how one of them is chosen.
#[derive(Debug)]
pub struct Group {
    name: String,
    workers: ArcSwap<Vec<Arc<Worker>>>,
    serving: ArcSwap<Serving>,
    pub(crate) metrics: GroupMetrics,
    /// Woken when a worker has attached, or when a request has ended.
    changed: Notify,
    waiting: AtomicUsize,
}

/// How a group serves; swapped as a whole.
#[derive(Debug)]
pub(crate) struct Serving {
    pub selector: Selector,
    /// Until the head of an answer; none as in the settings.
    pub head: Option<Duration>,
}

impl Default for Serving {
    fn default() -> Self {
        Self { selector: Selector::new(SelectorConfig::default()), head: None }
    }
}

impl Serving {
    pub(crate) fn new(config: &GroupConfig) -> Self {
        Self {
            selector: Selector::new(config.selector.clone()),
            head: config.head_seconds.map(Duration::from_secs),
        }
    }
}

/// What a request asks of the worker that is chosen for it.
pub(crate) struct Wish<'a> {
    pub head: &'a Parts,
    pub affinity: &'a Affinity,
    /// Workers, by number, that have failed it.
    pub avoid: &'a [u64],
    /// Whether the link has to take extended CONNECT.
    pub upgrade: bool,
}

impl Group {
    pub(crate) fn new(name: &str, serving: Serving, metrics: GroupMetrics) -> Self {
        Self {
            name: name.to_owned(),
            workers: ArcSwap::default(),
            serving: ArcSwap::from_pointee(serving),
            metrics,
            changed: Notify::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its workers, as they are at this moment.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerState> {
        self.workers.load().iter().map(|worker| worker.state(&self.name)).collect()
    }

    pub(crate) fn serving(&self) -> Arc<Serving> {
        self.serving.load_full()
    }

    pub(crate) fn serve(&self, serving: Serving) {
        self.serving.store(Arc::new(serving));
    }

    pub(crate) fn list(&self) -> Arc<Vec<Arc<Worker>>> {
        self.workers.load_full()
    }

    /// The caller holds the registry's lock.
    pub(crate) fn set(&self, workers: Vec<Arc<Worker>>) {
        self.workers.store(Arc::new(workers));
    }

    /// A place on a link of a worker; none if no worker has room. Workers that have failed the request are taken
    /// only where there is no other.
    pub(crate) async fn lease(
        &self,
        serving: &Serving,
        select: Option<&dyn Select>,
        wish: &Wish<'_>,
    ) -> Option<Lease> {
        match select.filter(|_| serving.selector.is_custom()) {
            None => self.choose(serving, wish),
            Some(select) => self.ask(select, wish).await,
        }
    }

    fn choose(&self, serving: &Serving, wish: &Wish<'_>) -> Option<Lease> {
        let workers = self.workers.load();
        let has_room = |worker: &Arc<Worker>| worker.has_room(wish.upgrade);
        let fresh = |worker: &Arc<Worker>| !wish.avoid.contains(&worker.number) && has_room(worker);
        let chosen = serving.selector.choose(wish.affinity, &workers, fresh);
        let chosen = match chosen {
            None if !wish.avoid.is_empty() => serving.selector.choose(wish.affinity, &workers, has_room),
            chosen => chosen,
        };
        chosen?.lease(wish.upgrade)
    }

    async fn ask(&self, select: &dyn Select, wish: &Wish<'_>) -> Option<Lease> {
        let workers = self.list();
        let mut usable: Vec<_> = workers.iter().filter(|worker| worker.has_room(wish.upgrade)).collect();
        if usable.iter().any(|worker| !wish.avoid.contains(&worker.number)) {
            usable.retain(|worker| !wish.avoid.contains(&worker.number));
        }
        if usable.is_empty() {
            return None;
        }
        let states: Vec<_> = usable.iter().map(|worker| worker.state(&self.name)).collect();
        let chosen = select.select(wish.head, &states).await?;
        usable.get(chosen)?.lease(wish.upgrade)
    }

    /// Wakes those who wait: a worker has attached.
    pub(crate) fn attached(&self) {
        self.changed.notify_waiters();
    }

    /// Wakes one who waits: a request has ended.
    pub(crate) fn released(&self) {
        if self.waiting.load(Relaxed) > 0 {
            self.changed.notify_one();
        }
    }

    /// Tries until there is a place.
    pub(crate) async fn wait(
        &self,
        serving: &Serving,
        select: Option<&dyn Select>,
        wish: &Wish<'_>,
    ) -> Lease {
        let _counted = Waiting::count(&self.waiting);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Heard from now on: what changes during the attempt is not missed.
            changed.as_mut().enable();
            if let Some(lease) = self.lease(serving, select, wish).await {
                return lease;
            }
            changed.await;
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn count(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
