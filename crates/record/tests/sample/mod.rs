//! Recordings to read and to break.

use penstock_domain::{Event, Status};
use penstock_record::{Encoder, Reader};

/// 2026-11-21T07:00:00.123456Z.
pub const START: u64 = 1_795_244_400_123_456;

pub fn opened() -> Event {
    Event::Opened {
        session: "s-1".into(),
        connection: "demo-pg".into(),
        protocol: "postgres".into(),
        principal: "ann@example.com".into(),
    }
}

pub fn statement(id: u64, text: &str) -> Event {
    Event::Statement { id, text: text.into(), bytes: text.len() as u64, truncated: false, digest: None }
}

pub fn completed(id: u64, rows: u64) -> Event {
    Event::Completed { id, rows: Some(rows), error: None }
}

pub fn ended() -> Event {
    Event::Ended {
        status: Status::Closed,
        reason: None,
        statements: 2,
        client_bytes: 100,
        upstream_bytes: 2000,
    }
}

/// Six records, the last of them the end.
pub fn events() -> Vec<Event> {
    vec![
        opened(),
        statement(1, "select 1"),
        completed(1, 1),
        statement(2, "select 'zwölf'"),
        Event::Completed { id: 2, rows: None, error: Some("42P01: no such table".into()) },
        ended(),
    ]
}

/// One record per millisecond; the bytes and the head.
pub fn record(events: &[Event]) -> (Vec<u8>, String) {
    let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
    for (at, event) in (START..).step_by(1000).zip(events) {
        encoder.append(at, event, &mut bytes).unwrap();
    }
    (bytes, encoder.head().to_string())
}

/// Where each record begins, and the file's end.
#[allow(dead_code, reason = "not every test file cuts a recording into its records")]
pub fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let starts = Reader::new(bytes).map(|record| record.unwrap().offset as usize);
    starts.chain([bytes.len()]).collect()
}
