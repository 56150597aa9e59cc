//! A kept recording says what the live one said, and whatever is done to its frame is found.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod sample;

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
};

use penstock_domain::Event;
use penstock_record::{
    Damage, Encoder, Fault, MAX_PAYLOAD, Misplaced, Replay, What, compress, digest, heads, summarise, verify,
};
use proptest::prelude::*;
use sample::{completed, ended, events, opened, record, statement};

const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

fn compressed(bytes: &[u8]) -> Vec<u8> {
    compress(bytes, Vec::new()).unwrap()
}

/// As anybody else would decode it.
fn decoded(frame: &[u8]) -> Vec<u8> {
    zstd::decode_all(frame).unwrap()
}

/// A recording of several of the frame's blocks, which are 128 KiB at most.
fn long() -> (Vec<u8>, String) {
    let pairs = (1..1200).flat_map(|id| [statement(id, &format!("select {id}")), completed(id, id)]);
    record(&[opened()].into_iter().chain(pairs).chain([ended()]).collect::<Vec<_>>())
}

/// What is wrong; whether the head is known makes no difference.
fn fault(bytes: &[u8], head: &str) -> Fault {
    let fault = verify(bytes, None).fault.unwrap();
    let with_head = verify(bytes, Some(head));
    assert!(!with_head.ok);
    assert_eq!(with_head.fault.as_ref(), Some(&fault));
    fault
}

/// All that can be told of a recording.
fn told<R: Read>(open: impl Fn() -> R, head: &str) -> String {
    let lines: Vec<_> = Replay::new(open()).collect();
    let numbers = BTreeSet::from([1, 3, 6, 5000]);
    format!(
        "{:?} {:?} {:?} {:?} {lines:?}",
        verify(open(), None),
        verify(open(), Some(head)),
        summarise(open()),
        heads(open(), &numbers)
    )
}

/// Hands out one byte at a time, as a pipe may.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn both_forms_tell_the_same() {
    let whole = record(&events());
    let interrupted = record(&events()[..3]);
    let torn = ([&interrupted.0[..], &[7, 0, 0]].concat(), interrupted.1.clone());
    let mut changed = whole.clone();
    changed.0[60] ^= 1;
    for (bytes, head) in [whole, interrupted, torn, changed, long()] {
        let frame = compressed(&bytes);
        assert!(frame.starts_with(&MAGIC));
        assert_eq!(decoded(&frame), bytes);
        assert_eq!(digest(&frame[..]).unwrap(), digest(&bytes[..]).unwrap());
        let expected = told(|| &bytes[..], &head);
        assert_eq!(told(|| &frame[..], &head), expected);
        assert_eq!(told(|| Drops(&frame), &head), expected);
        assert_eq!(told(|| Drops(&bytes), &head), expected);
    }
}

#[test]
fn a_frame_is_smaller_and_has_a_checksum() {
    let frame = compressed(&long().0);
    assert_eq!(frame[4] & 0b100, 0b100, "RFC 8878, section 3.1.1.1.1: Content_Checksum_flag");
    assert!(frame.len() < long().0.len() / 2);
}

/// Somebody put a kept file back where live ones are.
#[test]
fn what_is_compressed_already_is_not_compressed_twice() {
    let (bytes, head) = long();
    let again = compressed(&compressed(&bytes));
    assert_eq!(decoded(&again), bytes);
    assert!(verify(&again[..], Some(&head)).ok);
    let cut = &again[..again.len() - 1];
    let refused = compress(cut, Vec::new()).unwrap_err();
    assert_eq!(refused.to_string(), "the compressed file is cut: its Zstandard frame does not end");
    assert!(digest(cut).is_err());
}

#[test]
fn every_cut_of_a_frame_is_found() {
    let (bytes, head) = record(&events());
    let frame = compressed(&bytes);
    for length in 0..frame.len() {
        let fault = fault(&frame[..length], &head);
        let expected = match length {
            0 => What::Empty,
            1..4 => What::NotARecording,
            _ => What::Frame(Damage::Cut),
        };
        assert_eq!(fault.what, expected, "cut after {length}");
        assert_eq!(fault.is_cut(), length == 0, "a crash leaves no half frame behind");
    }
}

/// The head of an interrupted session makes up for a torn write, and not for a frame without its end.
#[test]
fn a_cut_frame_is_not_taken_for_a_torn_write() {
    let (bytes, head) = record(&events()[..3]);
    let frame = compressed(&[&bytes[..], &[7, 0, 0]].concat());
    assert!(verify(&frame[..], Some(&head)).ok);
    for missing in 1..frame.len() - 4 {
        let cut = &frame[..frame.len() - missing];
        assert_eq!(fault(cut, &head).what, What::Frame(Damage::Cut));
        assert_eq!(Replay::new(cut).last().unwrap().unwrap_err().what, What::Frame(Damage::Cut));
    }
    let cut = summarise(&frame[..frame.len() - 1]).unwrap();
    assert_eq!((cut.records, cut.fault.unwrap().what), (3, What::Frame(Damage::Cut)));
}

#[test]
fn cuts_between_and_within_blocks_keep_what_precedes_them() {
    let (bytes, head) = long();
    let frame = compressed(&bytes);
    let mut last = 0;
    for length in (4..frame.len()).step_by(997).chain([frame.len() - 4, frame.len() - 1]) {
        let report = verify(&frame[..length], Some(&head));
        assert_eq!(report.fault.unwrap().what, What::Frame(Damage::Cut), "cut after {length}");
        assert!(report.records >= last);
        last = report.records;
    }
    assert_eq!(last, 2400, "without its checksum every record is there, and the frame is still no whole one");
}

/// A few bits of a frame mean nothing for what it holds: the size of the window, what is reserved.
#[test]
fn every_flipped_bit_is_found_or_changes_nothing() {
    let (bytes, head) = record(&events());
    let frame = compressed(&bytes);
    let mut harmless = 0;
    for byte in 0..frame.len() {
        for bit in 0..8 {
            let mut broken = frame.clone();
            broken[byte] ^= 1 << bit;
            if verify(&broken[..], Some(&head)).ok {
                assert_eq!(decoded(&broken), bytes, "byte {byte}, bit {bit}");
                harmless += 1;
            } else {
                assert!(!fault(&broken, &head).is_cut(), "byte {byte}, bit {bit}");
            }
        }
    }
    assert!(harmless < 24, "{harmless} of {} bits", 8 * frame.len());
}

#[test]
fn a_flipped_bit_in_any_block_is_a_change() {
    let (bytes, head) = long();
    let frame = compressed(&bytes);
    for byte in (10..frame.len()).step_by(1009).chain([frame.len() - 1]) {
        let mut broken = frame.clone();
        broken[byte] ^= 1;
        let fault = fault(&broken, &head);
        assert!(!fault.is_cut(), "byte {byte}: {fault}");
        assert!(!matches!(fault.what, What::Io(_)), "byte {byte}: {fault}");
    }
}

#[test]
fn nothing_may_follow_a_frame() {
    let (bytes, head) = record(&events());
    let frame = compressed(&bytes);
    let (first, second) = bytes.split_at(100);
    // A skippable frame: RFC 8878, section 3.1.2.
    let skippable = [0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 9];
    for tail in [&b"\0"[..], b"more", &frame, &compressed(b""), &skippable] {
        let followed = [&frame[..], tail].concat();
        let fault = fault(&followed, &head);
        assert_eq!((fault.record, fault.what), (7, What::Frame(Damage::Followed)));
        assert_eq!(digest(&followed[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
    let split = [compressed(first), compressed(second)].concat();
    assert_eq!(decoded(&split), bytes, "others would take it");
    assert_eq!(fault(&split, &head).what, What::Frame(Damage::Followed));
    assert_eq!(fault(&[&skippable, &frame[..]].concat(), &head).what, What::NotARecording);
}

#[test]
fn what_is_in_a_frame_is_judged_like_any_file() {
    let (bytes, head) = record(&events());
    let what = |content: &[u8]| fault(&compressed(content), &head).what;
    assert_eq!(what(b""), What::Empty);
    assert_eq!(what(b"PENREC"), What::Empty);
    assert_eq!(what(b"%PDF-1.7"), What::NotARecording);
    assert_eq!(what(&bytes[..bytes.len() - 1]), What::Cut);
    assert_eq!(what(&[&bytes[..], b"x"].concat()), What::Misplaced(Misplaced::AfterEnd));
    let mut nested = zstd::Encoder::new(Vec::new(), 3).unwrap();
    nested.write_all(&compressed(&bytes)).unwrap();
    assert_eq!(fault(&nested.finish().unwrap(), &head).what, What::NotARecording);
}

/// A frame that says how far back it looks, and with that how much memory its reader needs.
fn with_window(log: u32, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(log).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_window_that_takes_much_memory_is_refused() {
    let (bytes, head) = record(&events());
    assert!(verify(&with_window(23, &bytes)[..], Some(&head)).ok);
    for log in [24, 27] {
        let fault = fault(&with_window(log, &bytes), &head);
        assert_eq!((fault.record, fault.offset), (1, 0));
        assert!(fault.to_string().contains("too much memory"), "{fault}");
    }
}

#[test]
fn a_bomb_costs_no_more_than_a_record() {
    let zeros = vec![0; 64 << 20];
    let header = &record(&events()).0[..12];
    let bomb = compressed(&[header, &zeros].concat());
    assert!(bomb.len() < 16 << 10);
    assert_eq!(verify(&bomb[..], None).fault.unwrap().what, What::OutOfOrder(0));
    let prefix = [&(MAX_PAYLOAD as u32).to_le_bytes()[..], &1u64.to_le_bytes(), &[0; 8]].concat();
    let bomb = compressed(&[header, &prefix, &zeros].concat());
    assert_eq!(verify(&bomb[..], None).fault.unwrap().what, What::Changed);
}

#[test]
fn a_disk_that_cannot_be_read_is_no_damage() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }
    let (bytes, head) = record(&events());
    let frame = compressed(&bytes);
    for read in [0, 3, 4, 40] {
        let fault = verify(frame[..read].chain(Broken), Some(&head)).fault.unwrap();
        assert_eq!(fault.what, What::Io("bad sector".into()));
        let refused = compress(frame[..read].chain(Broken), Vec::new()).unwrap_err();
        assert_eq!(refused.to_string(), "bad sector");
    }
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let refused = compress(&bytes[..], Full).err().unwrap();
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn faults_of_a_frame_are_sentences() {
    let (bytes, head) = record(&events());
    let frame = compressed(&bytes);
    let cut = fault(&frame[..frame.len() - 4], &head).to_string();
    let place = format!("record 7 at byte {}", bytes.len());
    let sentence = "the compressed file is cut: its Zstandard frame does not end; found in reading";
    assert_eq!(cut, format!("{sentence} {place}"));
    let mut broken = frame.clone();
    *broken.last_mut().unwrap() ^= 1;
    let changed = fault(&broken, &head).to_string();
    assert!(
        changed.starts_with("the compressed file was changed: ") && changed.contains("checksum"),
        "{changed}"
    );
}

proptest! {
    #[test]
    fn any_statement_survives(texts in prop::collection::vec(".*", 0..20)) {
        let texts = texts.iter().zip(1..).map(|(text, id)| statement(id, text));
        let (bytes, head) = record(&[opened()].into_iter().chain(texts).collect::<Vec<_>>());
        let frame = compressed(&bytes);
        prop_assert!(verify(&frame[..], Some(&head)).ok);
        prop_assert_eq!(told(|| &frame[..], &head), told(|| &bytes[..], &head));
    }

    #[test]
    fn garbage_in_a_frame_is_a_fault_and_never_a_panic(
        garbage in prop::collection::vec(any::<u8>(), 1..200),
        keep in 4usize..200,
    ) {
        let (bytes, head) = record(&events());
        let frame = compressed(&bytes);
        let mixed = [&frame[..keep.min(frame.len())], &garbage].concat();
        prop_assume!(!frame.starts_with(&mixed) && mixed != frame);
        prop_assert!(!verify(&mixed[..], Some(&head)).ok);
        prop_assert!(!verify(&[&MAGIC[..], &garbage].concat()[..], None).ok);
    }
}

/// An encoder that goes on where a kept recording ends: nothing of a frame is left in what is hashed.
#[test]
fn the_chain_does_not_know_of_frames() {
    let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
    encoder.append(7, &opened(), &mut bytes).unwrap();
    encoder.append(8, &Event::Cancel, &mut bytes).unwrap();
    let report = verify(&compressed(&bytes)[..], Some(&encoder.head().to_string()));
    assert!(report.ok);
    assert_eq!(report.head, encoder.head().to_string());
}
