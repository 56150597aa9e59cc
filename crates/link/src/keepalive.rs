//! HTTP/2 PING of the inner connection: it finds dead peers, and to the proxies in between it is data.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_util::io::InspectReader;

/// When to ask whether the peer lives, and how long to wait for its word.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// Silence after which a PING is sent.
    pub interval: Duration,
    /// How long its answer may take.
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: Duration::from_secs(15), timeout: Duration::from_secs(10) }
    }
}

impl Keepalive {
    /// Returns once the peer is found dead: silent, and no answer to a PING.
    pub(crate) async fn watch(self, heard: Heard, mut pings: PingPong) -> String {
        loop {
            let silence = heard.silence();
            if silence < self.interval {
                tokio::time::sleep(self.interval - silence).await;
                continue;
            }
            tracing::debug!(target: "penstock::link", silent_ms = silence.as_millis() as u64, "ping");
            match tokio::time::timeout(self.timeout, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return format!("the keepalive PING failed: {error}"),
                Err(_) => {
                    return format!("no answer to a PING for {} s", self.timeout.as_secs_f32());
                }
            }
        }
    }
}

/// When the peer was last heard. Shared between a [`Listening`] stream and its keepalive.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    start: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Heard {
    pub(crate) fn now() -> Self {
        Self { start: Instant::now(), last_ms: Arc::new(AtomicU64::new(0)) }
    }

    /// Around a connection: notes when it last received something.
    pub(crate) fn listening<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: T,
    ) -> impl AsyncRead + AsyncWrite + Unpin + use<T> {
        let heard = self.clone();
        InspectReader::new(io, move |_: &[u8]| heard.note())
    }

    fn note(&self) {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}
