//! The bytes of a worker's connection, with a word when the first have come and when it is over.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::{io::InspectReader, sync::CancellationToken};

/// What a connection tells.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    /// The peer has begun to speak.
    pub heard: CancellationToken,
    /// The connection is closed.
    pub over: CancellationToken,
}

/// Around a connection: it tells of its first bytes and of its end.
pub(crate) fn heard<T>(inner: T) -> (impl AsyncRead + AsyncWrite + Unpin + Send + 'static, Word)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let word = Word { heard: CancellationToken::new(), over: CancellationToken::new() };
    let (mut heard, over) = (Some(word.heard.clone()), word.over.clone().drop_guard());
    let connection = InspectReader::new(inner, move |bytes: &[u8]| {
        // Held by the connection, and so dropped with it.
        let _over = &over;
        if !bytes.is_empty()
            && let Some(heard) = heard.take()
        {
            heard.cancel();
        }
    });
    (connection, word)
}
