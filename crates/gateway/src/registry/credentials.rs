//! Links, by the credential that opened them, so that one that is revoked ends what it opened.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub(crate) struct Credentials(Arc<Mutex<Links>>);

#[derive(Debug, Default)]
struct Links {
    next: u64,
    open: HashMap<u64, (String, CancellationToken)>,
}

/// A link for as long as it lives.
#[derive(Debug)]
pub(crate) struct Registered {
    number: u64,
    links: Arc<Mutex<Links>>,
}

impl Credentials {
    /// Registers a link; `close` ends it.
    pub(crate) fn add(&self, credential: &str, close: CancellationToken) -> Registered {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.next += 1;
        let number = links.next;
        links.open.insert(number, (credential.to_owned(), close));
        Registered { number, links: Arc::clone(&self.0) }
    }

    /// Ends every link that the credential opened.
    pub(crate) fn end(&self, credential: &str) {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, close) in links.open.values().filter(|(of, _)| of == credential) {
            close.cancel();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).open.len()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&self.number);
    }
}
