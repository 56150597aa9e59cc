//! What can be wrong with a recording, in words for a person.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    Damage,
    format::{MAX_PAYLOAD, Misplaced, VERSION},
};

/// The first thing that is wrong with a recording. Its `Display` is a sentence that names record and byte.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The record's number, from 1; 0 for the file's header.
    pub record: u64,
    /// Where that record begins, in bytes of the recording as it was written.
    pub offset: u64,
    /// What is wrong there.
    pub what: What,
}

/// What is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// The file begins with something else.
    NotARecording,
    /// The file was written by another version of the format.
    Version(u32),
    /// The file ends before its first record, as after a crash at the session's start.
    Empty,
    /// The file ends in the middle of this record, as after a crash in the middle of a write.
    Cut,
    /// The record's bytes and its hash differ.
    Changed,
    /// The record's length and its content differ.
    Length(usize),
    /// The record has another's number.
    OutOfOrder(u64),
    /// The hash holds and the event is of an unknown kind.
    Unreadable,
    /// The hash holds and the event does not belong there.
    Misplaced(Misplaced),
    /// This is the last record and does not end the session.
    NoEnd,
    /// This is the last record, does not end the session and has not the noted hash.
    Missing,
    /// This is the end record and has not the noted hash.
    Rewritten,
    /// The record before this one has the noted hash.
    Added,
    /// The compressed file is no whole frame.
    Frame(Damage),
    /// Reading failed.
    Io(String),
}

impl Fault {
    /// True if the file ends too early and is otherwise sound: what a crash leaves behind.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self.what, What::Cut | What::Empty)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, offset, what } = self;
        let place = format_args!("record {record} at byte {offset}");
        match what {
            What::NotARecording => f.write_str("this is not a recording: it does not begin like one"),
            What::Version(version) => write!(
                f,
                "this recording has version {version} of the format, or its header was changed; only version \
                 {VERSION} can be read: use the release of Penstock that wrote it"
            ),
            What::Empty => f.write_str("the recording is cut before its first record"),
            What::Cut => write!(f, "the recording is cut in the middle of {place}"),
            What::Changed => {
                write!(f, "{place} was changed, or what precedes it was replaced: its hash does not match")
            }
            What::Length(says) => write!(
                f,
                "{place} was changed: its length says {says} bytes, which is not the length of its content (at most \
                 {MAX_PAYLOAD})"
            ),
            What::OutOfOrder(says) => write!(f, "{place} is out of order: its number says {says}"),
            What::Unreadable => write!(
                f,
                "{place} is whole, but this version does not know its event: use the release of Penstock that \
                 wrote it"
            ),
            What::Misplaced(rule) => write!(f, "{place} does not belong there: {rule}"),
            What::NoEnd => write!(
                f,
                "there is no end record after record {record}: the session was interrupted or the recording cut"
            ),
            What::Missing => write!(
                f,
                "records after record {record} are missing, or the recording was rewritten: its last hash is not \
                 the one that was noted"
            ),
            What::Rewritten => write!(
                f,
                "the recording was rewritten: the hash of its last record, {record}, is not the one that was noted"
            ),
            What::Added => write!(f, "{place} and all after it were added after the head was noted"),
            What::Frame(damage) => write!(f, "{damage}; found in reading {place}"),
            What::Io(error) => write!(f, "the recording cannot be read at {place}: {error}"),
        }
    }
}

impl std::error::Error for Fault {}

/// As `{"record", "offset", "what"}`, where `what` is the whole sentence.
impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Fault", 3)?;
        fields.serialize_field("record", &self.record)?;
        fields.serialize_field("offset", &self.offset)?;
        fields.serialize_field("what", &self.to_string())?;
        fields.end()
    }
}
