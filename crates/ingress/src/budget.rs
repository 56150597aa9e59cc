//! How many further attempts there may be: a fifth of the requests, beyond a reserve for the moment in which a
//! worker with many requests goes. Without it an outage would multiply the load that caused it.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// What one attempt costs; each request brings one.
const ATTEMPT: i64 = 5;

/// The most that is held, and what there is at first: a thousand attempts.
const RESERVE: i64 = 1000 * ATTEMPT;

#[derive(Debug)]
pub(crate) struct Budget(AtomicI64);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicI64::new(RESERVE))
    }
}

impl Budget {
    /// A request has come.
    pub(crate) fn deposit(&self) {
        // The common case, a full budget, writes nothing.
        if self.0.load(Relaxed) < RESERVE {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// Whether there may be one more attempt.
    pub(crate) fn withdraw(&self) -> bool {
        let enough = |left: i64| (left >= ATTEMPT).then(|| left - ATTEMPT);
        self.0.fetch_update(Relaxed, Relaxed, enough).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_reserve_every_fifth_request_pays_for_an_attempt() {
        let budget = Budget::default();
        assert_eq!((0..2000).filter(|_| budget.withdraw()).count(), 1000);
        for _ in 0..4 {
            budget.deposit();
            assert!(!budget.withdraw());
        }
        budget.deposit();
        assert!(budget.withdraw());
        assert!(!budget.withdraw());
    }
}
