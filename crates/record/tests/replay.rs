//! What people and programs see of a recording.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod sample;

use std::{
    cell::Cell,
    io::{self, Read},
};

use penstock_domain::Event;
use penstock_record::{Encoder, Replay};
use sample::{START, completed, ended, events, opened, record, statement};
use serde_json::{Value, json};

fn replay(bytes: &[u8]) -> Vec<Value> {
    Replay::new(bytes).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

#[test]
fn statements_carry_their_answers_and_all_else_its_fields() {
    let lines = replay(&record(&events()).0);
    let expected = [
        json!({"type": "opened", "at": "2026-11-21T07:00:00.123456Z", "session": "s-1", "connection": "demo-pg",
               "protocol": "postgres", "principal": "ann@example.com"}),
        json!({"type": "statement", "at": "2026-11-21T07:00:00.124456Z", "id": 1, "text": "select 1", "rows": 1,
               "error": null, "bytes": 8, "truncated": false, "duration_ms": 1.0}),
        json!({"type": "statement", "at": "2026-11-21T07:00:00.126456Z", "id": 2, "text": "select 'zwölf'",
               "rows": null, "error": "42P01: no such table", "bytes": 15, "truncated": false, "duration_ms": 1.0}),
        json!({"type": "ended", "at": "2026-11-21T07:00:00.128456Z", "status": "closed", "statements": 2,
               "client_bytes": 100, "upstream_bytes": 2000}),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_last_completion_counts_even_with_others_in_between() {
    let events = [
        opened(),
        statement(1, "fetched in parts"),
        statement(2, "meanwhile"),
        completed(1, 10),
        completed(2, 5),
        statement(3, "never completed"),
        completed(1, 20),
    ];
    let lines = replay(&record(&events).0);
    let rows: Vec<_> = lines[1..].iter().map(|line| (&line["id"], &line["rows"])).collect();
    let expected = [(json!(1), json!(20)), (json!(2), json!(5)), (json!(3), Value::Null)];
    assert!(rows.into_iter().eq(expected.iter().map(|(id, rows)| (id, rows))));
    assert_eq!(lines[1]["duration_ms"], 5.0);
    assert_eq!(lines[3]["duration_ms"], Value::Null);
}

#[test]
fn a_digest_is_shown_where_the_text_is_not_whole() {
    let mut long = statement(1, "select");
    let Event::Statement { truncated, digest, .. } = &mut long else { unreachable!() };
    (*truncated, *digest) = (true, Some("d1".into()));
    let lines = replay(&record(&[opened(), long]).0);
    assert_eq!((&lines[1]["truncated"], &lines[1]["digest"]), (&json!(true), &json!("d1")));
}

#[test]
fn a_completion_beyond_the_window_is_an_object_of_its_own() {
    let many = (2..4000).flat_map(|id| [statement(id, "x"), completed(id, 1)]);
    let events: Vec<_> = [opened(), statement(1, "slow"), completed(1, 10)]
        .into_iter()
        .chain(many)
        .chain([completed(1, 20), ended()])
        .collect();
    let lines = replay(&record(&events).0);
    assert_eq!(lines[1]["rows"], 10);
    assert!(lines[2..4000].iter().all(|line| line["type"] == "statement" && line["rows"] == 1));
    assert_eq!(lines[4000], json!({"type": "completed", "at": lines[4000]["at"], "id": 1, "rows": 20}));
    assert_eq!(lines[4001]["type"], "ended");
}

/// Tells how much of a file was read.
struct Counted<'a>(&'a [u8], &'a Cell<usize>);

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.set(self.1.get() + read);
        Ok(read)
    }
}

#[test]
fn the_window_is_bounded_in_bytes_and_long_statements_still_meet_their_answers() {
    let text = "x".repeat(3 << 20);
    let pairs = (1..6).flat_map(|id| [statement(id, &text), completed(id, id)]);
    let (bytes, _) = record(&[opened()].into_iter().chain(pairs).collect::<Vec<_>>());
    let read = Cell::new(0);
    let mut lines = Replay::new(Counted(&bytes, &read));
    assert!(lines.next().unwrap().unwrap().contains("opened"));
    assert!(read.get() < 10 << 20, "{} of {} bytes were read for one event", read.get(), bytes.len());
    let rows = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["rows"].as_u64());
    assert!(rows.eq((1..6).map(Some)));
}

#[test]
fn a_torn_write_ends_the_replay_and_a_change_is_its_last_item() {
    let (mut bytes, _) = record(&events()[..4]);
    let torn = &bytes[..bytes.len() - 10];
    assert_eq!(replay(torn).len(), 2);
    assert!(replay(b"").is_empty());

    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    let mut lines = Replay::new(&bytes[..]);
    assert!(lines.next().unwrap().is_ok());
    assert!(lines.next().unwrap().is_ok());
    assert_eq!(lines.next().unwrap().unwrap_err().record, 4);
    assert!(lines.next().is_none());
}

#[test]
fn times_are_exact_and_those_beyond_the_calendar_do_not_stop_it() {
    let shown = |at| {
        let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
        encoder.append(at, &opened(), &mut bytes).unwrap();
        replay(&bytes)[0]["at"].as_str().unwrap().to_owned()
    };
    assert_eq!(shown(0), "1970-01-01T00:00:00.000000Z");
    assert_eq!(shown(951_782_400_000_001), "2000-02-29T00:00:00.000001Z");
    assert_eq!(shown(START), "2026-11-21T07:00:00.123456Z");
    assert!(shown(u64::MAX).starts_with("9999-12-"));
}

#[test]
fn a_clock_that_was_set_back_makes_no_negative_duration() {
    let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
    for (at, event) in [(9, opened()), (8, statement(1, "x")), (7, completed(1, 0))] {
        encoder.append(at, &event, &mut bytes).unwrap();
    }
    assert_eq!(replay(&bytes)[1]["duration_ms"], 0.0);
}
