//! Addresses that fail are tried last for a while.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::config;

/// The addresses of one destination that have failed lately.
#[derive(Debug, Default)]
pub(crate) struct Outliers(Mutex<HashMap<IpAddr, Record>>);

#[derive(Debug, Default)]
struct Record {
    failures: u32,
    ejections: u32,
    until: Option<Instant>,
}

/// How many addresses are remembered; a resolver that invents new ones gains nothing.
const MOST: usize = 64;

impl Outliers {
    /// Notes how an attempt went; true if the address is ejected hereby.
    pub(crate) fn note(&self, ip: IpAddr, failed: bool, config: &config::Outliers, now: Instant) -> bool {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !failed {
            if !records.is_empty() {
                records.remove(&ip);
            }
            return false;
        }
        if config.consecutive_failures == 0 || (records.len() >= MOST && !records.contains_key(&ip)) {
            return false;
        }
        let record = records.entry(ip).or_default();
        record.failures += 1;
        if record.failures < config.consecutive_failures {
            return false;
        }
        record.failures = 0;
        record.ejections += 1;
        let longest = Duration::from_millis(config.max_ejection_ms);
        let pause =
            Duration::from_millis(config.base_ejection_ms).saturating_mul(record.ejections).min(longest);
        record.until = Some(now + pause);
        true
    }

    /// Whether an address is ejected.
    pub(crate) fn is_ejected(&self, ip: IpAddr, now: Instant) -> bool {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.get(&ip).and_then(|record| record.until).is_some_and(|until| now < until)
    }

    /// How many are.
    pub(crate) fn ejected(&self, now: Instant) -> u64 {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.values().filter(|record| record.until.is_some_and(|until| now < until)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_eject_and_longer_each_time() {
        let outliers = Outliers::default();
        let config =
            config::Outliers { consecutive_failures: 3, base_ejection_ms: 1_000, max_ejection_ms: 1_500 };
        let (ip, start) = ("192.0.2.1".parse().unwrap(), Instant::now());
        let fail = |at| outliers.note(ip, true, &config, at);
        assert!(!fail(start) && !fail(start));
        outliers.note(ip, false, &config, start);
        assert!(!fail(start) && !fail(start) && fail(start));
        assert!(outliers.is_ejected(ip, start + Duration::from_millis(999)));
        let later = start + Duration::from_millis(1_000);
        assert!(!outliers.is_ejected(ip, later));
        assert!(!fail(later) && !fail(later) && fail(later));
        assert!(outliers.is_ejected(ip, later + Duration::from_millis(1_499)));
        assert!(!outliers.is_ejected(ip, later + Duration::from_millis(1_500)), "it is capped");
        assert_eq!(outliers.ejected(later), 1);
    }
}
