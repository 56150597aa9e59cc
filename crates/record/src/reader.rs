//! Bytes into records, each proven to be the one that was written there.

use std::io::{BufReader, Read};

use blake3::Hash;
use penstock_domain::Event;
use serde::de::IgnoredAny;

use crate::{
    Fault, What,
    format::{self, HASH, HEADER, MAX_PAYLOAD, Misplaced, PREFIX, Prefix, Stage},
    frame::{Damage, Source},
};

/// One whole record of a recording.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its number, from 1.
    pub index: u64,
    /// Where it begins, in bytes of the recording as it was written.
    pub offset: u64,
    /// When, in microseconds since the epoch.
    pub at: u64,
    /// What happened.
    pub event: Event,
    /// Its hash, which covers all before it.
    pub hash: Hash,
}

/// Reads a recording from its beginning, one record at a time, and ends at the first fault.
///
/// Memory is bounded by the longest record, and a record's buffer grows only as its bytes arrive: a length
/// from the file is never believed.
pub struct Reader<R> {
    source: BufReader<Source<R>>,
    buffer: Vec<u8>,
    offset: u64,
    records: u64,
    head: Hash,
    stage: Stage,
    done: bool,
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.advance().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

impl<R: Read> Reader<R> {
    /// A reader of the recording that `source` holds from here on, plain or compressed.
    pub fn new(source: R) -> Self {
        Self {
            source: BufReader::with_capacity(64 << 10, Source::new(source)),
            buffer: Vec::new(),
            offset: 0,
            records: 0,
            head: format::seed(),
            stage: Stage::Empty,
            done: false,
        }
    }

    /// The next record; none where the file ends between two records.
    fn advance(&mut self) -> Result<Option<Record>, Fault> {
        if self.offset == 0 {
            self.skip_header()?;
        }
        self.buffer.clear();
        self.fill(PREFIX)?;
        if self.buffer.is_empty() {
            return if self.records == 0 { Err(self.fault(What::Empty)) } else { Ok(None) };
        }
        if self.stage == Stage::Ended {
            return Err(self.fault(What::Misplaced(Misplaced::AfterEnd)));
        }
        let Some(prefix) = Prefix::parse(&self.buffer) else { return Err(self.fault(What::Cut)) };
        let hash = self.read_frame(&prefix)?;
        self.accept(&prefix, hash).map(Some)
    }

    fn skip_header(&mut self) -> Result<(), Fault> {
        self.fill(HEADER)?;
        let what = match format::version(&self.buffer) {
            Some(format::VERSION) => {
                self.offset = HEADER as u64;
                return Ok(());
            }
            Some(other) => What::Version(other),
            None if format::header().starts_with(&self.buffer) => What::Empty,
            None => What::NotARecording,
        };
        Err(Fault { record: 0, offset: 0, what })
    }

    /// Reads the rest of the record, so that the buffer holds prefix and payload, and returns its hash if that
    /// is the right one.
    fn read_frame(&mut self, prefix: &Prefix) -> Result<Hash, Fault> {
        if prefix.number != self.records + 1 {
            return Err(self.fault(What::OutOfOrder(prefix.number)));
        }
        let length = usize::try_from(prefix.length).unwrap_or(usize::MAX);
        if length > MAX_PAYLOAD {
            return Err(self.fault(What::Length(length)));
        }
        self.fill(PREFIX + length + HASH)?;
        let Some((frame, stored)) = self.buffer.split_at_checked(PREFIX + length) else {
            return Err(self.torn(length));
        };
        let Ok(stored) = <[u8; HASH]>::try_from(stored) else { return Err(self.torn(length)) };
        let hash = format::link(&self.head, frame);
        if hash == stored { Ok(hash) } else { Err(self.fault(What::Changed)) }
    }

    /// Judges a record that the file does not hold whole. JSON tells where it ends: in a torn write that is not
    /// before the payload's end, so if it is, not the file was cut but the length was changed.
    fn torn(&self, length: usize) -> Fault {
        let payload = self.buffer.get(PREFIX..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_slice(payload).into_iter::<IgnoredAny>();
        self.fault(match values.next() {
            Some(Ok(_)) if values.byte_offset() != length => What::Length(length),
            Some(Err(error)) if !error.is_eof() => What::Changed,
            _ => What::Cut,
        })
    }

    /// Takes in the proven frame that the buffer holds.
    fn accept(&mut self, prefix: &Prefix, hash: Hash) -> Result<Record, Fault> {
        let frame = self.buffer.len() - HASH;
        let payload = self.buffer.get(PREFIX..frame).unwrap_or_default();
        let event = serde_json::from_slice(payload).map_err(|_| self.fault(What::Unreadable))?;
        self.stage = self.stage.after(&event).map_err(|rule| self.fault(What::Misplaced(rule)))?;
        let record = Record { index: prefix.number, offset: self.offset, at: prefix.at, event, hash };
        self.offset += self.buffer.len() as u64;
        self.records += 1;
        self.head = hash;
        Ok(record)
    }

    /// Reads until the buffer holds `want` bytes or the file ends.
    fn fill(&mut self, want: usize) -> Result<(), Fault> {
        let missing = want.saturating_sub(self.buffer.len()) as u64;
        match (&mut self.source).take(missing).read_to_end(&mut self.buffer) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault(match Damage::behind(&error) {
                Some(damage) => What::Frame(damage.clone()),
                None => What::Io(error.to_string()),
            })),
        }
    }

    /// How many bytes of the recording are proven.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    fn fault(&self, what: What) -> Fault {
        Fault { record: self.records + 1, offset: self.offset, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one thing that cannot be seen from outside: a length that nothing follows costs no memory.
    #[test]
    fn a_claimed_length_is_not_allocated() {
        let prefix = Prefix { length: MAX_PAYLOAD as u32, number: 1, at: 0 };
        let bytes = [&format::header()[..], &prefix.to_bytes(), b"{\"type\":"].concat();
        let mut reader = Reader::new(&bytes[..]);
        assert_eq!(reader.next().unwrap().unwrap_err().what, What::Cut);
        assert!(reader.buffer.capacity() < 1 << 10, "{}", reader.buffer.capacity());
    }
}
