//! What is encoded is read again, and what breaks the format is not encoded.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod sample;

use std::io::{self, Read};

use penstock_domain::{Event, Status};
use penstock_record::{EncodeError, Encoder, MAX_PAYLOAD, Misplaced, Reader, verify};
use proptest::{collection::vec, option, prelude::*};
use sample::{ended, events, opened, record, statement};

fn any_event() -> impl Strategy<Value = Event> {
    let client = (".*", ".*", ".*").prop_map(|(user, database, application)| Event::Client {
        user,
        database,
        application,
    });
    let statement =
        (any::<u64>(), any::<String>(), any::<u64>(), any::<bool>(), option::of("[0-9a-f]{64}")).prop_map(
            |(id, text, bytes, truncated, digest)| Event::Statement { id, text, bytes, truncated, digest },
        );
    let completed = (any::<u64>(), option::of(any::<u64>()), option::of(any::<String>()))
        .prop_map(|(id, rows, error)| Event::Completed { id, rows, error });
    let notice = any::<String>().prop_map(|text| Event::Notice { text });
    prop_oneof![client, statement, completed, notice, Just(Event::Cancel)]
}

fn any_end() -> impl Strategy<Value = Event> {
    let status =
        prop_oneof![Just(Status::Closed), Just(Status::Killed), Just(Status::Expired), Just(Status::Failed)];
    (status, option::of(any::<String>()), any::<[u64; 3]>()).prop_map(
        |(status, reason, [statements, client_bytes, upstream_bytes])| Event::Ended {
            status,
            reason,
            statements,
            client_bytes,
            upstream_bytes,
        },
    )
}

/// Hands out a few bytes at a time, as a pipe may.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

proptest! {
    #[test]
    fn every_event_is_read_as_it_was_written(
        middle in vec((any::<u64>(), any_event()), 0..12),
        end in any_end(),
        step in 1usize..40,
    ) {
        let timed: Vec<_> = [(7, opened())].into_iter().chain(middle).chain([(9, end)]).collect();
        let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
        for (at, event) in &timed {
            encoder.append(*at, event, &mut bytes).unwrap();
        }
        let read: Vec<_> = Reader::new(Dribble(&bytes, step)).collect::<Result<_, _>>().unwrap();
        let pairs: Vec<_> = read.iter().map(|record| (record.at, record.event.clone())).collect();
        prop_assert_eq!(pairs, timed);
        prop_assert!(read.iter().map(|record| record.index).eq(1..=encoder.records()));
        prop_assert_eq!(read.last().unwrap().hash, encoder.head());
        prop_assert!(verify(&bytes[..], Some(&encoder.head().to_string())).ok);
    }
}

#[test]
fn a_burst_is_the_same_in_one_buffer_or_in_many() {
    let (whole, head) = record(&events());
    let (mut encoder, mut pieces) = (Encoder::new(), Vec::new());
    for (at, event) in (sample::START..).step_by(1000).zip(&events()) {
        let mut piece = Vec::new();
        encoder.append(at, event, &mut piece).unwrap();
        pieces.extend(piece);
    }
    assert_eq!(pieces, whole);
    assert_eq!(encoder.head().to_string(), head);
}

#[test]
fn misplaced_events_are_refused_and_change_nothing() {
    let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
    let mut refused = |encoder: &mut Encoder, event: &Event| {
        let (head, before) = (encoder.head(), bytes.clone());
        let error = encoder.append(0, event, &mut bytes).unwrap_err();
        assert_eq!((encoder.head(), &bytes), (head, &before));
        let EncodeError::Misplaced(rule) = error else { panic!("{error}") };
        rule
    };
    assert_eq!(refused(&mut encoder, &Event::Cancel), Misplaced::NotOpened);
    encoder.append(0, &opened(), &mut Vec::new()).unwrap();
    assert_eq!(refused(&mut encoder, &opened()), Misplaced::OpenedTwice);
    encoder.append(0, &ended(), &mut Vec::new()).unwrap();
    assert_eq!(refused(&mut encoder, &Event::Cancel), Misplaced::AfterEnd);
}

#[test]
fn a_mebibyte_of_control_characters_fits_and_more_than_a_record_does_not() {
    let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
    encoder.append(0, &opened(), &mut bytes).unwrap();
    encoder.append(1, &statement(1, &"\u{1}".repeat(1 << 20)), &mut bytes).unwrap();
    let before = bytes.clone();
    let error = encoder.append(2, &statement(2, &"x".repeat(MAX_PAYLOAD)), &mut bytes).unwrap_err();
    assert!(matches!(error, EncodeError::TooLong(length) if length > MAX_PAYLOAD), "{error}");
    assert_eq!(bytes, before);
    encoder.append(3, &ended(), &mut bytes).unwrap();
    let report = verify(&bytes[..], None);
    assert!(report.ok, "{:?}", report.fault);
    assert_eq!(report.records, 3);
}

#[test]
fn the_head_at_any_record_can_be_asked_for() {
    let (mut encoder, mut bytes, mut known) = (Encoder::new(), Vec::new(), Vec::new());
    for event in events() {
        encoder.append(0, &event, &mut bytes).unwrap();
        known.push(encoder.head());
    }
    let found = penstock_record::heads(&bytes[..], &[1, 3, 99].into());
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(1, known[0]), (3, known[2])]);
    let cut = &bytes[..bytes.len() - 1];
    assert!(penstock_record::heads(cut, &[known.len() as u64].into()).is_empty());
}
