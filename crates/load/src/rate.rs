//! As many set-ups as there is time for.

use std::io::Error;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::job::Tunnel;
use crate::setup::Setup;

/// So many clients, each of which sets up one tunnel after another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    tunnel: Tunnel,
    /// Threads.
    clients: u16,
    /// How long.
    seconds: f64,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Found {
    /// Tunnels that stood.
    done: usize,
    /// Set-ups that failed.
    failed: usize,
    /// Why the first of them did.
    why: Option<String>,
    /// From the first set-up's start to the last one's end.
    seconds: f64,
    /// Microseconds from the first SYN to a tunnel that stands.
    p50_us: u64,
    /// The same, of the slowest hundredth.
    p99_us: u64,
}

#[derive(Default)]
struct Client {
    times: Vec<Duration>,
    faults: Vec<Error>,
}

impl Rate {
    /// Runs it.
    pub fn run(&self) -> Result<Found, String> {
        let setup = self.tunnel.setup()?;
        let length =
            Duration::try_from_secs_f64(self.seconds).map_err(|error| format!("`seconds`: {error}"))?;
        let start = Instant::now();
        let clients = thread::scope(|scope| {
            let running: Vec<_> =
                (0..self.clients).map(|_| scope.spawn(|| Client::run(&setup, start + length))).collect();
            running.into_iter().map(ScopedJoinHandle::join).collect::<Result<Vec<_>, _>>()
        });
        let clients = clients.map_err(|_| "a client failed")?;
        Ok(found(clients, start.elapsed()))
    }
}

impl Client {
    fn run(setup: &Setup, end: Instant) -> Self {
        let mut own = Self::default();
        while Instant::now() < end {
            let start = Instant::now();
            match setup.open() {
                Ok(_tunnel) => own.times.push(start.elapsed()),
                Err(fault) => own.faults.push(fault),
            }
        }
        own
    }
}

fn found(clients: Vec<Client>, elapsed: Duration) -> Found {
    let (mut times, mut faults) = (Vec::new(), Vec::new());
    for client in clients {
        times.extend(client.times);
        faults.extend(client.faults);
    }
    times.sort_unstable();
    Found {
        done: times.len(),
        failed: faults.len(),
        why: faults.first().map(ToString::to_string),
        seconds: elapsed.as_secs_f64(),
        p50_us: rank(&times, 50),
        p99_us: rank(&times, 99),
    }
}

/// The nearest-rank percentile, in microseconds; 0 if there is nothing.
fn rank(sorted: &[Duration], percent: usize) -> u64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_micros).collect();
        assert_eq!((rank(&times, 50), rank(&times, 99)), (50, 99));
        assert_eq!(rank(&times[..1], 99), 1);
        assert_eq!(rank(&[], 50), 0);
    }

    #[test]
    fn failures_are_counted_and_the_first_is_told() {
        let times = vec![Duration::from_micros(7)];
        let clients = vec![
            Client { times, faults: vec![Error::other("first")] },
            Client { times: Vec::new(), faults: vec![Error::other("second")] },
        ];
        let found = found(clients, Duration::from_secs(1));
        assert_eq!((found.done, found.failed, found.why.as_deref()), (1, 2, Some("first")));
    }
}
