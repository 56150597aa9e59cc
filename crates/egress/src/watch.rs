//! One watchdog for everything that is open: what moves no byte for too long is ended, without a timer for
//! each.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use penstock_domain::Status;
use tokio::sync::Notify;

use crate::{callers::Proven, count::Counter, meter::now_ms, passage::Ending};

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
    /// Payload bytes of a tunnel, from its caller.
    pub sent: Counter,
    /// And to it.
    pub received: Counter,
    /// The connection of a stream: it ends, too, if the stream does not although it must.
    connection: Option<Arc<Line>>,
    ending: OnceLock<Ending>,
    /// Told when there is an ending.
    told: Notify,
    lines: Arc<Lines>,
}

/// All that is open.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Weak<Line>>>,
}

impl Lines {
    /// Opens a line that is ended by `idle` of silence, and after `longest` in any case.
    pub(crate) fn open(
        self: &Arc<Self>,
        idle_ms: u64,
        longest: Option<Duration>,
        proven: Option<Proven>,
    ) -> Arc<Line> {
        self.add(idle_ms, longest, proven, None)
    }

    /// Opens the line of one stream among those of a connection.
    pub(crate) fn open_stream(self: &Arc<Self>, idle_ms: u64, connection: &Arc<Line>) -> Arc<Line> {
        self.add(idle_ms, None, None, Some(Arc::clone(connection)))
    }

    fn add(
        self: &Arc<Self>,
        idle_ms: u64,
        longest: Option<Duration>,
        proven: Option<Proven>,
        connection: Option<Arc<Line>>,
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
            sent: Counter::default(),
            received: Counter::default(),
            connection,
            ending: OnceLock::new(),
            told: Notify::new(),
            lines: Arc::clone(self),
        });
        self.lock().insert(id, Arc::downgrade(&line));
        line
    }

    /// Ends the lines whose time is over.
    pub(crate) fn look(&self) {
        for line in self.all() {
            let Some(over) = line.over() else { continue };
            // A stream whose caller does not read cannot be ended alone: nobody asks for what it would say.
            if !line.stop(over.clone())
                && let Some(connection) = &line.connection
            {
                connection.stop(over);
            }
        }
    }

    /// Ends those whose callers were proven by this; how many.
    pub(crate) fn stop_proven(&self, id: &str) -> usize {
        let mut of_it = self.all();
        of_it.retain(|line| line.proven.as_ref().is_some_and(|proven| &*proven.id == id));
        for line in &of_it {
            line.stop(Ending::Wanted(Status::Killed, "the token was revoked".into()));
        }
        of_it.len()
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Ends all of them.
    pub(crate) fn stop_all(&self) {
        for line in self.all() {
            line.stop(Ending::Wanted(Status::Closed, "the proxy was shut down".into()));
        }
    }

    /// The last one of a line must not be dropped under the lock.
    fn all(&self) -> Vec<Arc<Line>> {
        let open: Vec<_> = self.lock().values().map(Weak::clone).collect();
        open.iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<Line>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
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

    /// What proved its caller.
    pub(crate) const fn proven(&self) -> Option<&Proven> {
        self.proven.as_ref()
    }

    /// It must end; the first reason holds. False if it had to already.
    pub(crate) fn stop(&self, why: Ending) -> bool {
        let first = self.ending.set(why).is_ok();
        if first {
            self.told.notify_waiters();
        }
        first
    }

    /// Why it must end, if it must.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    /// Resolves when it must end.
    pub(crate) async fn stopped(&self) -> &Ending {
        loop {
            let told = self.told.notified();
            if let Some(ending) = self.ending.get() {
                return ending;
            }
            told.await;
        }
    }

    /// For how long no byte has moved.
    pub(crate) fn silence(&self) -> Duration {
        Duration::from_millis(self.now_ms().saturating_sub(self.last_ms.load(Ordering::Relaxed)))
    }

    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn over(&self) -> Option<Ending> {
        let now = self.now_ms();
        let silent = self.idle_ms > 0
            && self.busy.load(Ordering::Relaxed) > 0
            && now.saturating_sub(self.last_ms.load(Ordering::Relaxed)) >= self.idle_ms;
        if silent {
            return Some(Ending::Silence(self.idle_ms));
        }
        (self.end_ms > 0 && now >= self.end_ms).then_some(Ending::Time)
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
        let proven = |id: &str, expires_at| Some(Proven { account: "ann".into(), id: id.into(), expires_at });
        let [past, one, other] =
            [proven("a", 0), proven("a", u64::MAX), proven("b", u64::MAX)].map(|by| lines.open(0, None, by));
        while past.ending().is_none() {
            lines.look();
        }
        assert!(one.ending().is_none());
        assert_eq!(lines.stop_proven("a"), 2);
        assert_eq!(past.ending(), Some(&Ending::Time), "the first reason holds");
        assert!(one.ending().is_some() && other.ending().is_none());
    }

    #[test]
    fn a_stream_that_does_not_end_takes_its_connection_along() {
        let lines = Arc::new(Lines::default());
        let connection = lines.open(1, None, None);
        let stream = lines.open_stream(1, &connection);
        stream.begin();
        while stream.ending().is_none() {
            lines.look();
        }
        assert_eq!(connection.ending(), None);
        lines.look();
        assert_eq!(connection.ending(), Some(&Ending::Silence(1)));
    }

    #[tokio::test]
    async fn whoever_waits_learns_why() {
        let lines = Arc::new(Lines::default());
        let line = lines.open(0, None, None);
        let waiting = line.stopped();
        tokio::pin!(waiting);
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        line.stop(Ending::Time);
        assert_eq!(waiting.await, &Ending::Time);
        assert_eq!(line.stopped().await, &Ending::Time, "also who comes later");
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
        let stopped = [&resting, &silent, &free, &short].map(|line| line.ending());
        assert_eq!(stopped, [None, Some(&Ending::Silence(1)), None, Some(&Ending::Time)]);
        assert_eq!(lines.len(), 4);
        drop((resting, silent, free, short));
        assert_eq!(lines.len(), 0);
    }
}
