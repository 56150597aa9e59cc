//! Redialling with full jitter, so that a restarted gateway does not meet all its agents at once.

use std::time::Duration;

use rand::Rng;

/// Waits before the next attempt: uniform between nothing and a bound that doubles with every failure.
#[derive(Clone, Debug)]
pub struct Redial {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Default for Redial {
    fn default() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(30))
    }
}

impl Redial {
    /// Bounds of the first and of the longest wait.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// To be called once the *peer* has accepted: a connection that a proxy opened proves nothing.
    pub fn accepted(&mut self) {
        self.failures = 0;
    }

    /// The wait before the next attempt.
    pub fn wait(&mut self) -> Duration {
        self.drawn(&mut rand::rng())
    }

    fn drawn(&mut self, random: &mut impl Rng) -> Duration {
        let bound = self.bound();
        self.failures = self.failures.saturating_add(1);
        random.random_range(Duration::ZERO..=bound)
    }

    fn bound(&self) -> Duration {
        self.first.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn doubles_up_to_the_longest_wait_and_starts_again_when_accepted() {
        let mut redial = Redial::new(Duration::from_secs(1), Duration::from_secs(5));
        let mut bounds = Vec::new();
        for _ in 0..40 {
            bounds.push(redial.bound().as_secs());
            assert!(redial.wait() <= Duration::from_secs(5));
        }
        assert_eq!(bounds.get(..4), Some([1, 2, 4, 5].as_slice()));
        assert!(bounds.iter().skip(3).all(|bound| *bound == 5));
        redial.accepted();
        assert_eq!(redial.bound(), Duration::from_secs(1));
    }

    #[test]
    fn five_hundred_peers_come_back_evenly_spread() {
        let mut random = StdRng::seed_from_u64(6);
        let mut peers = vec![Redial::default(); 500];
        for attempt in 0..8 {
            let bound = peers.first().unwrap().bound();
            let mut tenths = [0usize; 10];
            for peer in &mut peers {
                let share = peer.drawn(&mut random).as_secs_f64() / bound.as_secs_f64();
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1")]
                let tenth = ((share * 10.0) as usize).min(9);
                *tenths.get_mut(tenth).unwrap() += 1;
            }
            // Each tenth of the time takes 50 of them, give or take four standard deviations.
            assert!(tenths.iter().all(|peers| (23..=77).contains(peers)), "{attempt}: {tenths:?}");
        }
    }
}
