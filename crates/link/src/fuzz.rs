//! What fuzz targets see of a link, and nobody else.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

use crate::{
    carrier::{grpc::PacketStream, tls::preface::Acceptor},
    farewell::Farewell,
    frames::Frames,
};

/// The frames that a stack which requests is given.
pub fn requesting<T: AsyncRead + Unpin>(inner: T) -> impl AsyncRead + Unpin {
    Frames::requesting(inner, Farewell::new(CancellationToken::new()), CancellationToken::new())
}

/// The preface and the frames that a stack which serves is given.
pub fn serving<T: AsyncRead + Unpin>(inner: T) -> impl AsyncRead + Unpin {
    Frames::serving(inner, None, CancellationToken::new(), CancellationToken::new())
}

/// What stands behind the preface of a peer that dialled in order to serve.
pub fn accepting<T: AsyncRead + Unpin>(inner: T) -> impl AsyncRead + Unpin {
    Acceptor::new(inner)
}

/// The bytes in the messages of a gRPC call whose body comes in these pieces.
pub fn packets(pieces: Vec<Bytes>) -> impl AsyncRead + Unpin {
    let pieces = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    PacketStream::of_body(StreamBody::new(stream::iter(pieces)))
}
