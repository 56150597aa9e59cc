//! What a request is admitted with.

use std::{fmt, future::Future, pin::Pin};

/// How a request may pass.
#[derive(Default)]
pub struct Passage {
    /// Who the caller is, for the access log.
    pub user: Option<String>,
    /// Completes when the caller may be here no longer: the request is cut then. Without it, it may stay.
    pub over: Option<Over>,
}

pub(super) type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passage").field("user", &self.user).finish_non_exhaustive()
    }
}
