//! The names that could not be resolved, apart from those that could: a flood of them pushes out only its own
//! kind.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

use super::Fault;

/// Bounded; the oldest makes room.
#[derive(Debug)]
pub(super) struct Absent {
    most: usize,
    by_name: HashMap<Arc<str>, (Fault, Instant)>,
    order: VecDeque<(Arc<str>, Instant)>,
}

impl Absent {
    pub(super) fn new(most: usize) -> Self {
        Self { most, by_name: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn get(&self, host: &str, now: Instant) -> Option<Fault> {
        let (fault, until) = self.by_name.get(host)?;
        (now < *until).then(|| fault.clone())
    }

    pub(super) fn add(&mut self, host: &Arc<str>, fault: Fault, until: Instant) {
        self.by_name.insert(Arc::clone(host), (fault, until));
        self.order.push_back((Arc::clone(host), until));
        while self.order.len() > self.most {
            let Some((host, until)) = self.order.pop_front() else { return };
            if self.by_name.get(&host).is_some_and(|(_, newest)| *newest == until) {
                self.by_name.remove(&host);
            }
        }
    }

    pub(super) fn remove(&mut self, host: &str) {
        self.by_name.remove(host);
    }
}
