//! The recording format: hash-chained records, their writer and their readers.
//!
//! Clocks are arguments, in microseconds since the Unix epoch, and so are files: an [`Encoder`] fills buffers and
//! everything that reads takes any [`std::io::Read`]. The [`Recorder`] puts the encoder to work: its threads write
//! what its [`Tape`]s are given, so that no async thread waits for a disk. [`compress`] makes of a recording that is over
//! one that is kept, and all that read take both. The byte layout is documented in
//! `docs/reference/recording-format.md`.

mod encoder;
mod fault;
mod format;
mod frame;
mod reader;
mod recorder;
mod replay;
mod sink;
mod summary;
mod tape;
mod verify;

pub use blake3::Hash;
pub use encoder::{EncodeError, Encoder};
pub use fault::{Fault, What};
pub use format::{MAX_PAYLOAD, Misplaced, VERSION};
pub use frame::{Damage, compress, digest};
pub use reader::{Reader, Record};
pub use recorder::{Recorder, Stats};
pub use replay::Replay;
pub use sink::Sink;
pub use summary::{Summary, summarise};
pub use tape::{Head, Tape};
pub use verify::{Report, heads, verify};
