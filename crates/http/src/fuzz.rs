//! What fuzz targets see of a port, and nobody else.

use std::{io, net::SocketAddr, sync::Arc};

use http::{HeaderMap, Request};
use ipnet::IpNet;
use tokio::io::AsyncRead;

use crate::Peer;

/// The address that a PROXY header tells.
///
/// # Errors
/// It cannot be read.
pub async fn proxy_header<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Option<SocketAddr>> {
    crate::proxy_protocol::read(io).await
}

/// Why a request is refused.
pub fn fault<B>(request: &Request<B>, most_fields: usize) -> Option<&'static str> {
    crate::shape::fault(request, most_fields)
}

/// The caller of one request, on a connection of a trusted proxy.
pub fn caller(peer: &Arc<Peer>, headers: &HeaderMap, trusted: &[IpNet]) -> Arc<Peer> {
    crate::caller::caller(peer, headers, trusted)
}
