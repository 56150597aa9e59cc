//! Whatever is done to a recording is found, and the record is named.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod sample;

use std::io::{self, Read};

use penstock_domain::Event;
use penstock_record::{Encoder, Fault, MAX_PAYLOAD, Misplaced, Reader, What, verify};
use proptest::prelude::*;
use sample::{boundaries, events, opened, record, statement};

const HEADER: usize = 12;

fn fault(bytes: &[u8]) -> Fault {
    let report = verify(bytes, None);
    assert!(!report.ok);
    report.fault.unwrap()
}

/// The number of the record that holds a byte; 0 for the header.
fn record_at(bounds: &[usize], byte: usize) -> u64 {
    bounds.iter().filter(|start| **start <= byte).count() as u64
}

fn pieces(bytes: &[u8]) -> Vec<Vec<u8>> {
    boundaries(bytes).windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

fn join(bytes: &[u8], pieces: &[Vec<u8>]) -> Vec<u8> {
    [&bytes[..HEADER], &pieces.concat()].concat()
}

#[test]
fn every_flipped_bit_is_found_in_its_own_record() {
    let (bytes, head) = record(&events());
    let bounds = boundaries(&bytes);
    for byte in 0..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[byte] ^= 1 << bit;
            let fault = fault(&broken);
            assert_eq!(fault.record, record_at(&bounds, byte), "byte {byte}, bit {bit}: {fault}");
            assert!(!fault.is_cut() && fault.what != What::NoEnd, "byte {byte}, bit {bit}: {fault}");
            assert!(!verify(&broken[..], Some(&head)).ok);
        }
    }
}

#[test]
fn every_cut_is_found_and_is_not_taken_for_a_change() {
    let (bytes, head) = record(&events());
    let bounds = boundaries(&bytes);
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        let fault = fault(cut);
        let whole = bounds[1..].iter().filter(|end| **end <= length).count() as u64;
        let torn = whole + 1;
        let (record, what) = match length {
            0..HEADER => (0, What::Empty),
            HEADER => (1, What::Empty),
            length if bounds.contains(&length) => (whole, What::NoEnd),
            _ => (torn, What::Cut),
        };
        assert_eq!((fault.record, fault.what), (record, what), "cut after {length}");
        assert!(!verify(cut, Some(&head)).ok);
    }
}

#[test]
fn moved_repeated_missing_and_foreign_records_are_named() {
    let (bytes, _) = record(&events());
    let pieces = pieces(&bytes);
    let altered = |alter: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut altered = pieces.clone();
        alter(&mut altered);
        let fault = fault(&join(&bytes, &altered));
        (fault.record, fault.what)
    };
    assert_eq!(altered(&|p| p.swap(1, 3)), (2, What::OutOfOrder(4)));
    assert_eq!(altered(&|p| p.insert(3, p[2].clone())), (4, What::OutOfOrder(3)));
    assert_eq!(altered(&|p| drop(p.remove(2))), (3, What::OutOfOrder(4)));
    assert_eq!(altered(&|p| drop(p.remove(0))), (1, What::OutOfOrder(2)));
    assert_eq!(altered(&|p| p.push(p[5].clone())), (7, What::Misplaced(Misplaced::AfterEnd)));

    let other: Vec<_> = [opened()].into_iter().chain([Event::Cancel, Event::Cancel]).collect();
    let foreign = self::pieces(&record(&other).0);
    assert_eq!(altered(&|p| p[2] = foreign[2].clone()), (3, What::Changed));
    assert_eq!(altered(&|p| p.insert(2, foreign[2].clone())), (3, What::Changed));
}

#[test]
fn a_chain_that_was_made_anew_is_found_by_the_noted_head_alone() {
    let (_, head) = record(&events());
    let mut forged = events();
    forged[1] = statement(1, "select 2");
    let (bytes, _) = record(&forged);
    assert!(verify(&bytes[..], None).ok);
    let fault = verify(&bytes[..], Some(&head)).fault.unwrap();
    assert_eq!((fault.record, fault.what), (6, What::Rewritten));
}

#[test]
fn the_noted_head_of_an_interrupted_session_stands_for_its_end() {
    let (bytes, head) = record(&events()[..3]);
    let report = verify(&bytes[..], Some(&head.to_uppercase()));
    assert!(report.ok && !report.ended && report.fault.is_none());
    assert_eq!((report.records, report.head), (3, head.clone()));

    let torn = [&bytes[..], &[7, 0, 0]].concat();
    assert!(verify(&torn[..], Some(&head)).ok, "a write that was torn after the head was never relayed");
    assert_eq!(fault(&torn).what, What::Cut);

    let shorter = &bytes[..boundaries(&bytes)[2]];
    let missing = verify(shorter, Some(&head)).fault.unwrap();
    assert_eq!((missing.record, missing.what), (2, What::Missing));

    let (longer, _) = record(&events());
    let added = verify(&longer[..], Some(&head)).fault.unwrap();
    assert_eq!((added.record, added.what), (4, What::Added));
    assert_eq!(added.offset as usize, bytes.len());
}

#[test]
fn a_length_from_the_file_is_never_believed() {
    let (bytes, _) = record(&events());
    for claim in [u32::MAX, MAX_PAYLOAD as u32 + 1, MAX_PAYLOAD as u32, 4000] {
        let mut broken = bytes.clone();
        broken[HEADER..HEADER + 4].copy_from_slice(&claim.to_le_bytes());
        assert_eq!(fault(&broken).what, What::Length(claim as usize));
    }
}

#[test]
fn other_files_and_other_versions_are_told_apart() {
    assert_eq!(fault(b"%PDF-1.7 and so on").what, What::NotARecording);
    assert_eq!(fault(b"%").what, What::NotARecording);
    let (mut bytes, _) = record(&events());
    bytes[8] = 2;
    assert_eq!(fault(&bytes).what, What::Version(2));
    assert!(fault(&bytes).to_string().contains("version 2"));
}

#[test]
fn faults_are_sentences_and_plain_json() {
    let (mut bytes, _) = record(&events());
    let start = boundaries(&bytes)[2];
    bytes[start + 25] ^= 1;
    let report = serde_json::to_value(verify(&bytes[..], None)).unwrap();
    let what = format!(
        "record 3 at byte {start} was changed, or what precedes it was replaced: its hash does not match"
    );
    assert_eq!(report["fault"], serde_json::json!({"record": 3, "offset": start, "what": what}));
    assert_eq!((&report["ok"], &report["records"]), (&false.into(), &2.into()));
}

#[test]
fn a_disk_that_cannot_be_read_is_not_an_end() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }
    let (bytes, head) = record(&events()[..3]);
    let report = verify(bytes.chain(Broken), Some(&head));
    assert_eq!(report.fault.unwrap().what, What::Io("bad sector".into()));
    assert_eq!((report.ok, report.records), (false, 3));
}

#[test]
fn the_reader_ends_at_the_first_fault() {
    let (mut bytes, _) = record(&events());
    bytes[40] ^= 1;
    let mut reader = Reader::new(&bytes[..]);
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

/// Frames whatever payload is given and chains it as the format says, so that the hash holds.
fn chained(payload: &[u8]) -> Vec<u8> {
    let (mut bytes, mut encoder) = (Vec::new(), Encoder::new());
    let seed = encoder.head();
    encoder.append(0, &opened(), &mut bytes).unwrap();
    let mut frame = (payload.len() as u32).to_le_bytes().to_vec();
    frame.extend(1u64.to_le_bytes());
    frame.extend(0u64.to_le_bytes());
    frame.extend(payload);
    let hash = blake3::Hasher::new().update(seed.as_bytes()).update(&frame).finalize();
    [&bytes[..HEADER], &frame, hash.as_bytes()].concat()
}

#[test]
fn a_whole_record_that_says_nothing_known_is_named() {
    assert_eq!(fault(&chained(br#"{"type":"from-the-future"}"#)).what, What::Unreadable);
    assert_eq!(fault(&chained(b"")).what, What::Unreadable);
    assert_eq!(fault(&chained("[".repeat(100_000).as_bytes())).what, What::Unreadable);
    assert_eq!(fault(&chained(br#"{"type":"cancel"}"#)).what, What::Misplaced(Misplaced::NotOpened));
}

proptest! {
    #[test]
    fn garbage_is_a_fault_and_never_a_panic(garbage in prop::collection::vec(any::<u8>(), 0..200), keep in 0usize..200) {
        let (bytes, _) = record(&events());
        let mixed = [&bytes[..keep], &garbage].concat();
        prop_assume!(!bytes.starts_with(&mixed));
        prop_assert!(verify(&mixed[..], None).fault.is_some());
        prop_assert!(verify(&garbage[..], None).fault.is_some());
    }
}
