//! The threads that write recordings, so that a slow disk holds up at most one async thread.

use std::{
    fs::{File, OpenOptions},
    io,
    num::NonZeroUsize,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread,
    time::{Duration, Instant},
};

use penstock_domain::{Code, Error, Level, Side};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Tape,
    sink::{Reel, Sink, unwritable},
};

/// What the recorder has done and still has to do, for gauges and counters.
#[derive(Debug, Default)]
pub struct Stats {
    /// Bursts that were taken and are not written yet. Those that wait because a queue is full are not counted.
    pub queued: AtomicU64,
    /// Records written.
    pub records: AtomicU64,
    /// Bytes written.
    pub bytes: AtomicU64,
    /// Bursts that could not be written, and recordings that could not be created.
    pub failures: AtomicU64,
}

impl Stats {
    pub(crate) fn wrote(&self, result: &Result<(), Error>, records: u64, bytes: usize) {
        match result {
            Ok(()) => {
                self.records.fetch_add(records, Relaxed);
                self.bytes.fetch_add(bytes as u64, Relaxed);
            }
            Err(_) => drop(self.failures.fetch_add(1, Relaxed)),
        }
    }
}

/// A write that took so long was no copy into memory: the disk holds writers up.
const HELD_UP: Duration = Duration::from_millis(20);

/// How long nobody writes for itself then.
const RELIEF: Duration = Duration::from_secs(1);

/// Lets one async thread at a time write for itself. A write that the page cache takes is over before a recorder
/// thread would be awake; one that the disk holds up holds up this one thread once, and all go to the recorder's for
/// a while.
pub(crate) struct Prompt {
    taken: AtomicBool,
    /// From when on somebody may write again, in microseconds since `began`.
    relieved: AtomicU64,
    began: Instant,
}

impl Prompt {
    fn new() -> Self {
        Self { taken: AtomicBool::new(false), relieved: AtomicU64::new(0), began: Instant::now() }
    }

    pub(crate) fn enter(&self) -> Option<Writing<'_>> {
        let since = self.began.elapsed();
        if micros(since) < self.relieved.load(Relaxed) {
            return None;
        }
        let entered = self.taken.compare_exchange(false, true, Acquire, Relaxed);
        entered.ok().map(|_| Writing { prompt: self, since })
    }
}

/// The one that writes.
pub(crate) struct Writing<'a> {
    prompt: &'a Prompt,
    since: Duration,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let now = self.prompt.began.elapsed();
        if now.saturating_sub(self.since) >= HELD_UP {
            self.prompt.relieved.store(micros(now.saturating_add(RELIEF)), Relaxed);
        }
        self.prompt.taken.store(false, Release);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Bursts that share a commit at the most.
const GROUP: usize = 256;

/// A fixed set of threads that write recordings.
///
/// Each [`Tape`] belongs to one thread, which keeps its bursts in order. The threads end when the recorder and all
/// its tapes are dropped.
pub struct Recorder {
    queues: Vec<mpsc::Sender<Job>>,
    next: AtomicUsize,
    stats: Arc<Stats>,
    prompt: Arc<Prompt>,
}

/// What a recorder thread is asked to do.
pub(crate) enum Job {
    /// Creates a recording's file.
    Create { path: PathBuf, level: Level, reply: oneshot::Sender<io::Result<File>> },
    /// Writes a burst.
    Write(Burst),
}

pub(crate) struct Burst {
    pub reel: Arc<Reel>,
    pub bytes: Vec<u8>,
    pub records: u64,
    /// True if it has to be durable before it counts.
    pub sync: bool,
    /// Gives the buffer back.
    pub reply: oneshot::Sender<Result<Vec<u8>, Error>>,
}

impl Recorder {
    /// Starts the threads, each with a queue that holds `queue` bursts.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(threads: NonZeroUsize, queue: NonZeroUsize) -> io::Result<Self> {
        let stats = Arc::<Stats>::default();
        let queues = (0..threads.get())
            .map(|number| {
                let (sender, jobs) = mpsc::channel(queue.get());
                let stats = Arc::clone(&stats);
                thread::Builder::new().name(format!("recorder-{number}")).spawn(move || run(jobs, &stats))?;
                Ok(sender)
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { queues, next: AtomicUsize::new(0), stats, prompt: Arc::new(Prompt::new()) })
    }

    /// Creates a recording's file, which only its owner can read (0600) and which must not exist yet.
    ///
    /// # Errors
    /// [`Code::Recorder`] if the file exists or cannot be created.
    pub async fn create(&self, path: &Path, level: Level) -> Result<Tape, Error> {
        let queue = self.queue()?;
        let (reply, answer) = oneshot::channel();
        queue.send(Job::Create { path: path.into(), level, reply }).await.map_err(|_| stopped())?;
        let file = answer.await.map_err(|_| stopped())?.map_err(|error| unwritable(&error))?;
        Ok(Tape::new(queue, Box::new(file), level, Arc::clone(&self.stats), Arc::clone(&self.prompt)))
    }

    /// A recording onto something other than a new file.
    ///
    /// # Errors
    /// [`Code::Recorder`] if there is no thread.
    pub fn tape(&self, sink: impl Sink, level: Level) -> Result<Tape, Error> {
        let (stats, prompt) = (Arc::clone(&self.stats), Arc::clone(&self.prompt));
        Ok(Tape::new(self.queue()?, Box::new(sink), level, stats, prompt))
    }

    /// What the threads have done and still have to do.
    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// The queues in turn.
    fn queue(&self) -> Result<mpsc::Sender<Job>, Error> {
        let turn = self.next.fetch_add(1, Relaxed) % self.queues.len();
        self.queues.get(turn).cloned().ok_or_else(stopped)
    }
}

/// One recorder thread. What has come meanwhile is one group: each file in it is synced once, however many of its
/// bursts wait for that (group commit).
fn run(mut jobs: mpsc::Receiver<Job>, stats: &Stats) {
    let mut group = Vec::with_capacity(GROUP);
    while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
        let mut unsynced = Vec::new();
        for job in group.drain(..) {
            match job {
                Job::Create { path, level, reply } => {
                    let file = create(&path, level);
                    stats.failures.fetch_add(u64::from(file.is_err()), Relaxed);
                    // Nobody waits any more: the file is closed and stays behind, empty.
                    drop(reply.send(file));
                }
                Job::Write(burst) => {
                    let result = burst.reel.write(&burst.bytes);
                    if burst.sync {
                        unsynced.push((burst, result));
                    } else {
                        answer(burst, result, stats);
                    }
                }
            }
        }
        commit(unsynced, stats);
    }
}

/// Syncs the files of a group, then tells those who wait.
fn commit(group: Vec<(Burst, Result<(), Error>)>, stats: &Stats) {
    let mut synced: Vec<(&Arc<Reel>, Result<(), Error>)> = Vec::new();
    let mut results = Vec::with_capacity(group.len());
    for (burst, written) in &group {
        let known = synced.iter().find(|(reel, _)| Arc::ptr_eq(reel, &burst.reel)).map(|(_, result)| result);
        let result = known.cloned().unwrap_or_else(|| {
            let result = burst.reel.sync();
            synced.push((&burst.reel, result.clone()));
            result
        });
        results.push(written.clone().and(result));
    }
    for ((burst, _), result) in group.into_iter().zip(results) {
        answer(burst, result, stats);
    }
}

/// `O_APPEND` because a recording only ever grows, whoever else may hold the file.
fn create(path: &Path, level: Level) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    if level == Level::Fsync
        && let Some(folder) = path.parent()
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

fn answer(burst: Burst, result: Result<(), Error>, stats: &Stats) {
    let Burst { reel, mut bytes, records, reply, .. } = burst;
    reel.waiting.fetch_sub(1, Release);
    // With the last burst this closes the file, before anyone hears that the recording is complete.
    drop(reel);
    stats.queued.fetch_sub(1, Relaxed);
    stats.wrote(&result, records, bytes.len());
    bytes.clear();
    // Who no longer waits has ended its session; the burst is written all the same.
    drop(reply.send(result.map(|()| bytes)));
}

/// A recorder whose threads are gone.
pub(crate) fn stopped() -> Error {
    Error::new(Code::Recorder, Side::Gateway, "the recorder has stopped").hint("restart the gateway")
}
