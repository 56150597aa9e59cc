//! The recording format: hash-chained records, their writer and their readers.
//!
//! Files and clocks are arguments: an [`Encoder`] fills buffers, everything that reads takes any
//! [`std::io::Read`], and times are microseconds since the Unix epoch. The byte layout is documented in
//! `docs/reference/recording-format.md`.

mod encoder;
mod fault;
mod format;
mod reader;
mod replay;
mod summary;
mod verify;

pub use blake3::Hash;
pub use encoder::{EncodeError, Encoder};
pub use fault::{Fault, What};
pub use format::{MAX_PAYLOAD, Misplaced, VERSION};
pub use reader::{Reader, Record};
pub use replay::Replay;
pub use summary::{Summary, summarise};
pub use verify::{Report, verify};
