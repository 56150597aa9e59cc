//! What ends a session from outside: an administrator, its expiry, or silence.

use std::{future::pending, time::Duration};

use penstock_domain::{Plan, Status};
use tokio::time::{Instant, sleep};

use super::end::End;
use crate::{clock, registry::Live};

/// Resolves when the session has to end.
pub(crate) async fn guard(plan: &Plan, live: &Live) -> End {
    tokio::select! {
        (status, reason) = live.wanted_to_end() => End::wanted(status, reason),
        () = expiry(plan.expires_at) => End::wanted(Status::Expired, "the session's time is over".into()),
        () = silence(Duration::from_secs(plan.limits.idle_seconds), live) => End::wanted(
            Status::Expired,
            format!("no byte has passed for {} s", plan.limits.idle_seconds),
        ),
    }
}

async fn expiry(at: Option<u64>) {
    match at {
        Some(at) => sleep(Duration::from_secs(at.saturating_sub(clock::seconds()))).await,
        None => pending().await,
    }
}

/// One look at the counters now and then: no timer is touched when a byte passes.
async fn silence(limit: Duration, live: &Live) {
    let mut passed = (0, 0);
    let mut since = Instant::now();
    loop {
        sleep(limit / 8).await;
        let now = (live.meter.client(), live.meter.upstream());
        if now != passed {
            (passed, since) = (now, Instant::now());
        } else if since.elapsed() >= limit {
            return;
        }
    }
}
