//! What one request or tunnel spends, counted as it passes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::policy::{Exceeded, Spending};

/// Counts against budgets; without any, it costs nothing.
#[derive(Debug)]
pub(crate) struct Meter {
    spending: Spending,
    since: Instant,
    counted_ms: AtomicU64,
}

impl Meter {
    pub(crate) fn new(spending: Spending) -> Self {
        Self { spending, since: Instant::now(), counted_ms: AtomicU64::new(0) }
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

    /// Counts the time that has passed since it was counted last.
    ///
    /// # Errors
    /// A budget that is used up.
    pub(crate) fn count_open(&self) -> Result<(), Exceeded> {
        if self.spending.is_free() {
            return Ok(());
        }
        let open_ms = self.since.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        let fresh = open_ms.saturating_sub(self.counted_ms.swap(open_ms, Ordering::Relaxed));
        self.spending.spend(0, fresh, now_ms())
    }

    /// Whether nothing is counted.
    pub(crate) const fn is_free(&self) -> bool {
        self.spending.is_free()
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}
