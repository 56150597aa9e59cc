//! The names that exist: bounded, the least recently used one makes room.

use std::{collections::HashMap, sync::Arc};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Addresses;

/// The names, by name.
#[derive(Debug)]
pub(super) struct Hosts {
    most: usize,
    by_name: HashMap<Arc<str>, Host>,
}

#[derive(Debug)]
struct Host {
    addresses: Addresses,
    /// Until when the addresses may be used.
    until: Instant,
    used: Instant,
    pinned: bool,
    removed: CancellationToken,
}

/// A name that was added.
#[derive(Debug)]
pub(super) struct Added {
    /// Cancelled when it is removed.
    pub removed: CancellationToken,
    /// How many made room for it.
    pub evicted: u64,
}

impl Hosts {
    pub(super) fn new(most: usize) -> Self {
        Self { most, by_name: HashMap::new() }
    }

    pub(super) fn len(&self) -> u64 {
        self.by_name.len() as u64
    }

    /// The addresses of a name, which is used hereby.
    pub(super) fn get(&mut self, host: &str, now: Instant) -> Option<Addresses> {
        let host = self.by_name.get_mut(host).filter(|host| now <= host.until)?;
        host.used = now;
        Some(Arc::clone(&host.addresses))
    }

    /// Adds a name; none if every place is taken for good.
    pub(super) fn add(
        &mut self,
        host: &Arc<str>,
        addresses: &Addresses,
        until: Instant,
        now: Instant,
        pinned: bool,
    ) -> Option<Added> {
        let mut evicted = 0;
        while self.by_name.len() >= self.most {
            let oldest =
                self.by_name.iter().filter(|(_, host)| !host.pinned).min_by_key(|(_, host)| host.used);
            let name = Arc::clone(oldest?.0);
            self.remove(&name);
            evicted += 1;
        }
        let removed = CancellationToken::new();
        let addresses = Arc::clone(addresses);
        let entry = Host { addresses, until, used: now, pinned, removed: removed.clone() };
        if let Some(before) = self.by_name.insert(Arc::clone(host), entry) {
            before.removed.cancel();
        }
        Some(Added { removed, evicted })
    }

    /// New addresses of a known name; says whether they are others than before.
    pub(super) fn renew(&mut self, host: &str, addresses: &Addresses, until: Instant) -> Option<bool> {
        let host = self.by_name.get_mut(host)?;
        host.until = until;
        let changed = !same(&host.addresses, addresses);
        host.addresses = Arc::clone(addresses);
        Some(changed)
    }

    pub(super) fn remove(&mut self, host: &str) -> bool {
        self.by_name.remove(host).map(|host| host.removed.cancel()).is_some()
    }

    /// When it was last used.
    pub(super) fn used(&self, host: &str) -> Option<Instant> {
        self.by_name.get(host).map(|host| host.used)
    }

    pub(super) fn until(&self, host: &str) -> Option<Instant> {
        self.by_name.get(host).map(|host| host.until)
    }

    pub(super) fn is_usable(&self, host: &str, now: Instant) -> bool {
        self.by_name.get(host).is_some_and(|host| now < host.until)
    }
}

/// Whether two answers hold the same addresses, in whatever order: resolvers rotate them.
fn same(one: &Addresses, other: &Addresses) -> bool {
    one.len() == other.len() && one.iter().all(|address| other.contains(address))
}
