//! A link's stream and a socket, joined.

use std::io;

use penstock_link::{Receive, Send, Stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use crate::{Meter, Sink, Socket, Source};

/// Relays until both directions have ended. If either is cut, the other is reset: a TCP peer sees RST, not an
/// end.
///
/// # Errors
/// What cut it.
pub async fn splice(stream: Stream, socket: Socket, meter: &Meter) -> io::Result<()> {
    match socket {
        Socket::Tcp(mut tcp) => {
            let (reader, writer) = tcp.split();
            let result = both(stream, reader, writer, meter).await;
            if result.is_err() {
                abort(&tcp);
            }
            result
        }
        Socket::Unix(mut unix) => {
            let (reader, writer) = unix.split();
            both(stream, reader, writer, meter).await
        }
    }
}

/// [`splice`] with any byte stream. Whoever drops `io` after an error decides how its peer sees the cut.
///
/// # Errors
/// What cut it.
pub async fn join(
    stream: Stream,
    io: impl AsyncRead + AsyncWrite + std::marker::Send + Unpin,
    meter: &Meter,
) -> io::Result<()> {
    let (reader, writer) = tokio::io::split(io);
    both(stream, reader, writer, meter).await
}

/// Both pumps in one task: no hop between threads for a packet.
async fn both(
    stream: Stream,
    reader: impl AsyncRead + std::marker::Send + Unpin,
    writer: impl AsyncWrite + std::marker::Send + Unpin,
    meter: &Meter,
) -> io::Result<()> {
    let Stream { receive, mut send } = stream;
    let result = tokio::try_join!(outward(receive, writer, meter), inward(reader, &mut send, meter));
    if result.is_err() {
        send.reset();
    }
    result.map(drop)
}

async fn outward(mut receive: Receive, mut writer: impl AsyncWrite + Unpin, meter: &Meter) -> io::Result<()> {
    while let Some(chunk) = receive.chunk().await? {
        writer.write_all(&chunk).await?;
        meter.from_client(chunk.len());
    }
    writer.shutdown().await
}

async fn inward(
    reader: impl AsyncRead + std::marker::Send + Unpin,
    send: &mut Send,
    meter: &Meter,
) -> io::Result<()> {
    let mut reader = crate::halves::Reader::new(reader);
    while let Some(chunk) = reader.chunk().await? {
        let bytes = chunk.len();
        send.send(chunk).await?;
        meter.from_upstream(bytes);
    }
    send.finish()
}

fn abort(tcp: &TcpStream) {
    // Without it the close would be a FIN, and a cut result would look complete. A socket that refuses the
    // option is already gone.
    let _gone = tcp.set_zero_linger();
}

impl Socket {
    /// Closes it so that its peer sees a reset, not an end.
    pub fn abort(self) {
        if let Self::Tcp(tcp) = self {
            abort(&tcp);
        }
    }

    /// Two halves, for a relay that looks at what passes.
    #[must_use]
    pub fn split(self) -> (Source, Sink) {
        match self {
            Self::Tcp(tcp) => {
                let (reader, writer) = TcpStream::into_split(tcp);
                (Source::io(reader), Sink::io(writer))
            }
            Self::Unix(unix) => {
                let (reader, writer) = UnixStream::into_split(unix);
                (Source::io(reader), Sink::io(writer))
            }
        }
    }
}
