//! Rate limits, and what a caller is told of one that it exceeds.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use penstock_domain::Error;

use super::counters::{Counter, Counters};
use crate::config::{Key, Rate, malformed};

/// One limit of one rule.
#[derive(Debug)]
pub(super) struct RateLimit {
    name: String,
    rate: Rate,
    quota: Quota,
    counters: Counters<Limiter>,
}

#[derive(Debug)]
struct Limiter {
    inner: DefaultDirectRateLimiter,
    used_ms: AtomicU64,
    full_after_ms: u64,
}

impl Counter for Limiter {
    fn is_idle(&self, now_ms: u64) -> bool {
        now_ms > self.used_ms.load(Ordering::Relaxed).saturating_add(self.full_after_ms)
    }
}

/// A limit or budget that is used up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Exceeded {
    /// The rule's name, and what of it.
    pub name: String,
    /// When to come again.
    pub retry_after: Duration,
    /// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
    pub policy: String,
    /// What was used up, for people.
    pub message: String,
}

impl Exceeded {
    /// `RateLimit`.
    pub(crate) fn field(&self) -> String {
        format!("{};r=0;t={}", quoted(&self.name), self.seconds())
    }

    /// `Retry-After`: whole seconds, rounded up.
    pub(crate) fn seconds(&self) -> u64 {
        self.retry_after.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX).max(1)
    }
}

/// A structured field's string (RFC 9651 §3.3.3): what cannot stand in one is left out.
pub(super) fn quoted(text: &str) -> String {
    let legal = text.chars().filter(|each| (' '..='~').contains(each) && *each != '"' && *each != '\\');
    format!("\"{}\"", legal.collect::<String>())
}

/// What a limit or budget counts for: the key under which its counter is kept.
pub(super) fn key(per: Key, principal: &str, host: &str) -> String {
    match per {
        Key::Everyone => String::new(),
        Key::Principal => principal.into(),
        Key::Destination => host.into(),
        // A host holds no line break, so no two pairs share a key.
        Key::PrincipalAndDestination => format!("{host}\n{principal}"),
    }
}

impl RateLimit {
    pub(super) fn new(name: String, rate: &Rate, most: usize) -> Result<Self, Error> {
        let burst = NonZeroU32::new(rate.burst.unwrap_or(rate.requests));
        let each = Duration::from_millis(rate.period_ms).checked_div(rate.requests);
        let quota =
            each.and_then(Quota::with_period).zip(burst).map(|(quota, burst)| quota.allow_burst(burst));
        let quota = quota.ok_or_else(|| {
            malformed(format!("the rate of {name} lets nothing pass")).hint(
                "requests, period_ms and burst are at least 1; to let nothing pass, write a rule that denies",
            )
        })?;
        Ok(Self { name, rate: rate.clone(), quota, counters: Counters::new(most) })
    }

    /// Whether it limits just what this configuration asks for, so that its counters can be kept.
    pub(super) fn is(&self, name: &str, rate: &Rate) -> bool {
        let of = |rate: &Rate| (rate.requests, rate.period_ms, rate.burst, rate.per);
        self.name == name && of(&self.rate) == of(rate)
    }

    /// Counts one request.
    pub(super) fn take(&self, principal: &str, host: &str, now_ms: u64) -> Result<(), Exceeded> {
        let full_after_ms = self.quota.burst_size_replenished_in().as_millis().try_into().unwrap_or(u64::MAX);
        let make = || Limiter {
            inner: RateLimiter::direct(self.quota),
            used_ms: AtomicU64::new(now_ms),
            full_after_ms,
        };
        let Some(limiter) = self.counters.get(&key(self.rate.per, principal, host), now_ms, make) else {
            return Err(
                self.exceeded(Duration::from_secs(1), "no more callers and destinations can be counted")
            );
        };
        limiter.used_ms.store(now_ms, Ordering::Relaxed);
        limiter.inner.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(limiter.inner.clock().now());
            self.exceeded(wait, "too many requests")
        })
    }

    fn exceeded(&self, retry_after: Duration, what: &str) -> Exceeded {
        let Rate { requests, period_ms, .. } = self.rate;
        Exceeded {
            name: self.name.clone(),
            retry_after,
            policy: format!("{};q={requests};w={}", quoted(&self.name), period_ms.div_ceil(1_000)),
            message: format!("{what}: {} lets {requests} pass in {period_ms} ms", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(requests: u32, burst: Option<u32>, per: Key) -> RateLimit {
        let rate = Rate { requests, period_ms: 3_600_000, burst, per };
        RateLimit::new("p/\"r\u{fc}le".into(), &rate, 10).unwrap()
    }

    #[test]
    fn counts_each_key_by_itself_and_says_when_to_come_again() {
        let limit = limit(2, None, Key::PrincipalAndDestination);
        assert!(limit.take("ann", "a.example", 0).is_ok() && limit.take("ann", "a.example", 0).is_ok());
        let exceeded = limit.take("ann", "a.example", 0).unwrap_err();
        assert!(limit.take("ann", "b.example", 0).is_ok() && limit.take("bob", "a.example", 0).is_ok());
        assert!((1..=1_800).contains(&exceeded.seconds()), "{exceeded:?}");
        assert_eq!(exceeded.policy, "\"p/rle\";q=2;w=3600");
        assert!(exceeded.field().starts_with("\"p/rle\";r=0;t="));
    }

    #[test]
    fn everyone_shares_one() {
        let limit = limit(5, Some(1), Key::Everyone);
        assert!(limit.take("ann", "a.example", 0).is_ok());
        assert!(limit.take("bob", "b.example", 0).is_err());
    }

    #[test]
    fn who_cannot_be_counted_is_refused() {
        let limit = limit(1, None, Key::Destination);
        for host in 0..10 {
            assert!(limit.take("ann", &host.to_string(), 5_000).is_ok());
        }
        assert!(limit.take("ann", "another", 5_000).unwrap_err().message.contains("counted"));
    }

    #[test]
    fn a_rate_of_nothing_is_refused() {
        for (requests, period_ms, burst) in [(0, 1, None), (1, 0, None), (1, 1, Some(0))] {
            let rate = Rate { requests, period_ms, burst, per: Key::Everyone };
            assert!(RateLimit::new("r".into(), &rate, 1).is_err());
        }
    }
}
