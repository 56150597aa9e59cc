//! The recorder under load, against disks that fail and disks that hang.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod sample;

use std::{
    fs::{self, File},
    io,
    num::NonZeroUsize,
    os::unix::fs::PermissionsExt,
    slice,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use penstock_domain::{Code, Error, Event, Level};
use penstock_record::{MAX_PAYLOAD, Recorder, Replay, Sink, Tape, What, verify};
use sample::{completed, ended, events, opened, record, statement};
use tokio::task::JoinHandle;

fn recorder(threads: usize, queue: usize) -> Recorder {
    Recorder::start(NonZeroUsize::new(threads).unwrap(), NonZeroUsize::new(queue).unwrap()).unwrap()
}

/// Keeps what it is given and fails from the given call on.
#[derive(Default)]
struct Disk {
    writes: Mutex<Vec<Vec<u8>>>,
    syncs: AtomicUsize,
    fail_write: Option<usize>,
    fail_sync: bool,
}

/// The recorder owns its sink; the test looks on.
struct Shared(Arc<Disk>);

impl Sink for Shared {
    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut writes = self.0.writes.lock().unwrap();
        writes.push(bytes.to_vec());
        if self.0.fail_write.is_some_and(|fail| writes.len() >= fail) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.syncs.fetch_add(1, Relaxed);
        if self.0.fail_sync { Err(io::Error::other("I/O error")) } else { Ok(()) }
    }
}

/// Says when a write begins and ends it when told how.
struct Gate {
    begun: mpsc::Sender<()>,
    results: Mutex<mpsc::Receiver<io::Result<()>>>,
}

impl Sink for Gate {
    fn write_all(&self, _: &[u8]) -> io::Result<()> {
        self.begun.send(()).map_err(io::Error::other)?;
        self.results.lock().unwrap().recv().map_err(io::Error::other)?
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes bytes like the page cache, but for the first, which the disk holds up; notes which threads come.
#[derive(Clone, Default)]
struct Sluggish(Arc<Mutex<Vec<Option<String>>>>);

impl Sink for Sluggish {
    fn write_all(&self, _: &[u8]) -> io::Result<()> {
        let mut threads = self.0.lock().unwrap();
        if threads.is_empty() {
            thread::sleep(Duration::from_millis(25));
        }
        threads.push(thread::current().name().map(str::to_owned));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn is_prompt(&self) -> bool {
        true
    }
}

impl Sluggish {
    /// Whether the last write was one of the recorder's threads'.
    fn was_relieved(&self) -> bool {
        self.0.lock().unwrap().last().unwrap().as_deref() == Some("recorder-0")
    }
}

fn gate() -> (Gate, mpsc::Receiver<()>, mpsc::Sender<io::Result<()>>) {
    let (begun, begins) = mpsc::channel();
    let (sender, results) = mpsc::channel();
    (Gate { begun, results: Mutex::new(results) }, begins, sender)
}

fn spawn_append(tape: &Arc<Tape>, event: Event) -> JoinHandle<Result<(), Error>> {
    let tape = tape.clone();
    tokio::spawn(async move { tape.append(0, &[event]).await })
}

#[tokio::test]
async fn a_session_is_recorded_into_a_file_of_its_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("s-1.rec");
    let recorder = recorder(2, 16);
    let tape = recorder.create(&path, Level::Process).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let events = events();
    tape.append(1, &events[..2]).await.unwrap();
    assert_eq!(Replay::new(File::open(&path).unwrap()).count(), 2, "an acknowledged burst is in the file");
    tape.append(2, &events[2..5]).await.unwrap();
    tape.append(3, &[]).await.unwrap();
    let head = tape.finish(4, &ended()).await.unwrap();

    let report = verify(File::open(&path).unwrap(), Some(&head));
    assert!(report.ok && report.ended, "{:?}", report.fault);
    let stats = recorder.stats();
    assert_eq!((stats.records.load(Relaxed), stats.queued.load(Relaxed)), (6, 0));
    assert_eq!(stats.bytes.load(Relaxed), fs::metadata(&path).unwrap().len());
    assert_eq!(tape.append(5, &[Event::Cancel]).await.unwrap_err().code, Code::Recorder);
    assert_eq!(tape.finish(5, &ended()).await.unwrap_err().code, Code::Recorder);
}

#[tokio::test]
async fn a_disk_that_holds_up_one_write_gets_the_next_from_the_recorders_threads() {
    let (recorder, disk) = (recorder(1, 4), Sluggish::default());
    let tape = recorder.tape(disk.clone(), Level::Process).unwrap();
    tape.append(1, &events()[..1]).await.unwrap();
    assert!(!disk.was_relieved());
    tape.append(2, &[Event::Cancel]).await.unwrap();
    assert!(disk.was_relieved());
    let deadline = Instant::now() + Duration::from_secs(10);
    while disk.was_relieved() {
        assert!(Instant::now() < deadline, "it is never trusted again");
        tokio::time::sleep(Duration::from_millis(100)).await;
        tape.append(3, &[Event::Cancel]).await.unwrap();
    }
}

#[tokio::test]
async fn a_recording_is_never_overwritten_and_a_missing_folder_is_named() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("s-1.rec");
    fs::write(&path, "evidence").unwrap();
    let recorder = recorder(1, 4);
    let error = recorder.create(&path, Level::Process).await.err().unwrap();
    assert_eq!(error.code, Code::Recorder);
    assert!(error.hint.unwrap().contains("never overwritten"));
    assert_eq!(fs::read(&path).unwrap(), b"evidence");

    let error = recorder.create(&home.path().join("nowhere/s-2.rec"), Level::Process).await.err().unwrap();
    assert!(error.hint.unwrap().contains("folder"));
    assert_eq!(recorder.stats().failures.load(Relaxed), 2);
}

#[tokio::test]
async fn a_burst_is_one_write_and_only_the_end_is_synced() {
    let disk = Arc::new(Disk::default());
    let tape = recorder(1, 4).tape(Shared(disk.clone()), Level::Process).unwrap();
    let events = events();
    tape.append(0, &events[..1]).await.unwrap();
    tape.append(0, &events[1..5]).await.unwrap();
    assert_eq!((disk.writes.lock().unwrap().len(), disk.syncs.load(Relaxed)), (2, 0));
    tape.finish(0, &ended()).await.unwrap();
    assert_eq!((disk.writes.lock().unwrap().len(), disk.syncs.load(Relaxed)), (3, 1));
    assert_eq!(Arc::strong_count(&disk), 1, "a finished recording is closed");
    assert!(verify(&disk.writes.lock().unwrap().concat()[..], None).ok);
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_written_and_everything_fails() {
    let disk = Arc::new(Disk { fail_write: Some(2), ..Disk::default() });
    let recorder = recorder(1, 4);
    let tape = recorder.tape(Shared(disk.clone()), Level::Process).unwrap();
    tape.append(0, &[opened()]).await.unwrap();
    let failed = tape.append(1, &[statement(1, "a")]).await;
    let later = tape.append(2, &[Event::Cancel]).await;
    let end = tape.finish(3, &ended()).await.map(drop);
    for result in [failed, later, end] {
        let error = result.unwrap_err();
        assert_eq!(error.code, Code::Recorder);
        assert!(error.hint.unwrap().contains("space"), "{}", error.message);
    }
    assert_eq!((disk.writes.lock().unwrap().len(), disk.syncs.load(Relaxed)), (2, 0));
    assert_eq!((recorder.stats().records.load(Relaxed), recorder.stats().failures.load(Relaxed)), (1, 1));
}

#[tokio::test]
async fn a_burst_that_is_queued_behind_a_failed_write_is_not_written() {
    let (gate, begins, results) = gate();
    let recorder = recorder(1, 4);
    let tape = Arc::new(recorder.tape(gate, Level::Process).unwrap());
    let failing = spawn_append(&tape, opened());
    tokio::task::yield_now().await;
    begins.recv().unwrap();
    let behind = spawn_append(&tape, Event::Cancel);
    tokio::task::yield_now().await;
    assert_eq!(recorder.stats().queued.load(Relaxed), 2);
    results.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    for task in [failing, behind] {
        assert_eq!(task.await.unwrap().unwrap_err().code, Code::Recorder);
    }
    assert_eq!(begins.try_recv().unwrap_err(), mpsc::TryRecvError::Empty);
    assert_eq!(recorder.stats().failures.load(Relaxed), 2);
}

#[tokio::test]
async fn a_failed_fsync_is_told_and_not_tried_again() {
    let disk = Arc::new(Disk { fail_sync: true, ..Disk::default() });
    let tape = recorder(1, 4).tape(Shared(disk.clone()), Level::Process).unwrap();
    tape.append(0, &[opened()]).await.unwrap();
    assert_eq!(tape.finish(1, &ended()).await.unwrap_err().code, Code::Recorder);
    assert!(tape.finish(2, &ended()).await.is_err());
    assert_eq!(disk.syncs.load(Relaxed), 1);
}

#[tokio::test]
async fn what_cannot_be_recorded_ends_the_recording() {
    let disk = Arc::new(Disk::default());
    let tape = recorder(1, 4).tape(Shared(disk.clone()), Level::Process).unwrap();
    tape.append(0, &[opened()]).await.unwrap();
    let burst = [statement(1, "fits"), statement(2, &"x".repeat(MAX_PAYLOAD))];
    assert_eq!(tape.append(1, &burst).await.unwrap_err().code, Code::Recorder);
    assert!(tape.append(2, &[Event::Cancel]).await.is_err());
    assert_eq!(tape.finish(3, &Event::Cancel).await.unwrap_err().code, Code::Internal);
    let report = verify(&disk.writes.lock().unwrap().concat()[..], None);
    assert_eq!((report.records, report.fault.unwrap().what), (1, What::NoEnd));
}

#[tokio::test]
async fn a_full_queue_makes_bursts_wait_and_drops_none() {
    let (gate, begins, results) = gate();
    let recorder = recorder(1, 1);
    let tape = Arc::new(recorder.tape(gate, Level::Process).unwrap());
    let opening = spawn_append(&tape, opened());
    tokio::task::yield_now().await;
    begins.recv().unwrap();
    let waiting: Vec<_> = (1..5).map(|id| spawn_append(&tape, statement(id, "x"))).collect();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!opening.is_finished() && waiting.iter().all(|task| !task.is_finished()));
    assert_eq!(recorder.stats().queued.load(Relaxed), 2, "one is being written, one is in the queue");

    for _ in 0..5 {
        results.send(Ok(())).unwrap();
    }
    for task in [opening].into_iter().chain(waiting) {
        task.await.unwrap().unwrap();
    }
    assert_eq!((recorder.stats().records.load(Relaxed), recorder.stats().queued.load(Relaxed)), (5, 0));
}

#[tokio::test]
async fn a_burst_that_gave_up_waiting_leaves_no_gap() {
    let disk = Arc::new(Disk::default());
    let (gate, begins, results) = gate();
    let recorder = recorder(1, 1);
    let busy = Arc::new(recorder.tape(gate, Level::Process).unwrap());
    let tape = recorder.tape(Shared(disk.clone()), Level::Process).unwrap();
    tape.append(0, &[opened()]).await.unwrap();

    let writing = spawn_append(&busy, opened());
    tokio::task::yield_now().await;
    begins.recv().unwrap();
    let queued = spawn_append(&busy, Event::Cancel);
    tokio::task::yield_now().await;
    let burst = [statement(1, "given up")];
    tokio::select! {
        biased;
        _ = tape.append(1, &burst) => panic!("the queue was full"),
        () = tokio::task::yield_now() => {}
    }
    for task in [writing, queued] {
        results.send(Ok(())).unwrap();
        task.await.unwrap().unwrap();
    }
    tape.finish(2, &ended()).await.unwrap();
    let report = verify(&disk.writes.lock().unwrap().concat()[..], None);
    assert_eq!((report.ok, report.records), (true, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_of_many_sessions_keep_their_order() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Arc::new(recorder(2, 4));
    let sessions: Vec<_> = (0..8)
        .map(|number| {
            let (recorder, path) = (recorder.clone(), home.path().join(number.to_string()));
            tokio::spawn(async move {
                let tape = recorder.create(&path, Level::Process).await.unwrap();
                tape.append(0, &[opened()]).await.unwrap();
                let statements = async {
                    for id in 0..100 {
                        tape.append(id, &[statement(id, "select 1")]).await.unwrap();
                    }
                };
                let answers = async {
                    for id in 0..100 {
                        tape.append(id, &[completed(id, 1), Event::Cancel]).await.unwrap();
                    }
                };
                tokio::join!(statements, answers);
                let head = tape.finish(100, &ended()).await.unwrap();
                verify(File::open(path).unwrap(), Some(&head))
            })
        })
        .collect();
    for session in sessions {
        let report = session.await.unwrap();
        assert!(report.ok, "{:?}", report.fault);
        assert_eq!(report.records, 302);
    }
}

#[tokio::test]
async fn a_dropped_tape_closes_its_file_without_an_end() {
    let disk = Arc::new(Disk::default());
    let tape = recorder(1, 4).tape(Shared(disk.clone()), Level::Process).unwrap();
    tape.append(0, &events()[..2]).await.unwrap();
    drop(tape);
    assert_eq!(Arc::strong_count(&disk), 1);
    let written = disk.writes.lock().unwrap().concat();
    assert_eq!(verify(&written[..], None).fault.unwrap().what, What::NoEnd);
    assert_eq!(written.len(), record(&events()[..2]).0.len());
}

/// A recorder thread that dies must fail its sessions, not hang them.
#[tokio::test]
async fn a_thread_that_died_fails_its_tapes() {
    struct Bomb;
    impl Sink for Bomb {
        fn write_all(&self, _: &[u8]) -> io::Result<()> {
            panic!("the sink has a fault")
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }
    let tape = recorder(1, 4).tape(Bomb, Level::Process).unwrap();
    for event in [opened(), Event::Cancel] {
        let error = tape.append(0, &[event]).await.unwrap_err();
        assert_eq!(error.message, "the recorder has stopped");
    }
}

#[tokio::test]
async fn at_level_fsync_every_burst_is_durable_before_it_counts() {
    let disk = Arc::new(Disk::default());
    let tape = recorder(1, 4).tape(Shared(disk.clone()), Level::Fsync).unwrap();
    for (number, event) in events()[..3].iter().enumerate() {
        tape.append(0, slice::from_ref(event)).await.unwrap();
        assert_eq!((disk.syncs.load(Relaxed), tape.head().records), (number + 1, number as u64 + 1));
    }
    let head = tape.finish(0, &ended()).await.unwrap();
    assert_eq!((disk.syncs.load(Relaxed), tape.head().hash.to_string()), (4, head));
}

/// Holds the first sync until it is told, so that others pile up behind it.
struct SlowSync {
    disk: Arc<Disk>,
    held: Mutex<Option<mpsc::Receiver<()>>>,
    begun: mpsc::Sender<()>,
}

impl Sink for SlowSync {
    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        Shared(self.disk.clone()).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        if let Some(held) = self.held.lock().unwrap().take() {
            self.begun.send(()).unwrap();
            held.recv().unwrap();
        }
        Shared(self.disk.clone()).sync()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_that_wait_for_the_disk_share_a_commit() {
    let disk = Arc::new(Disk::default());
    let ((begun, begins), (release, held)) = (mpsc::channel(), mpsc::channel());
    let sink = SlowSync { disk: disk.clone(), held: Mutex::new(Some(held)), begun };
    let recorder = recorder(1, 64);
    let tape = Arc::new(recorder.tape(sink, Level::Fsync).unwrap());
    let opening = spawn_append(&tape, opened());
    tokio::task::spawn_blocking(move || begins.recv().unwrap()).await.unwrap();
    let waiting: Vec<_> = (1..=20).map(|id| spawn_append(&tape, statement(id, "x"))).collect();
    while recorder.stats().queued.load(Relaxed) < 21 {
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    for task in [opening].into_iter().chain(waiting) {
        task.await.unwrap().unwrap();
    }
    assert_eq!((tape.head().records, disk.syncs.load(Relaxed)), (21, 2));
}

#[tokio::test]
async fn a_burst_whose_sync_failed_does_not_count() {
    let disk = Arc::new(Disk { fail_sync: true, ..Disk::default() });
    let tape = recorder(1, 4).tape(Shared(disk), Level::Fsync).unwrap();
    assert_eq!(tape.append(0, &[opened()]).await.unwrap_err().code, Code::Recorder);
    assert_eq!(tape.head().records, 0);
}
