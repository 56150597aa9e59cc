//! Streams that the peer opens and resets: cheap for it, work for us (CVE-2023-44487), so they are bounded.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const WINDOW: Duration = Duration::from_secs(60);

/// Counts resets, and says when there were more in a minute than one connection may have.
#[derive(Debug)]
pub struct Resets {
    most: u32,
    window: Mutex<(Instant, u32)>,
    exceeded: CancellationToken,
}

impl Resets {
    /// A limit per minute.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most, window: Mutex::new((Instant::now(), 0)), exceeded: CancellationToken::new() }
    }

    /// One more reset.
    pub fn note(&self) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.0.elapsed() >= WINDOW {
            *window = (Instant::now(), 0);
        }
        window.1 += 1;
        if window.1 > self.most {
            self.exceeded.cancel();
        }
    }

    /// Resolves when there were too many.
    pub async fn exceeded(&self) {
        self.exceeded.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_within_a_minute() {
        let resets = Resets::new(2);
        for _ in 0..5 {
            resets.note();
            resets.note();
            assert!(!resets.exceeded.is_cancelled());
            tokio::time::advance(WINDOW).await;
        }
        for _ in 0..3 {
            resets.note();
        }
        resets.exceeded().await;
    }
}
