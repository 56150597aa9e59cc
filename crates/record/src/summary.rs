//! What a recording says of its session, as far as it goes.

use std::io::Read;

use penstock_domain::{Event, Status};
use serde::Serialize;

use crate::{Fault, Hash, Reader, Record, What};

/// A session as its recording tells it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The session's identifier.
    pub session: String,
    /// The connection's name.
    pub connection: String,
    /// The wire protocol.
    pub protocol: String,
    /// The principal's name.
    pub principal: String,
    /// The time of the first record, in microseconds since the epoch.
    pub started_at: u64,
    /// The time of the last whole record, in microseconds since the epoch.
    pub last_at: u64,
    /// How many statements the recording holds.
    pub statements: u64,
    /// True if the session ended in order; then the next four are known.
    pub ended: bool,
    /// How it ended.
    pub status: Option<Status>,
    /// Why, if not in order.
    pub reason: Option<String>,
    /// Bytes from the client.
    pub client_bytes: Option<u64>,
    /// Bytes from the upstream.
    pub upstream_bytes: Option<u64>,
    /// The hash of the last whole record, in hex.
    pub head: String,
    /// How many whole records there are.
    pub records: u64,
    /// What ended the reading, if it was neither the file's end nor a torn write, which a crash leaves behind.
    pub fault: Option<Fault>,
}

/// Reads as far as the recording holds, as after a crash.
///
/// # Errors
/// The fault, if not even the first record can be read.
pub fn summarise<R: Read>(source: R) -> Result<Summary, Fault> {
    let mut reader = Reader::new(source);
    let nothing = Fault { record: 1, offset: 0, what: What::Empty };
    let first = reader.next().unwrap_or(Err(nothing))?;
    let mut head = first.hash;
    let mut summary = open(first)?;
    for item in reader {
        match item {
            Ok(record) => head = summary.add(record),
            Err(fault) if fault.is_cut() => {}
            Err(fault) => summary.fault = Some(fault),
        }
    }
    summary.head = head.to_string();
    Ok(summary)
}

fn open(first: Record) -> Result<Summary, Fault> {
    let Event::Opened { session, connection, protocol, principal } = first.event else {
        let what = What::Misplaced(crate::Misplaced::NotOpened);
        return Err(Fault { record: first.index, offset: first.offset, what });
    };
    Ok(Summary {
        session,
        connection,
        protocol,
        principal,
        started_at: first.at,
        last_at: first.at,
        statements: 0,
        ended: false,
        status: None,
        reason: None,
        client_bytes: None,
        upstream_bytes: None,
        head: String::new(),
        records: 1,
        fault: None,
    })
}

impl Summary {
    fn add(&mut self, record: Record) -> Hash {
        self.records += 1;
        self.last_at = record.at;
        match record.event {
            Event::Statement { .. } => self.statements += 1,
            Event::Ended { status, reason, client_bytes, upstream_bytes, .. } => {
                self.ended = true;
                self.status = Some(status);
                self.reason = reason;
                self.client_bytes = Some(client_bytes);
                self.upstream_bytes = Some(upstream_bytes);
            }
            _ => {}
        }
        record.hash
    }
}
