//! How much one credential may ask at once: its flood is its own, and nobody else's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Decisions that are made for one credential at once, on all its links together; further ones wait. Far below what
/// the decider takes from all, far above what one interpreter does at a time.
const AT_ONCE: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Weak<Semaphore>>>);

/// The turns of one credential.
#[derive(Clone, Debug)]
pub(crate) struct Queue(Arc<Semaphore>);

impl Turns {
    /// Those of a credential, the same for all who ask while one of them has it.
    pub(crate) fn of(&self, credential: &str) -> Queue {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, queue| queue.strong_count() > 0);
        if let Some(known) = turns.get(credential).and_then(Weak::upgrade) {
            return Queue(known);
        }
        let queue = Arc::new(Semaphore::new(AT_ONCE));
        turns.insert(credential.to_owned(), Arc::downgrade(&queue));
        Queue(queue)
    }
}

impl Queue {
    /// Waits for a turn, which lasts as long as what is returned; none only if the queue was closed, which nobody
    /// does.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.0.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_credential_waits_for_itself_alone() {
        let turns = Turns::default();
        let (first, second, other) = (turns.of("a"), turns.of("a"), turns.of("b"));
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE {
            taken.push(first.turn().await);
        }
        assert!(second.0.try_acquire().is_err(), "another link, the same credential");
        assert!(other.0.try_acquire().is_ok());
        taken.pop();
        assert!(second.0.try_acquire().is_ok());
    }

    #[tokio::test]
    async fn a_credential_that_nobody_has_is_forgotten() {
        let turns = Turns::default();
        drop(turns.of("a"));
        let _other = turns.of("b");
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
