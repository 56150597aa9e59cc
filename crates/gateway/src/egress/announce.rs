//! Tells the store of passages, many at once and never in a hurry: however many come, it has time for others.

use std::{sync::Arc, time::Duration};

use penstock_domain::{Passage, Status};
use tokio::time::{sleep, timeout};

use crate::shared::Shared;

/// How many at once.
const MOST: usize = 256;

/// How long the store has for others between two.
const PACE: Duration = Duration::from_millis(100);

/// How long it has after it did not take one.
const PAUSE: Duration = Duration::from_secs(1);

/// Until everything ends.
pub(super) async fn announce(shared: Arc<Shared>) {
    loop {
        let next = shared.passages.next(MOST);
        if next.is_empty() {
            tokio::select! {
                () = shared.passages.changed.notified() => continue,
                () = shared.close.cancelled() => return,
            }
        }
        if !tell(&shared, next).await {
            sleep(PAUSE).await;
        } else if !shared.drain.is_cancelled() {
            sleep(PACE).await;
        }
    }
}

async fn tell(shared: &Shared, passages: Vec<Passage>) -> bool {
    match shared.asker.passages(&shared.metrics, passages.clone()).await {
        Ok(revoked) => {
            shared.passages.noted(&passages);
            for session in revoked {
                shared.passages.end(&session, Status::Killed, "the token was revoked");
            }
            true
        }
        Err(error) => {
            tracing::error!(target: "penstock::egress", %error, "passages were not noted yet");
            shared.passages.again(&passages);
            false
        }
    }
}

/// Waits until the store knows the end of everything, at most so long.
pub(crate) async fn settle(shared: &Shared, limit: Duration) {
    let settled = async {
        while !shared.passages.is_settled() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(limit, settled).await.is_err() {
        tracing::error!(target: "penstock::egress", "some passages' ends were not noted");
    }
}
