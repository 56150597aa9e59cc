//! Where connections run.

use std::{iter, sync::Arc};

use tokio::runtime::Handle;

/// The runtimes that take a port's connections in turn. All that a connection starts stays on its runtime.
///
/// Runtimes of one thread each do not take each other's work: where messages are small, threads that wake each other
/// cost more than the messages.
#[derive(Clone, Debug)]
pub struct Lanes {
    first: Handle,
    others: Arc<[Handle]>,
}

impl Lanes {
    /// At least one runtime.
    #[must_use]
    pub fn new(first: Handle, others: impl IntoIterator<Item = Handle>) -> Self {
        Self { first, others: others.into_iter().collect() }
    }

    /// Each in its turn, without end.
    pub(crate) fn turns(&self) -> impl Iterator<Item = &Handle> {
        iter::once(&self.first).chain(self.others.iter()).cycle()
    }
}

impl From<Handle> for Lanes {
    fn from(only: Handle) -> Self {
        Self::new(only, [])
    }
}
