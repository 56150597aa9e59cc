//! The PROXY header of a load balancer.

use penstock_http::fuzz::proxy_header;

use crate::cuts::{Pieces, SIZES, block_on};

/// Whatever the pieces, the same address, and the same bytes left behind it.
pub(crate) fn header(data: &[u8]) {
    let whole = read(data, SIZES[0]);
    for sizes in &SIZES[1..] {
        assert!(read(data, sizes) == whole, "other pieces, another caller");
    }
    if let Some((_, left)) = whole {
        assert!(left < data.len(), "an address out of nothing");
    }
}

/// The address, and how many bytes follow the header; none if it cannot be read.
fn read(data: &[u8], sizes: &[usize]) -> Option<(Option<std::net::SocketAddr>, usize)> {
    let mut pieces = Pieces::new(data, sizes);
    let address = block_on(proxy_header(&mut pieces)).ok()?;
    Some((address, pieces.map(<[u8]>::len).sum()))
}
