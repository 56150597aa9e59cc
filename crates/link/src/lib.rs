//! Links: one HTTP/2 connection between two Penstock parties (design §4).
//!
//! What differs between links is who dials, who serves, and the carrier. [`serve`] and [`Link`] are the two
//! HTTP/2 roles over any byte stream; [`carrier`] makes such byte streams; [`Pool`] holds the links of one peer.

mod address;
pub mod carrier;
mod dialling;
mod endpoint;
mod exchange;
mod farewell;
mod forward_proxy;
mod frame_log;
mod frames;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod gather;
mod in_flight;
mod keepalive;
mod link;
mod pool;
mod receive;
mod redial;
mod request;
mod resets;
mod send;
mod serve;
mod shown;
mod slot;
mod stream;
pub mod tls;

pub use address::Address;
pub use dialling::{Dialling, Links, Standing};
pub use endpoint::Endpoint;
pub use exchange::{Answer, Exchange, Failure};
pub use forward_proxy::is_proxied;
pub use h2::ext::Protocol;
pub use keepalive::Keepalive;
pub use link::Link;
pub use pool::Pool;
pub use receive::Receive;
pub use redial::Redial;
pub use request::Open;
pub use resets::Resets;
pub use send::Send;
pub use serve::{Incoming, Respond, Serve, serve};
pub use shown::Shown;
pub use stream::{Stream, link_lost};

/// The largest frame and packet that a link carries, in bytes (design §5).
pub const FRAME_BYTES: u32 = 64 * 1024;

/// What a busy stream should send at once, in bytes: with the heads of its frame and of the carrier's it fills four TLS
/// records. A few bytes more would be a frame, a record and a write of their own.
pub const CHUNK_BYTES: u32 = FRAME_BYTES - 36;

/// Credit per stream, in bytes: what one stalled reader can hold in memory. Whole chunks, so that none is cut by it.
const STREAM_WINDOW: u32 = 8 * CHUNK_BYTES;

/// Credit per link, in bytes: the protocol's maximum, since a stalled stream keeps its share of it and must not
/// stall the others.
const LINK_WINDOW: u32 = (1 << 31) - 1;

/// Bytes that a stream may hold for sending before its writer waits.
const SEND_BUFFER: usize = 256 * 1024;

/// Header list limit (design §8).
const HEADER_BYTES: u32 = 64 * 1024;

/// Resets that a link survives; far above h2's lifetime cap, which would end a busy link after some weeks.
const LOCAL_RESETS: usize = 1 << 20;
