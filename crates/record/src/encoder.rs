//! Events into bytes.

use blake3::Hash;
use penstock_domain::Event;

use crate::format::{self, MAX_PAYLOAD, Misplaced, PREFIX, Prefix, Stage};

/// Why an event cannot be recorded. The encoder and the buffer are as they were before the call.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The event does not belong there.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// The event's JSON is longer than [`MAX_PAYLOAD`].
    #[error("an event of {0} bytes is longer than a record may be ({MAX_PAYLOAD} bytes)")]
    TooLong(usize),
    /// The event has no JSON form.
    #[error("an event cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Turns the events of one session into the bytes of its recording, in order.
#[derive(Debug)]
pub struct Encoder {
    head: Hash,
    records: u64,
    stage: Stage,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder at the beginning of a recording.
    #[must_use]
    pub fn new() -> Self {
        Self { head: format::seed(), records: 0, stage: Stage::Empty }
    }

    /// Appends one record to `out`, and the file's header before the first; `at` is in microseconds since the
    /// epoch.
    ///
    /// # Errors
    /// If the event is too long or does not belong there; then nothing was appended.
    pub fn append(&mut self, at: u64, event: &Event, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let stage = self.stage.after(event)?;
        let before = out.len();
        match self.frame(at, event, out) {
            Ok(head) => {
                self.head = head;
                self.records += 1;
                self.stage = stage;
                Ok(())
            }
            Err(error) => {
                out.truncate(before);
                Err(error)
            }
        }
    }

    fn frame(&self, at: u64, event: &Event, out: &mut Vec<u8>) -> Result<Hash, EncodeError> {
        if self.records == 0 {
            out.extend_from_slice(&format::header());
        }
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX]);
        serde_json::to_writer(&mut *out, event)?;
        let written = out.get_mut(start..).unwrap_or_default();
        let (prefix, payload) = written.split_at_mut(PREFIX);
        if payload.len() > MAX_PAYLOAD {
            return Err(EncodeError::TooLong(payload.len()));
        }
        let length = u32::try_from(payload.len()).map_err(|_| EncodeError::TooLong(payload.len()))?;
        prefix.copy_from_slice(&Prefix { length, number: self.records + 1, at }.to_bytes());
        let head = format::link(&self.head, written);
        out.extend_from_slice(head.as_bytes());
        Ok(head)
    }

    /// The hash of the last record; its `to_string` is the head in hex that is kept in the store.
    #[must_use]
    pub fn head(&self) -> Hash {
        self.head
    }

    /// How many records were appended.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }
}
