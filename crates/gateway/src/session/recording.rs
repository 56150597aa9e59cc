//! A session's recording, and what a session does when it cannot go on: it ends, or the gap is noted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use penstock_domain::{Error, Event, Gap, Recording as Wanted};
use penstock_record::{Head, Recorder, Tape};

use crate::clock;

#[derive(Debug)]
pub(crate) struct Recording {
    /// None if it could not be created and need not be.
    tape: Option<Tape>,
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

impl Recording {
    /// Creates the file.
    pub(crate) async fn open(recorder: &Recorder, wanted: &Wanted) -> Result<Self, Error> {
        let (tape, gap) = match recorder.create(&wanted.path, wanted.level).await {
            Ok(tape) => (Some(tape), None),
            Err(error) if wanted.required => return Err(error),
            Err(error) => (None, Some(gap(error))),
        };
        Ok(Self { tape, required: wanted.required, gap: Mutex::new(gap) })
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
        if let Some(tape) = &self.tape
            && let Err(error) = tape.finish(clock::micros(), end).await
        {
            tracing::error!(target: "penstock::session", session, %error, "the recording has no end");
            if !self.required {
                self.miss(1, Some(error));
            }
        } else if self.tape.is_none() {
            self.miss(1, None);
        }
        let head = self.head();
        Finished {
            records: head.map_or(0, |head| head.records),
            head: head.map(|head| head.hash.to_string()).unwrap_or_default(),
            gap: self.gap().take(),
        }
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
