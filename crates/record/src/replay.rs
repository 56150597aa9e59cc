//! A recording as JSON objects for people and programs: one per event, statements with their answers.

use std::{collections::VecDeque, io::Read};

use jiff::Timestamp;
use penstock_domain::Event;
use serde::Serialize;

use crate::{Fault, Reader, Record, What};

/// Events that are held back at most, so that a statement can meet its answers.
const WINDOW_EVENTS: usize = 1024;
/// Bytes of records that are held back at most, beside the newest event.
const WINDOW_BYTES: u64 = 8 << 20;

/// Replays a recording: an iterator of JSON objects, one per event, in the order in which things started.
///
/// A statement and what completed it are one object: `type`, `at`, `id`, `text`, `rows`, `error`, `bytes`,
/// `truncated`, `digest` (where there is one) and `duration_ms`; `rows`, `error` and `duration_ms` are null if it
/// never completed. A portal that is read in parts completes several times, with running totals and with other
/// statements in between, so the last completion is the truth. That is why events are held back until the window
/// is full or the recording ends; a completion that comes later still is an object of its own.
/// Every other event is an object with its own fields, `type` and `at` (RFC 3339, UTC, microseconds).
///
/// A torn write ends the replay like the file's end does: a crash left it, or the session still goes on. Any other
/// fault is the last item.
pub struct Replay<R> {
    /// None after the end.
    records: Option<Reader<R>>,
    window: VecDeque<Started>,
    /// Bytes of the records in the window.
    held: u64,
    fault: Option<Fault>,
}

/// An event that started something, and for a statement the last word on how it went.
struct Started {
    record: Record,
    bytes: u64,
    answer: Option<Answer>,
}

struct Answer {
    at: u64,
    bytes: u64,
    rows: Option<u64>,
    error: Option<String>,
}

impl<R: Read> Replay<R> {
    /// Replays the recording that `source` holds from here on.
    pub fn new(source: R) -> Self {
        Self { records: Some(Reader::new(source)), window: VecDeque::new(), held: 0, fault: None }
    }

    /// Takes in records until the window is full or there are no more.
    fn fill(&mut self) {
        while let Some(reader) = &mut self.records {
            if self.window.len() > 1 && (self.window.len() > WINDOW_EVENTS || self.held > WINDOW_BYTES) {
                return;
            }
            match reader.next() {
                Some(Ok(record)) => {
                    let bytes = reader.offset() - record.offset;
                    self.take(record, bytes);
                }
                end => {
                    self.fault = end.and_then(Result::err).filter(|fault| !fault.is_cut());
                    self.records = None;
                }
            }
        }
    }

    fn take(&mut self, mut record: Record, bytes: u64) {
        self.held += bytes;
        if let Event::Completed { id, rows, error } = &mut record.event
            && let Some(started) = self.window.iter_mut().rev().find(|started| started.is_statement(*id))
        {
            let answer = Answer { at: record.at, bytes, rows: *rows, error: error.take() };
            let replaced = started.answer.replace(answer);
            self.held -= replaced.map_or(0, |answer| answer.bytes);
            return;
        }
        self.window.push_back(Started { record, bytes, answer: None });
    }
}

impl<R: Read> Iterator for Replay<R> {
    type Item = Result<String, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill();
        let Some(started) = self.window.pop_front() else { return self.fault.take().map(Err) };
        self.held -= started.bytes + started.answer.as_ref().map_or(0, |answer| answer.bytes);
        Some(started.to_json())
    }
}

#[derive(Serialize)]
struct Statement<'a> {
    r#type: &'static str,
    at: String,
    id: u64,
    text: &'a str,
    rows: Option<u64>,
    error: Option<&'a str>,
    bytes: u64,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    duration_ms: Option<f64>,
}

#[derive(Serialize)]
struct Other<'a> {
    #[serde(flatten)]
    event: &'a Event,
    at: String,
}

impl Started {
    fn is_statement(&self, number: u64) -> bool {
        matches!(self.record.event, Event::Statement { id, .. } if id == number)
    }

    fn to_json(&self) -> Result<String, Fault> {
        let Self { record, answer, .. } = self;
        let at = rfc3339(record.at);
        let json = match &record.event {
            Event::Statement { id, text, bytes, truncated, digest } => serde_json::to_string(&Statement {
                r#type: "statement",
                at,
                id: *id,
                text,
                rows: answer.as_ref().and_then(|answer| answer.rows),
                error: answer.as_ref().and_then(|answer| answer.error.as_deref()),
                bytes: *bytes,
                truncated: *truncated,
                digest: digest.as_deref(),
                duration_ms: answer.as_ref().map(|answer| milliseconds(record.at, answer.at)),
            }),
            event => serde_json::to_string(&Other { event, at }),
        };
        json.map_err(|_| Fault { record: record.index, offset: record.offset, what: What::Unreadable })
    }
}

/// Zero if the clock was set back meanwhile.
fn milliseconds(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1000.0
}

/// What no calendar holds becomes its last day: a time is shown, never a reason to stop.
fn rfc3339(micros: u64) -> String {
    let time = i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    format!("{:.6}", time.unwrap_or(Timestamp::MAX))
}
