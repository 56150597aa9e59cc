//! Recordings that somebody had under the pen.

use penstock_record::{Reader, Replay, VERSION, compress, digest, verify};

/// The first byte says whether the rest is a file as it is (plain or a frame), or payloads that are chained as an
/// attacker would who can count: each behind its length. Its second bit: whether that is compressed as well.
pub(crate) fn read(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let file = if kind & 1 == 0 { rest.to_vec() } else { chained(rest) };
    judged(&file);
    if kind & 2 == 2
        && let Ok(frame) = compress(&file[..], Vec::new())
    {
        assert!(told(&frame) == told(&file), "two forms, two tales");
        assert!(digest(&frame[..]).ok() == digest(&file[..]).ok(), "two forms of other bytes");
        judged(&frame);
    }
}

/// What is told of a file that may be anything.
fn told(file: &[u8]) -> String {
    format!("{:?}", verify(file, None))
}

fn judged(file: &[u8]) {
    let records = Reader::new(file).take_while(Result::is_ok).count();
    let report = verify(file, None);
    assert!(report.records == records as u64, "two readers, two counts");
    assert!(report.ok == report.fault.is_none() && (!report.ok || report.ended));
    let shown = Replay::new(file).take_while(Result::is_ok).count();
    assert!(shown <= records, "an event from nowhere");
    if let (true, Some((_, cut))) = (report.ok, file.split_last()) {
        assert!(verify(file, Some(&report.head)).ok);
        assert!(!verify(cut, Some(&report.head)).ok, "a byte less, and nobody notices");
    }
}

/// A file whose hashes are right, whatever its payloads are.
fn chained(mut payloads: &[u8]) -> Vec<u8> {
    let mut file = [b"PENREC\r\n".as_slice(), &VERSION.to_le_bytes()].concat();
    let mut head = blake3::hash(&file);
    let mut number = 0_u64;
    while let Some((length, rest)) = payloads.split_first() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        payloads = rest;
        number += 1;
        let frame = [
            &u32::from(*length).min(payload.len() as u32).to_le_bytes(),
            number.to_le_bytes().as_slice(),
            &(number << 20).to_le_bytes(),
            payload,
        ]
        .concat();
        head = blake3::Hasher::new().update(head.as_bytes()).update(&frame).finalize();
        file.extend_from_slice(&frame);
        file.extend_from_slice(head.as_bytes());
    }
    file
}
