//! Connections that rest between requests to one destination.

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{Connection, Transport};

/// The last one came last. One with HTTP/2 stays while shares of it are in use.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Connection>>);

impl Pool {
    /// A connection of this kind to an address that may be used now.
    pub(crate) fn take(
        &self,
        transport: Transport,
        oldest: Instant,
        may: impl Fn(IpAddr) -> bool,
    ) -> Option<Connection> {
        loop {
            let mut connection = {
                let mut resting = self.lock();
                let fits = |each: &Connection| each.transport == transport && may(each.address.ip());
                let index = resting.iter().rposition(fits)?;
                match resting.get(index).and_then(Connection::share) {
                    Some(share) => share,
                    None => resting.remove(index),
                }
            };
            let fresh = connection.rested.is_some_and(|rested| rested >= oldest);
            if fresh && connection.is_ready() {
                return Some(connection);
            }
            if connection.is_http2() {
                self.lock().retain(|each| !(each.is_http2() && each.transport == transport));
            }
        }
    }

    /// Keeps a connection, if it can take another request; the oldest makes room.
    pub(crate) fn keep(&self, mut connection: Connection, most: usize) {
        if !connection.is_ready() {
            return;
        }
        connection.rested = Some(Instant::now());
        let mut resting = self.lock();
        if connection.is_http2() {
            let same = |each: &Connection| each.is_http2() && each.transport == connection.transport;
            if resting.iter().any(same) {
                return;
            }
        }
        if resting.len() >= most && !resting.is_empty() {
            resting.remove(0);
        }
        if most > 0 {
            resting.push(connection);
        }
    }

    /// Closes what has rested since before `oldest`.
    pub(crate) fn sweep(&self, oldest: Instant) {
        let mut resting = self.lock();
        let old: Vec<_> = {
            let (old, young) = std::mem::take(&mut *resting)
                .into_iter()
                .partition(|each| each.rested.is_none_or(|rested| rested < oldest));
            *resting = young;
            old
        };
        drop(resting);
        drop(old);
    }

    /// Closes all.
    pub(crate) fn clear(&self) {
        let resting = std::mem::take(&mut *self.lock());
        drop(resting);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
