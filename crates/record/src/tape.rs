//! One session's recording in the making.

use std::{
    fmt, mem, slice,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

use penstock_domain::{Code, Error, Event, Level, Side};
use tokio::sync::{mpsc, oneshot};

use crate::{
    EncodeError, Encoder, Hash, Stats,
    recorder::{Burst, Job, Prompt, stopped},
    sink::{Reel, Sink},
};

/// A buffer that a long statement has grown beyond this is not kept.
const KEEP_BYTES: usize = 64 << 10;

/// Records one session; made by a [`Recorder`](crate::Recorder).
///
/// It can be shared by the two directions of a relay: bursts are written in the order in which they were taken.
/// After the first failure every call fails and nothing more is written, so that a session whose recording broke
/// cannot go on. Dropped before it was finished, it leaves a recording without an end record.
pub struct Tape {
    queue: mpsc::Sender<Job>,
    level: Level,
    stats: Arc<Stats>,
    prompt: Arc<Prompt>,
    state: Mutex<State>,
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("level", &self.level).field("head", &self.head()).finish_non_exhaustive()
    }
}

/// How far a recording has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Records that count.
    pub records: u64,
    /// The hash of the last of them.
    pub hash: Hash,
}

struct State {
    encoder: Encoder,
    /// What the recording's level has been reached for.
    written: Head,
    /// None once the last burst is on its way.
    reel: Option<Arc<Reel>>,
    /// The buffer of the burst before.
    spare: Vec<u8>,
}

impl State {
    /// Adds events to the chain; what is encoded has to be written.
    fn encode(&mut self, reel: &Reel, at: u64, events: &[Event], bytes: &mut Vec<u8>) -> Result<(), Error> {
        reel.check()?;
        for event in events {
            self.encoder.append(at, event, bytes).map_err(|error| reel.poison(unrecordable(&error)))?;
        }
        Ok(())
    }

    /// Bursts of both directions may be acknowledged in any order.
    fn acknowledge(&mut self, head: Head) {
        if head.records > self.written.records {
            self.written = head;
        }
    }

    fn head(&self) -> Head {
        Head { records: self.encoder.records(), hash: self.encoder.head() }
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= KEEP_BYTES {
            self.spare = buffer;
        }
    }
}

type Answer = oneshot::Receiver<Result<Vec<u8>, Error>>;

impl Tape {
    pub(crate) fn new(
        queue: mpsc::Sender<Job>,
        sink: Box<dyn Sink>,
        level: Level,
        stats: Arc<Stats>,
        prompt: Arc<Prompt>,
    ) -> Self {
        let reel = Some(Arc::new(Reel::new(sink)));
        let encoder = Encoder::new();
        let written = Head { records: 0, hash: encoder.head() };
        let state = Mutex::new(State { encoder, written, reel, spare: Vec::new() });
        Self { queue, level, stats, prompt, state }
    }

    /// How far the recording has come, as its level counts.
    #[must_use]
    pub fn head(&self) -> Head {
        self.state().written
    }

    /// Records events that happened `at`, in microseconds since the epoch. Resolves when the kernel has them, or at
    /// [`Level::Fsync`] the disk: from then on the death of this process, or the loss of power, loses nothing. Waits
    /// while the recorder's queue is full.
    ///
    /// Dropped while it waits for the queue, it has recorded nothing; dropped later, everything.
    ///
    /// # Errors
    /// [`Code::Recorder`] if the recording cannot be written, an event cannot be recorded, or either happened
    /// before; the session must end.
    pub async fn append(&self, at: u64, events: &[Event]) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        match self.write_at_once(at, events) {
            Some(written) => written,
            None => self.burst(at, events, false).await.map(drop),
        }
    }

    /// Records the end, makes the recording durable and closes it. Resolves with the head in hex.
    ///
    /// # Errors
    /// [`Code::Recorder`] as from [`Tape::append`]; [`Code::Internal`] if `end` is not [`Event::Ended`].
    pub async fn finish(&self, at: u64, end: &Event) -> Result<String, Error> {
        if !matches!(end, Event::Ended { .. }) {
            return Err(Error::new(
                Code::Internal,
                Side::Gateway,
                "a recording ends with an end record alone",
            ));
        }
        self.burst(at, slice::from_ref(end), true).await.map(|head| head.to_string())
    }

    /// Writes a burst here and now; none if it has to go through the queue.
    fn write_at_once(&self, at: u64, events: &[Event]) -> Option<Result<(), Error>> {
        if self.level == Level::Fsync {
            return None;
        }
        let _only_one = self.prompt.enter()?;
        let mut state = self.state();
        let reel = state.reel.clone().filter(|reel| reel.is_prompt())?;
        let mut bytes = mem::take(&mut state.spare);
        let result = state.encode(&reel, at, events, &mut bytes).and_then(|()| reel.write(&bytes));
        if result.is_ok() {
            let head = state.head();
            state.acknowledge(head);
        }
        self.stats.wrote(&result, events.len() as u64, bytes.len());
        bytes.clear();
        state.keep(bytes);
        Some(result)
    }

    async fn burst(&self, at: u64, events: &[Event], last: bool) -> Result<Hash, Error> {
        // A place in the queue comes first: what is encoded is part of the chain and has to be written.
        let place = self.queue.reserve().await.map_err(|_| stopped())?;
        let (head, answer) = self.enqueue(place, at, events, last)?;
        let buffer = answer.await.map_err(|_| stopped())??;
        let mut state = self.state();
        state.acknowledge(head);
        state.keep(buffer);
        Ok(head.hash)
    }

    /// Encodes and sends under one lock, so that bursts reach the thread in the order of their numbers.
    fn enqueue(
        &self,
        place: mpsc::Permit<'_, Job>,
        at: u64,
        events: &[Event],
        last: bool,
    ) -> Result<(Head, Answer), Error> {
        let mut state = self.state();
        let reel = state.reel.clone().ok_or_else(finished)?;
        let mut bytes = mem::take(&mut state.spare);
        state.encode(&reel, at, events, &mut bytes)?;
        if last {
            state.reel = None;
        }
        let (reply, answer) = oneshot::channel();
        self.stats.queued.fetch_add(1, Relaxed);
        reel.waiting.fetch_add(1, Relaxed);
        let sync = last || self.level == Level::Fsync;
        place.send(Job::Write(Burst { reel, bytes, records: events.len() as u64, sync, reply }));
        Ok((state.head(), answer))
    }

    /// Nothing panics while it holds the lock, so a poisoned one holds a sound state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unrecordable(error: &EncodeError) -> Error {
    Error::new(Code::Recorder, Side::Gateway, error.to_string())
        .hint("what cannot be recorded is not relayed: open a new session and send less at a time")
}

fn finished() -> Error {
    Error::new(Code::Recorder, Side::Gateway, "the recording is complete: nothing more can be recorded")
        .hint("open a new session")
}
