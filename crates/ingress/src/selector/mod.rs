//! How a worker is chosen for a request.

mod affinity;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use http::request::Parts;

use crate::{SelectorConfig, Worker, WorkerState};

pub(crate) use affinity::Affinity;

/// A way of choosing that is the driver's own. It is asked for every request and every further attempt: the slow path.
#[async_trait::async_trait]
pub trait Select: Send + Sync + 'static {
    /// The place of the worker in `workers`, all of which have room; none if the request is for none of them.
    async fn select(&self, head: &Parts, workers: &[WorkerState]) -> Option<usize>;
}

/// The selector of one group.
#[derive(Debug)]
pub(crate) struct Selector {
    config: SelectorConfig,
    turn: AtomicUsize,
}

impl Selector {
    pub(crate) const fn new(config: SelectorConfig) -> Self {
        Self { config, turn: AtomicUsize::new(0) }
    }

    pub(crate) const fn is_custom(&self) -> bool {
        matches!(self.config, SelectorConfig::Custom)
    }

    /// What keeps the request's caller with one worker; taken once for all attempts.
    pub(crate) fn affinity(&self, head: &Parts) -> Affinity {
        match &self.config {
            SelectorConfig::Cookie { name } => Affinity::of_cookie(&head.headers, name),
            SelectorConfig::Header { name } => Affinity::of_header(&head.headers, name),
            _ => Affinity::None,
        }
    }

    /// One of the workers for which `usable` holds.
    pub(crate) fn choose<'a>(
        &self,
        affinity: &Affinity,
        workers: &'a [Arc<Worker>],
        usable: impl Fn(&Arc<Worker>) -> bool,
    ) -> Option<&'a Arc<Worker>> {
        if let Some(key) = affinity.key() {
            let candidates = workers.iter().filter(|worker| usable(worker));
            return candidates.max_by_key(|worker| (affinity::weight(key, worker.name()), worker.number));
        }
        match self.config {
            SelectorConfig::RoundRobin => self.next(workers, usable),
            SelectorConfig::PowerOfTwo => {
                two(workers, &usable).or_else(|| least_in_flight(workers.iter(), usable))
            }
            _ => least_in_flight(workers.iter(), usable),
        }
    }

    fn next<'a>(
        &self,
        workers: &'a [Arc<Worker>],
        usable: impl Fn(&Arc<Worker>) -> bool,
    ) -> Option<&'a Arc<Worker>> {
        let first = self.turn.fetch_add(1, Relaxed).checked_rem(workers.len())?;
        workers.iter().cycle().skip(first).take(workers.len()).find(|worker| usable(worker))
    }
}

fn least_in_flight<'a>(
    workers: impl Iterator<Item = &'a Arc<Worker>>,
    usable: impl Fn(&Arc<Worker>) -> bool,
) -> Option<&'a Arc<Worker>> {
    // Looking at loads first costs less than asking each for room.
    let mut best: Option<(&Arc<Worker>, usize)> = None;
    for worker in workers {
        let load = worker.in_flight();
        if best.is_none_or(|(_, least)| load < least) && usable(worker) {
            best = Some((worker, load));
        }
    }
    best.map(|(worker, _)| worker)
}

/// The less busy of two at random; none if neither is usable.
fn two(workers: &[Arc<Worker>], usable: impl Fn(&Arc<Worker>) -> bool) -> Option<&Arc<Worker>> {
    if workers.is_empty() {
        return None;
    }
    let drawn: [usize; 2] = std::array::from_fn(|_| rand::random_range(0..workers.len()));
    least_in_flight(drawn.iter().filter_map(|at| workers.get(*at)), usable)
}
