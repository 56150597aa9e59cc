//! A session's recording, and what a session does when it cannot go on: it ends, or the gap is noted.

use std::{
    fs::File,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use penstock_domain::{Error, Event, Gap, Recording as Wanted, Status};
use penstock_record::{Head, Recorder, Tape, summarise};
use tokio::task::spawn_blocking;

use crate::clock;

#[derive(Debug)]
pub(crate) struct Recording {
    /// None if it could not be created and need not be.
    tape: Option<Tape>,
    path: PathBuf,
    required: bool,
    gap: Mutex<Option<Gap>>,
}

/// The end of a recording.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    pub records: u64,
    /// The hash of the last of them, in hex; empty if there is none.
    pub head: String,
    pub gap: Option<Gap>,
}

impl Finished {
    fn at(head: Option<Head>) -> Self {
        let (records, head) = head.map_or((0, String::new()), |head| (head.records, head.hash.to_string()));
        Self { records, head, gap: None }
    }
}

impl Recording {
    /// Creates the file.
    pub(crate) async fn open(recorder: &Recorder, wanted: &Wanted) -> Result<Self, Error> {
        let (tape, gap) = match recorder.create(&wanted.path, wanted.level).await {
            Ok(tape) => (Some(tape), None),
            Err(error) if wanted.required => return Err(error),
            Err(error) => (None, Some(gap(error))),
        };
        Ok(Self { tape, path: wanted.path.clone(), required: wanted.required, gap: Mutex::new(gap) })
    }

    /// Hands events to the kernel or the disk. What they tell of must not go onward before this returns.
    pub(crate) async fn record(&self, events: &[Event]) -> Result<(), Error> {
        let Some(tape) = &self.tape else {
            self.miss(events.len(), None);
            return Ok(());
        };
        match tape.append(clock::micros(), events).await {
            Err(error) if !self.required => {
                self.miss(events.len(), Some(error));
                Ok(())
            }
            answer => answer,
        }
    }

    /// Writes the last record. If it cannot be written, the head is that of what was.
    pub(crate) async fn finish(&self, session: &str, end: &Event) -> Finished {
        let ended = match &self.tape {
            Some(tape) => tape.finish(clock::micros(), end).await.map(drop),
            None => {
                self.miss(1, None);
                Ok(())
            }
        };
        let mut finished = Finished::at(self.head());
        if let Err(error) = ended {
            tracing::error!(target: "penstock::session", session, %error, "the recording has no end");
            if !self.required {
                self.miss(1, Some(error));
            }
            if let Some(found) = self.found().await.filter(|found| found.records > finished.records) {
                finished = found;
            }
        }
        finished.gap = self.gap().take();
        finished
    }

    /// Ends the recording of a session that did not come to be. A file that tells nothing of it does not stay.
    pub(crate) async fn give_up(&self, session: &str, error: &Error) {
        let end = Event::Ended {
            status: Status::Failed,
            reason: Some(error.message.clone()),
            statements: 0,
            client_bytes: 0,
            upstream_bytes: 0,
        };
        if self.finish(session, &end).await.records == 0
            && let Err(error) = tokio::fs::remove_file(&self.path).await
        {
            tracing::debug!(target: "penstock::session", session, %error, "no recording to remove");
        }
    }

    /// How far the file has come. A burst that failed may have left whole records in it, which nobody was told of:
    /// a head from before them would make them look as if they had been added.
    async fn found(&self) -> Option<Finished> {
        let path = self.path.clone();
        let summary = spawn_blocking(move || summarise(File::open(path).ok()?).ok()).await.ok()??;
        Some(Finished { records: summary.records, head: summary.head, gap: None })
    }

    /// How far it has come; none before its first record.
    pub(crate) fn head(&self) -> Option<Head> {
        self.tape.as_ref().map(Tape::head).filter(|head| head.records > 0)
    }

    fn miss(&self, events: usize, error: Option<Error>) {
        let mut missing = self.gap();
        if let Some(error) = error {
            missing.get_or_insert_with(|| gap(error));
        }
        if let Some(gap) = missing.as_mut() {
            gap.events += events as u64;
        }
    }

    fn gap(&self) -> MutexGuard<'_, Option<Gap>> {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gap(error: Error) -> Gap {
    tracing::error!(target: "penstock::session", %error, "a session goes on without its recording");
    Gap { since: clock::micros(), events: 0, reason: error.message }
}
