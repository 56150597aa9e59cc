//! The messages of a gRPC call whose other end may be anyone.

use bytes::Bytes;
use penstock_link::fuzz::packets;

use crate::cuts::{Pieces, SIZES, drained};

/// The most bytes in a message here: protobuf writes such a length as one byte.
const PAYLOAD: usize = 100;

/// Whatever the pieces, the same bytes, never more than came; and all of them where the messages are in order.
pub(crate) fn payloads(data: &[u8]) {
    let whole = read(data, SIZES[0]);
    for sizes in &SIZES[1..] {
        assert!(read(data, sizes) == whole, "other pieces, other bytes");
    }
    let (given, _) = whole;
    // A message has a head of 5 bytes.
    assert!(given.is_empty() || given.len() + 5 < data.len(), "bytes out of nothing");
    let messages: Vec<u8> = data.chunks(PAYLOAD).flat_map(message).collect();
    for sizes in SIZES {
        assert!(read(&messages, sizes) == (data.to_vec(), true), "bytes are missing");
    }
}

/// A message whose field 1 holds these.
fn message(payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u8;
    [&[0, 0, 0, 0, length + 2, 0x0a, length], payload].concat()
}

fn read(data: &[u8], sizes: &[usize]) -> (Vec<u8>, bool) {
    drained(packets(Pieces::new(data, sizes).map(Bytes::copy_from_slice).collect()))
}
