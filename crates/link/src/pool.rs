//! The links of one peer, and which of them takes the next stream.

use std::sync::{Arc, Mutex, PoisonError};

use penstock_domain::{Code, Error, Side};

use crate::{Link, Open, Stream};

/// Loads that differ by less than so many streams are alike.
const ALIKE: usize = 8;

/// The links of one peer. One HTTP/2 connection is one lock and one TCP stream, so a peer has several.
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Vec<Link>>>);

impl Pool {
    /// Adds a link. It leaves by itself when it ends.
    pub fn add(&self, link: Link) {
        self.with(|links| links.push(link));
    }

    /// Links that take streams.
    #[must_use]
    pub fn links(&self) -> usize {
        self.with(|links| links.iter().filter(|link| !link.is_going_away()).count())
    }

    /// Whether none is up, not even one that only lets its streams finish.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.with(|links| links.is_empty())
    }

    /// Streams on all links.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.with(|links| links.iter().map(Link::in_flight).sum())
    }

    /// Opens a stream on a link of the caller's runtime, if one has room, and among those on the one with the least in
    /// flight. A link that is found lost or draining is passed over for the next: nothing has reached the peer on it.
    ///
    /// # Errors
    /// [`Code::AgentOffline`] if no link is up, else the peer's refusal.
    pub async fn open(&self, open: &Open) -> Result<Stream, Error> {
        let mut last = Error::new(Code::AgentOffline, Side::Agent, "no link is up");
        for link in self.best_first() {
            match link.open(open.clone()).await {
                Err(error) if error.code == Code::Lost => last = error,
                answer => return answer,
            }
        }
        Err(last)
    }

    /// Ends every link.
    pub fn close(&self) {
        self.with(|links| links.iter().for_each(Link::close));
    }

    /// A link of another runtime costs a thread's waking for each message. The oldest comes first among those whose load
    /// is alike: streams that share a link share its wake-ups, its TLS records and its writes, which is worth more
    /// than an even spread while there are few.
    fn best_first(&self) -> Vec<Link> {
        let mut links = self.with(|links| links.clone());
        links.retain(|link| !link.is_going_away());
        links.sort_by_cached_key(|link| {
            let load = link.in_flight();
            (load >= link.most_streams(), !link.is_here(), load / ALIKE)
        });
        links
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Link>) -> T) -> T {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| !link.is_lost());
        act(&mut links)
    }
}
