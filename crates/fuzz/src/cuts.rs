//! The same bytes in other pieces: no codec may tell the difference.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

/// The sizes of the pieces in which bytes come, one after the other and again from the first.
pub(crate) const SIZES: [&[usize]; 3] = [&[usize::MAX], &[1], &[3, 1, 9, 24, 2]];

/// Bytes that come in pieces, and end.
pub(crate) struct Pieces<'a> {
    rest: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(bytes: &'a [u8], sizes: &'a [usize]) -> Self {
        Self { rest: bytes, sizes: sizes.iter().cycle() }
    }

    /// The next of them.
    fn piece(&mut self, most: usize) -> &'a [u8] {
        let size = self.sizes.next().copied().unwrap_or(usize::MAX);
        let (piece, rest) = self.rest.split_at(self.rest.len().min(size).min(most));
        self.rest = rest;
        piece
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.piece(usize::MAX)).filter(|piece| !piece.is_empty())
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let piece = self.piece(buf.remaining());
        buf.put_slice(piece);
        Poll::Ready(Ok(()))
    }
}

/// All that a reader gives, and whether it ended in order.
pub(crate) fn drained(mut reader: impl AsyncRead + Unpin) -> (Vec<u8>, bool) {
    let mut given = Vec::new();
    let ended = block_on(reader.read_to_end(&mut given)).is_ok();
    (given, ended)
}

/// Runs a future on a clock that leaps to whatever is waited for.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    match builder.enable_time().start_paused(true).build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => unreachable!("a runtime without sockets needs nothing: {error}"),
    }
}
