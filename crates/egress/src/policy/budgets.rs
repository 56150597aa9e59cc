//! Byte and time budgets that are renewed each period.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use penstock_domain::Error;

use super::{
    counters::{Counter, Counters},
    rates::{Exceeded, key, quoted},
};
use crate::config::{Budget, malformed};

/// One budget of one rule.
#[derive(Debug)]
pub(super) struct Purse {
    name: String,
    budget: Budget,
    counters: Counters<Spent>,
}

/// What one key has spent in one period.
#[derive(Debug, Default)]
struct Spent {
    period_ms: u64,
    period: AtomicU64,
    bytes: AtomicU64,
    open_ms: AtomicU64,
}

impl Counter for Spent {
    fn is_idle(&self, now_ms: u64) -> bool {
        now_ms / self.period_ms != self.period.load(Ordering::Relaxed)
    }
}

impl Spent {
    /// Begins anew if the period has changed. Whoever meets the change first clears the counts; a count that
    /// another thread adds at that very moment may be lost, once a period.
    fn renew(&self, now_ms: u64) {
        let now = now_ms / self.period_ms;
        if self.period.swap(now, Ordering::Relaxed) != now {
            self.bytes.store(0, Ordering::Relaxed);
            self.open_ms.store(0, Ordering::Relaxed);
        }
    }
}

impl Purse {
    pub(super) fn new(name: String, budget: &Budget, most: usize) -> Result<Self, Error> {
        if budget.period_ms < 1_000 || (budget.bytes.is_none() && budget.open_ms.is_none()) {
            return Err(malformed(format!("the budget of {name} bounds nothing"))
                .hint("give bytes or open_ms, and a period_ms of at least 1000"));
        }
        Ok(Self { name, budget: budget.clone(), counters: Counters::new(most) })
    }

    /// Whether it bounds just what this configuration asks for, so that its counters can be kept.
    pub(super) fn is(&self, name: &str, budget: &Budget) -> bool {
        let of = |budget: &Budget| (budget.bytes, budget.open_ms, budget.period_ms, budget.per);
        self.name == name && of(&self.budget) == of(budget)
    }

    /// Opens it for one request or tunnel.
    pub(super) fn open(self: &Arc<Self>, principal: &str, host: &str, now_ms: u64) -> Result<Open, Exceeded> {
        let period_ms = self.budget.period_ms;
        let make = || Spent { period_ms, period: AtomicU64::new(now_ms / period_ms), ..Spent::default() };
        let spent =
            self.counters.get(&key(self.budget.per, principal, host), now_ms, make).ok_or_else(|| {
                self.exceeded(Duration::from_secs(1), "no more callers and destinations can be counted")
            })?;
        let open = Open { purse: Arc::clone(self), spent };
        open.spend(0, 0, now_ms)?;
        Ok(open)
    }

    fn exceeded(&self, retry_after: Duration, what: &str) -> Exceeded {
        let seconds = self.budget.period_ms.div_ceil(1_000);
        let quota = self.budget.bytes.or(self.budget.open_ms).unwrap_or_default();
        Exceeded {
            name: self.name.clone(),
            retry_after,
            policy: format!("{};q={quota};w={seconds}", quoted(&self.name)),
            message: format!("{what}: {} is renewed every {seconds} s", self.name),
        }
    }
}

/// A budget from which something is spent.
#[derive(Debug)]
pub(super) struct Open {
    purse: Arc<Purse>,
    spent: Arc<Spent>,
}

impl Open {
    fn spend(&self, bytes: u64, open_ms: u64, now_ms: u64) -> Result<(), Exceeded> {
        let Budget { bytes: most_bytes, open_ms: most_ms, period_ms, .. } = self.purse.budget;
        self.spent.renew(now_ms);
        let all_bytes = self.spent.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let all_ms = self.spent.open_ms.fetch_add(open_ms, Ordering::Relaxed).saturating_add(open_ms);
        if most_bytes.is_none_or(|most| all_bytes < most) && most_ms.is_none_or(|most| all_ms < most) {
            return Ok(());
        }
        let rest = Duration::from_millis(period_ms - now_ms % period_ms);
        Err(self.purse.exceeded(rest, "the budget is used up"))
    }
}

/// All budgets from which one request or tunnel spends.
#[derive(Debug, Default)]
pub(crate) struct Spending(Vec<Open>);

impl Spending {
    pub(super) fn new(open: Vec<Open>) -> Self {
        Self(open)
    }

    /// Whether nothing is counted.
    pub(crate) const fn is_free(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts payload bytes and open time, in milliseconds, at a time in milliseconds since the epoch.
    ///
    /// # Errors
    /// A budget that is used up.
    pub(crate) fn spend(&self, bytes: u64, open_ms: u64, now_ms: u64) -> Result<(), Exceeded> {
        self.0.iter().try_for_each(|open| open.spend(bytes, open_ms, now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Key;

    fn purse(bytes: Option<u64>, open_ms: Option<u64>) -> Arc<Purse> {
        let budget = Budget { bytes, open_ms, period_ms: 10_000, per: Key::Principal };
        Arc::new(Purse::new("p/r".into(), &budget, 100).unwrap())
    }

    #[test]
    fn bytes_are_spent_and_renewed() {
        let purse = purse(Some(100), None);
        let ann = purse.open("ann", "a.example", 12_000).unwrap();
        assert!(ann.spend(60, 0, 12_500).is_ok());
        assert!(purse.open("ann", "b.example", 13_000).is_ok());
        let exceeded = ann.spend(40, 0, 13_000).unwrap_err();
        assert_eq!((exceeded.seconds(), exceeded.policy.as_str()), (7, "\"p/r\";q=100;w=10"));
        assert!(purse.open("ann", "b.example", 13_000).is_err());
        assert!(purse.open("bob", "b.example", 13_000).is_ok());
        assert!(ann.spend(10, 0, 20_000).is_ok() && purse.open("ann", "b.example", 20_000).is_ok());
    }

    #[test]
    fn open_time_is_spent() {
        let open = purse(None, Some(1_000)).open("ann", "a.example", 0).unwrap();
        assert!(open.spend(1 << 40, 999, 500).is_ok());
        assert!(open.spend(0, 1, 501).is_err());
    }

    #[test]
    fn a_budget_that_bounds_nothing_is_refused() {
        let budget = Budget { bytes: None, open_ms: None, period_ms: 10_000, per: Key::Everyone };
        assert!(Purse::new("b".into(), &budget, 1).is_err());
        let budget = Budget { bytes: Some(1), period_ms: 999, ..budget };
        assert!(Purse::new("b".into(), &budget, 1).is_err());
    }
}
