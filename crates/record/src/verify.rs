//! Does a recording hold what was recorded?

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use penstock_domain::Event;
use serde::Serialize;

use crate::{Fault, Hash, Reader, What};

/// The result of [`verify`].
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// True if the recording is whole and unchanged.
    pub ok: bool,
    /// The session that the first record names; none if that does not hold.
    pub session: Option<String>,
    /// How many records hold, from the first.
    pub records: u64,
    /// True if the last of them is the end record.
    pub ended: bool,
    /// The hash of the last of them in hex; empty if there is none.
    pub head: String,
    /// The first thing that is wrong; none if `ok`.
    pub fault: Option<Fault>,
}

/// Checks every record, that the last one ends the session, and that its hash is the noted one, if one is given
/// (in hex).
///
/// Without a noted head an attacker who can write the file can recompute the whole chain, and a recording
/// without an end record is not ok. With it, a recording that the session's interruption left without an end
/// record is ok, a torn write after its last whole record included: those bytes never counted.
pub fn verify<R: Read>(source: R, expected_head: Option<&str>) -> Report {
    let mut walk = Walk::default();
    for item in Reader::new(source) {
        match item {
            Ok(record) => walk.pass(record.offset, record.hash, &record.event, expected_head),
            Err(fault) => walk.fault = Some(fault),
        }
    }
    let fault = walk.judge(expected_head);
    Report {
        ok: fault.is_none(),
        session: walk.session,
        records: walk.records,
        ended: walk.ended,
        head: walk.head.map(|head| head.to_string()).unwrap_or_default(),
        fault,
    }
}

/// The hashes of the records with these numbers, as far as the recording holds: what checkpoints are compared with.
pub fn heads<R: Read>(source: R, numbers: &BTreeSet<u64>) -> BTreeMap<u64, Hash> {
    let records = Reader::new(source).map_while(Result::ok).zip(1..);
    records
        .filter(|(_, number)| numbers.contains(number))
        .map(|(record, number)| (number, record.hash))
        .collect()
}

/// What was seen up to the end or the first fault.
#[derive(Default)]
struct Walk {
    session: Option<String>,
    records: u64,
    offset: u64,
    head: Option<Hash>,
    ended: bool,
    /// Where the record begins that follows the one with the noted head: one that was added.
    added: Option<(u64, u64)>,
    /// True if the last record has the noted head.
    noted: bool,
    fault: Option<Fault>,
}

impl Walk {
    fn pass(&mut self, offset: u64, hash: Hash, event: &Event, expected: Option<&str>) {
        self.records += 1;
        if let Event::Opened { session, .. } = event {
            self.session = Some(session.clone());
        }
        if self.noted {
            self.added = Some((self.records, offset));
        }
        self.offset = offset;
        self.head = Some(hash);
        self.ended = matches!(event, Event::Ended { .. });
        self.noted = expected.is_some_and(|head| hash.to_hex().eq_ignore_ascii_case(head));
    }

    fn judge(&mut self, expected: Option<&str>) -> Option<Fault> {
        match self.fault.take() {
            Some(fault) if fault.is_cut() && self.noted => return None,
            Some(fault) => return Some(fault),
            None if self.noted => return None,
            None => {}
        }
        let (record, offset) = (self.records, self.offset);
        let what = match (expected, self.added) {
            (Some(_), Some((record, offset))) => return Some(Fault { record, offset, what: What::Added }),
            (Some(_), None) if self.ended => What::Rewritten,
            (Some(_), None) => What::Missing,
            (None, _) if self.ended => return None,
            (None, _) => What::NoEnd,
        };
        Some(Fault { record, offset, what })
    }
}
