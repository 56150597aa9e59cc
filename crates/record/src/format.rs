//! The byte layout and the order of events: all that a writer and a reader must agree on.

use blake3::Hash;
use penstock_domain::Event;

/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 1;

/// The longest payload in bytes: 1 MiB of statement text takes up to 6 MiB in JSON, where a control character
/// becomes six bytes, and the rest is room for the other fields.
pub const MAX_PAYLOAD: usize = 8 << 20;

/// What a recording begins with. The line break shows a copy that was made in text mode.
const MAGIC: [u8; 8] = *b"PENREC\r\n";

/// Bytes of the magic and the version.
pub(crate) const HEADER: usize = 12;
/// Bytes of a record before its payload: length, number and time.
pub(crate) const PREFIX: usize = 20;
/// Bytes of a record after its payload.
pub(crate) const HASH: usize = blake3::OUT_LEN;

/// The first bytes of a recording.
pub(crate) fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let (magic, version) = header.split_at_mut(MAGIC.len());
    magic.copy_from_slice(&MAGIC);
    version.copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// The version that a header names; none if it is not a recording's.
pub(crate) fn version(header: &[u8]) -> Option<u32> {
    let (version, rest) = header.strip_prefix(&MAGIC)?.split_first_chunk()?;
    rest.is_empty().then(|| u32::from_le_bytes(*version))
}

/// What the first record is chained to: the header, so that it cannot be changed either.
pub(crate) fn seed() -> Hash {
    blake3::hash(&header())
}

/// The hash of a record: over the hash before it and all its own bytes, prefix and payload.
pub(crate) fn link(previous: &Hash, frame: &[u8]) -> Hash {
    blake3::Hasher::new().update(previous.as_bytes()).update(frame).finalize()
}

/// The fixed part of a record; integers are little-endian.
pub(crate) struct Prefix {
    /// Bytes of the payload.
    pub length: u32,
    /// The record's number, from 1.
    pub number: u64,
    /// Microseconds since the epoch.
    pub at: u64,
}

impl Prefix {
    pub fn to_bytes(&self) -> [u8; PREFIX] {
        let mut bytes = [0; PREFIX];
        let (length, rest) = bytes.split_at_mut(4);
        let (number, at) = rest.split_at_mut(8);
        length.copy_from_slice(&self.length.to_le_bytes());
        number.copy_from_slice(&self.number.to_le_bytes());
        at.copy_from_slice(&self.at.to_le_bytes());
        bytes
    }

    /// None if there are too few bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (at, _) = rest.split_first_chunk()?;
        Some(Self {
            length: u32::from_le_bytes(*length),
            number: u64::from_le_bytes(*number),
            at: u64::from_le_bytes(*at),
        })
    }
}

/// Where a recording stands. Writer and reader hold to the same order of events.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Stage {
    /// No record yet.
    #[default]
    Empty,
    /// Opened, not ended.
    Open,
    /// Nothing may follow.
    Ended,
}

/// An event where the format has no place for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Misplaced {
    /// Any other first record would not say whose recording it is.
    #[error("the first record must open the session")]
    NotOpened,
    /// A recording holds one session.
    #[error("a session is opened only once")]
    OpenedTwice,
    /// The end record is the last.
    #[error("nothing may follow the end record")]
    AfterEnd,
}

impl Stage {
    pub fn after(self, event: &Event) -> Result<Self, Misplaced> {
        match (self, event) {
            (Self::Empty, Event::Opened { .. }) => Ok(Self::Open),
            (Self::Empty, _) => Err(Misplaced::NotOpened),
            (Self::Open, Event::Opened { .. }) => Err(Misplaced::OpenedTwice),
            (Self::Open, Event::Ended { .. }) => Ok(Self::Ended),
            (Self::Open, _) => Ok(Self::Open),
            (Self::Ended, _) => Err(Misplaced::AfterEnd),
        }
    }
}
