//! Workers that are attached, by group. A change copies the list that it touches; requests read without a lock.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use penstock_domain::{Code, Error, Side};
use penstock_link::{Link, tls::Certificate};
use tokio_util::sync::CancellationToken;

use crate::{
    Group, GroupConfig, Worker, WorkerState, group::Serving, metrics::Metrics, worker, worker::Attached,
};

/// Hears of workers that come and go, in order. It is called under a lock and must return at once.
pub trait Watch: Send + Sync + 'static {
    /// A worker's first link is up.
    fn attached(&self, worker: &WorkerState);
    /// A worker's last link has gone.
    fn detached(&self, worker: &WorkerState);
}

/// Nobody hears of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn attached(&self, _worker: &WorkerState) {}
    fn detached(&self, _worker: &WorkerState) {}
}

/// Every group and its workers.
pub(crate) struct Workers {
    registry: Mutex<Registry>,
    watch: Arc<dyn Watch>,
    metrics: Arc<Metrics>,
    /// Streams on one link at once.
    streams: usize,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Registry {
    groups: HashMap<String, Arc<Group>>,
    revoked: HashSet<String>,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

impl Workers {
    pub(crate) fn new(watch: Arc<dyn Watch>, metrics: Arc<Metrics>, streams: usize) -> Self {
        Self { registry: Mutex::default(), watch, metrics, streams, next: AtomicU64::new(0) }
    }

    /// The group of that name; made if there is none.
    pub(crate) fn group(&self, name: &str) -> Arc<Group> {
        self.group_in(&mut self.lock(), name)
    }

    /// From now on these groups serve so, and every other one as groups do by default. Those that nobody has a use
    /// for any more are forgotten.
    pub(crate) fn serve(&self, configs: &[GroupConfig]) {
        let mut registry = self.lock();
        registry.groups.retain(|_, group| !group.list().is_empty() || Arc::strong_count(group) > 1);
        for config in configs {
            self.group_in(&mut registry, &config.name);
        }
        for group in registry.groups.values() {
            let config = configs.iter().find(|config| config.name == group.name());
            group.serve(config.map_or_else(Serving::default, Serving::new));
        }
    }

    pub(crate) fn states(&self) -> Vec<WorkerState> {
        let registry = self.lock();
        let mut states: Vec<_> = registry.groups.values().flat_map(|group| group.workers()).collect();
        drop(registry);
        states.sort_by(|a, b| (&a.group, &a.name, &a.fingerprint).cmp(&(&b.group, &b.name, &b.fingerprint)));
        states
    }

    /// Adds a link to its worker.
    pub(crate) fn attach(
        self: &Arc<Self>,
        link: Link,
        certificate: Certificate,
        group: &str,
    ) -> Result<Attachment, Error> {
        let mut registry = self.lock();
        if registry.revoked.iter().any(|who| worker::is(&certificate, who)) {
            return Err(revoked());
        }
        let group = self.group_in(&mut registry, group);
        let link = Arc::new(Attached::new(link, self.streams));
        let mut workers = group.list().as_ref().clone();
        let known = workers.iter().find(|worker| worker.certificate.fingerprint == certificate.fingerprint);
        let worker = if let Some(known) = known {
            let known = Arc::clone(known);
            known.add(Arc::clone(&link));
            known
        } else {
            let worker = Arc::new(Worker::new(self.next.fetch_add(1, Relaxed), certificate, now()));
            worker.add(Arc::clone(&link));
            workers.push(Arc::clone(&worker));
            group.set(workers);
            group.metrics.workers.inc();
            self.watch.attached(&worker.state(group.name()));
            worker
        };
        group.metrics.links.inc();
        group.attached();
        drop(registry);
        Ok(Attachment { workers: Arc::clone(self), group, worker, link })
    }

    fn detach(&self, Attachment { group, worker, link, .. }: &Attachment) {
        let registry = self.lock();
        group.metrics.links.dec();
        if worker.remove(link) {
            let mut workers = group.list().as_ref().clone();
            workers.retain(|each| !Arc::ptr_eq(each, worker));
            group.set(workers);
            group.metrics.workers.dec();
            self.watch.detached(&worker.state(group.name()));
        }
        drop(registry);
    }

    /// Ends the links of those for whom `gone` holds; says how many.
    pub(crate) fn end(&self, gone: impl Fn(&Worker, &Group) -> bool) -> usize {
        let registry = self.lock();
        let groups = registry.groups.values();
        groups
            .flat_map(|group| {
                group.list().iter().map(|worker| (Arc::clone(group), Arc::clone(worker))).collect::<Vec<_>>()
            })
            .filter(|(group, worker)| gone(worker, group))
            .map(|(_, worker)| worker.close())
            .sum()
    }

    /// Asks every worker to dial elsewhere.
    pub(crate) fn go_away(&self) {
        for group in self.lock().groups.values() {
            group.list().iter().for_each(|worker| worker.go_away());
        }
    }

    /// Ends the links of a certificate's owner, and takes no more of it; says how many.
    pub(crate) fn revoke(&self, who: &str) -> usize {
        self.lock().revoked.insert(who.to_owned());
        self.end(|worker, _| worker.is(who))
    }

    /// Takes links of it again; false if it was not revoked.
    pub(crate) fn restore(&self, who: &str) -> bool {
        self.lock().revoked.remove(who)
    }

    fn group_in(&self, registry: &mut Registry, name: &str) -> Arc<Group> {
        if let Some(group) = registry.groups.get(name) {
            return Arc::clone(group);
        }
        let group = Arc::new(Group::new(name, Serving::default(), self.metrics.group(name)));
        registry.groups.insert(name.to_owned(), Arc::clone(&group));
        group
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A link among those of its worker. Dropped, it is no longer; the link ends once its requests have.
#[derive(Debug)]
pub struct Attachment {
    workers: Arc<Workers>,
    group: Arc<Group>,
    worker: Arc<Worker>,
    link: Arc<Attached>,
}

impl Attachment {
    /// Holds the link until it is lost, or until `leave`; cancelling `close` resets its requests.
    pub async fn hold(self, leave: &CancellationToken, close: &CancellationToken) {
        tokio::select! {
            () = self.link.link.lost() => {}
            () = leave.cancelled() => {}
            () = close.cancelled() => self.link.link.close(),
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.workers.detach(self);
    }
}

fn revoked() -> Error {
    Error::new(Code::Forbidden, Side::Agent, "the worker's certificate was revoked here")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
