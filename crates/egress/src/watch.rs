//! One watchdog for everything that is open: what moves no byte for too long is ended, without a timer for
//! each.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::{callers::Proven, meter::now_ms};

/// How often the watchdog looks.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// A caller's connection, or a tunnel.
#[derive(Debug)]
pub(crate) struct Line {
    id: u64,
    start: Instant,
    last_ms: AtomicU64,
    /// Requests under way on it; without any, silence is in order.
    busy: AtomicU32,
    /// Silence that ends it, in milliseconds; 0: none does.
    idle_ms: u64,
    /// When it ends in any case, in milliseconds since its start; 0: never.
    end_ms: u64,
    /// What proved its caller: it ends with that.
    proven: Option<Proven>,
    stop: CancellationToken,
    lines: Arc<Lines>,
}

/// All that is open.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Watched>>>,
}

/// What the watchdog sees of a line.
#[derive(Debug)]
struct Watched {
    line: std::sync::Weak<Line>,
}

impl Lines {
    /// Opens a line that is ended by `idle` of silence, and after `longest` in any case.
    pub(crate) fn open(
        self: &Arc<Self>,
        idle_ms: u64,
        longest: Option<Duration>,
        proven: Option<Proven>,
    ) -> Arc<Line> {
        let rest = proven.as_ref().map(|proven| rest(proven.expires_at));
        let longest = longest.into_iter().chain(rest).min();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line = Arc::new(Line {
            id,
            start: Instant::now(),
            last_ms: AtomicU64::new(0),
            busy: AtomicU32::new(0),
            idle_ms,
            end_ms: longest.map_or(0, |longest| longest.as_millis().try_into().unwrap_or(u64::MAX).max(1)),
            proven,
            stop: CancellationToken::new(),
            lines: Arc::clone(self),
        });
        let watched = Arc::new(Watched { line: Arc::downgrade(&line) });
        self.lock().insert(id, watched);
        line
    }

    /// Ends the lines whose time is over.
    pub(crate) fn look(&self) {
        let watched: Vec<_> = self.lock().values().map(Arc::clone).collect();
        for line in watched.iter().filter_map(|watched| watched.line.upgrade()) {
            if line.is_over() {
                line.stop.cancel();
            }
        }
    }

    /// Ends those whose callers were proven by this; how many.
    pub(crate) fn stop_proven(&self, id: &str) -> usize {
        let watched: Vec<_> = self.lock().values().map(Arc::clone).collect();
        let lines = watched.iter().filter_map(|watched| watched.line.upgrade());
        let of_it = lines.filter(|line| line.proven.as_ref().is_some_and(|proven| &*proven.id == id));
        of_it.map(|line| line.stop.cancel()).count()
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Ends all of them.
    pub(crate) fn stop_all(&self) {
        let watched: Vec<_> = self.lock().values().map(Arc::clone).collect();
        for line in watched.iter().filter_map(|watched| watched.line.upgrade()) {
            line.stop.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Watched>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// What tells it from others.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// A byte has moved.
    pub(crate) fn touch(&self) {
        self.last_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// A request is under way.
    pub(crate) fn begin(&self) {
        self.touch();
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    /// It is not any more.
    pub(crate) fn end(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    /// Resolves when it must end.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// For how long no byte has moved.
    pub(crate) fn silence(&self) -> Duration {
        Duration::from_millis(self.now_ms().saturating_sub(self.last_ms.load(Ordering::Relaxed)))
    }

    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn is_over(&self) -> bool {
        let now = self.now_ms();
        let silent = self.idle_ms > 0
            && self.busy.load(Ordering::Relaxed) > 0
            && now.saturating_sub(self.last_ms.load(Ordering::Relaxed)) >= self.idle_ms;
        silent || (self.end_ms > 0 && now >= self.end_ms)
    }
}

/// From now to a time in seconds since the epoch.
fn rest(expires_at: u64) -> Duration {
    Duration::from_millis(expires_at.saturating_mul(1_000).saturating_sub(now_ms()))
}

impl Drop for Line {
    fn drop(&mut self) {
        self.lines.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_what_proved_its_caller() {
        let lines = Arc::new(Lines::default());
        let proven = |id: &str, expires_at| Some(Proven { id: id.into(), expires_at });
        let [past, one, other] =
            [proven("a", 0), proven("a", u64::MAX), proven("b", u64::MAX)].map(|by| lines.open(0, None, by));
        while !past.stop.is_cancelled() {
            lines.look();
        }
        assert!(!one.stop.is_cancelled());
        assert_eq!(lines.stop_proven("a"), 2);
        assert!(one.stop.is_cancelled() && !other.stop.is_cancelled());
    }

    #[test]
    fn silence_ends_what_is_busy_and_time_ends_all() {
        let lines = Arc::new(Lines::default());
        let open = |idle_ms, longest| lines.open(idle_ms, longest, None);
        let [resting, silent, free] = [open(1, None), open(1, None), open(0, None)];
        let short = open(0, Some(Duration::ZERO));
        silent.begin();
        free.begin();
        while silent.silence() < Duration::from_millis(2) {
            std::thread::yield_now();
        }
        lines.look();
        let stopped = [&resting, &silent, &free, &short].map(|line| line.stop.is_cancelled());
        assert_eq!(stopped, [false, true, false, true]);
        assert_eq!(lines.len(), 4);
        drop((resting, silent, free, short));
        assert_eq!(lines.len(), 0);
    }
}
