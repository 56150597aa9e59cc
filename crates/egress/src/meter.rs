//! What one request or tunnel spends, counted as it passes.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::policy::{Exceeded, Spending};

/// Counts against budgets; without any, it costs nothing.
#[derive(Debug)]
pub(crate) struct Meter {
    spending: Spending,
    since: Instant,
}

impl Meter {
    pub(crate) fn new(spending: Spending) -> Self {
        Self { spending, since: Instant::now() }
    }

    /// Counts payload bytes.
    ///
    /// # Errors
    /// A budget that is used up.
    pub(crate) fn count(&self, bytes: u64) -> Result<(), Exceeded> {
        if self.spending.is_free() || bytes == 0 {
            return Ok(());
        }
        self.spending.spend(bytes, 0, now_ms())
    }

    /// Counts time that passed while it was open.
    ///
    /// # Errors
    /// A budget that is used up.
    pub(crate) fn count_open(&self, open_ms: u64) -> Result<(), Exceeded> {
        if self.spending.is_free() {
            return Ok(());
        }
        self.spending.spend(0, open_ms, now_ms())
    }

    /// Whether nothing is counted.
    pub(crate) const fn is_free(&self) -> bool {
        self.spending.is_free()
    }

    /// Since it was opened.
    pub(crate) fn open_ms(&self) -> u64 {
        self.since.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}
