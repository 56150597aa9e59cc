//! The messages of a gRPC call whose other end may be anyone.

use bytes::Bytes;
use penstock_link::fuzz::packets;

use crate::cuts::{Pieces, SIZES, drained};

/// Whatever the pieces, the same bytes; and never more than came.
pub(crate) fn payloads(data: &[u8]) {
    let whole = read(data, SIZES[0]);
    for sizes in &SIZES[1..] {
        assert!(read(data, sizes) == whole, "other pieces, other bytes");
    }
    let (given, _) = whole;
    // A message has a head of 5 bytes.
    assert!(given.is_empty() || given.len() + 5 < data.len(), "bytes out of nothing");
}

fn read(data: &[u8], sizes: &[usize]) -> (Vec<u8>, bool) {
    drained(packets(Pieces::new(data, sizes).map(Bytes::copy_from_slice).collect()))
}
