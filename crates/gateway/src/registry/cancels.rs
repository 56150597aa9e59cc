//! Cancel keys that the gateway mints, and the backend that each of them stands for.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use penstock_domain::Plan;
use rand::Rng as _;
use tokio::sync::mpsc;

/// A process number and a secret, as PostgreSQL's BackendKeyData carries them.
pub(crate) type Key = (i32, [u8; 4]);

#[derive(Debug, Default)]
pub(crate) struct Cancels(Arc<Mutex<HashMap<Key, Cancellable>>>);

/// What a key leads to. It works for the same principal on the same connection only.
#[derive(Clone, Debug)]
pub(crate) struct Cancellable {
    pub principal: String,
    pub plan: Arc<Plan>,
    /// The server's own key; none if it named none.
    pub backend: Option<(i32, Bytes)>,
    /// Tells the session, so that its recording says so.
    pub cancelled: mpsc::Sender<()>,
}

/// A minted key for as long as its session lives.
#[derive(Debug)]
pub(crate) struct Minted {
    pub key: Key,
    cancels: Arc<Mutex<HashMap<Key, Cancellable>>>,
}

impl Cancels {
    pub(crate) fn mint(&self, target: Cancellable) -> Minted {
        let mut cancels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut random = rand::rng();
        loop {
            let key: Key = (random.random_range(1..i32::MAX), random.random());
            if let Entry::Vacant(place) = cancels.entry(key) {
                place.insert(target);
                return Minted { key, cancels: Arc::clone(&self.0) };
            }
        }
    }

    /// The backend behind a key, if it is this principal's on this connection.
    pub(crate) fn find(&self, key: Key, principal: &str, connection: &str) -> Option<Cancellable> {
        let cancels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cancels.get(&key)?;
        (found.principal == principal && found.plan.connection == connection).then(|| found.clone())
    }
}

impl Drop for Minted {
    fn drop(&mut self) {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
