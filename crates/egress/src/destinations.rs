//! The destinations that are known: what is under way, what has passed, and the connections that rest.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Instant,
};

use crate::{
    breakers::{Load, Loads},
    outliers::Outliers,
    target::Target,
    traffic::Traffic,
    upstream::Pool,
};

/// One host and port.
#[derive(Debug)]
pub(crate) struct Destination {
    /// `HOST:PORT`.
    pub name: Arc<str>,
    pub loads: Loads,
    pub traffic: Traffic,
    /// All destinations together.
    pub total: Arc<Traffic>,
    pub outliers: Outliers,
    pub pool: Pool,
}

impl Destination {
    /// Counts for the destination and for all together.
    pub(crate) fn count(&self, count: impl Fn(&Traffic)) {
        count(&self.traffic);
        count(&self.total);
    }
}

/// All of them, bounded; idle ones make room.
#[derive(Debug)]
pub(crate) struct Destinations {
    by_target: RwLock<HashMap<Target, Arc<Destination>>>,
    /// What is under way to all together.
    pub load: Arc<Load>,
    /// What has passed to all together.
    pub total: Arc<Traffic>,
    /// What had passed to those that made room.
    pub gone: Traffic,
}

type Known = HashMap<Target, Arc<Destination>>;

impl Destinations {
    pub(crate) fn new() -> Self {
        Self {
            by_target: RwLock::default(),
            load: Arc::default(),
            total: Arc::default(),
            gone: Traffic::default(),
        }
    }

    /// The destination; none if there are `most`, and all of them are in use.
    pub(crate) fn get(&self, target: &Target, most: usize) -> Option<Arc<Destination>> {
        if let Some(known) = self.read().get(target) {
            return Some(Arc::clone(known));
        }
        let mut known = self.by_target.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(target) {
            return Some(Arc::clone(known));
        }
        if known.len() >= most {
            self.make_room(&mut known, most);
        }
        if known.len() >= most {
            return None;
        }
        let new = Arc::new(Destination {
            name: target.to_string().into(),
            loads: Loads { overall: Arc::clone(&self.load), destination: Arc::default() },
            traffic: Traffic::default(),
            total: Arc::clone(&self.total),
            outliers: Outliers::default(),
            pool: Pool::default(),
        });
        known.insert(target.clone(), Arc::clone(&new));
        Some(new)
    }

    /// Those that are known at this moment.
    pub(crate) fn all(&self) -> Vec<Arc<Destination>> {
        self.read().values().map(Arc::clone).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.by_target.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops a tenth, so that a flood of names does not look at all of them for each. Those with resting
    /// connections go only if there are too few without.
    fn make_room(&self, known: &mut Known, most: usize) {
        let wanted = known.len().saturating_sub(most) + (most / 10).max(1);
        let idle = |destination: &Arc<Destination>| Arc::strong_count(destination) == 1;
        for with_resting in [false, true] {
            let mut left = wanted.saturating_sub(most.saturating_sub(known.len()));
            known.retain(|_, destination| {
                if with_resting && idle(destination) {
                    destination.pool.clear();
                }
                let goes = left > 0 && idle(destination) && destination.loads.destination.is_idle();
                if goes {
                    left -= 1;
                    self.gone.absorb(&destination.traffic);
                }
                !goes
            });
            if known.len() < most {
                return;
            }
        }
    }

    /// Closes connections that have rested since before `oldest`.
    pub(crate) fn sweep(&self, oldest: Instant) {
        for destination in self.all() {
            destination.pool.sweep(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{breakers::Resource, config::Breakers};

    fn target(number: usize) -> Target {
        Target::parse(&format!("h{number}.example:80"), None).unwrap()
    }

    #[test]
    fn idle_ones_make_room_and_their_counts_stay() {
        let destinations = Destinations::new();
        let busy = destinations.get(&target(0), 2).unwrap();
        let place = busy.loads.enter(Resource::Request, &Breakers::default()).unwrap();
        drop(busy);
        for number in 1..10 {
            let one = destinations.get(&target(number), 2).unwrap();
            one.count(|traffic| traffic.requests.add(1));
        }
        assert_eq!((destinations.total.requests.get(), destinations.gone.requests.get()), (9, 8));
        let held = destinations.get(&target(9), 2).unwrap();
        assert!(destinations.get(&target(10), 2).is_none(), "both are in use");
        drop((held, place));
        assert!(destinations.get(&target(10), 2).is_some());
    }
}
