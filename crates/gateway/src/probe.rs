//! Probes: whoever may open a link may see whether its bytes come through (`penstock doctor`). They come back as they
//! went and lead nowhere: a probe is no agent's link and no session.

use std::{sync::Arc, time::Duration};

use penstock_domain::{Code, Error, Principal, Side};
use penstock_link::{Incoming, Keepalive, Open, Serve, Stream, carrier::grpc::PacketStream, serve};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::shared::Shared;

/// Probes at once.
const MOST: usize = 64;

/// Streams of one probe at once.
const STREAMS: u32 = 4;

/// Bytes that one stream brings back.
const BYTES: u64 = 64 * 1024 * 1024;

/// The longest that a probe may last.
const LONGEST: Duration = Duration::from_secs(3700);

/// How many probes there may be.
pub(crate) struct Probes(Arc<Semaphore>);

/// A probe that was admitted.
pub(crate) struct Probing {
    keepalive: bool,
    _place: OwnedSemaphorePermit,
}

impl Default for Probes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Probes {
    /// Admits a probe; `keepalive` if PINGs are to be sent on it.
    pub(crate) fn admit(&self, keepalive: bool) -> Result<Probing, Error> {
        match Arc::clone(&self.0).try_acquire_owned() {
            Ok(place) => Ok(Probing { keepalive, _place: place }),
            Err(_) => Err(Error::new(Code::Limited, Side::Gateway, format!("{MOST} probes are running"))
                .hint("try again in a minute")),
        }
    }
}

/// Serves a probe until the peer ends it or its credential is revoked, for an hour at the most.
pub(crate) async fn run(
    shared: &Shared,
    principal: &Principal,
    address: &str,
    bytes: PacketStream,
    probing: Probing,
) {
    shared.metrics.link_opened("probe");
    let close = shared.close.child_token();
    let _registered = match principal {
        Principal::User { token, .. } => Some(shared.clients.add(token, close.clone())),
        Principal::Agent { .. } | Principal::Worker { .. } => None,
    };
    let mut options = Serve::new(shared.drain.child_token(), close);
    options.handshake = shared.config.handshake();
    options.streams = STREAMS;
    options.keepalive = match probing.keepalive {
        true => shared.config.keepalive(),
        false => Keepalive { interval: LONGEST, ..Keepalive::default() },
    };
    let ended = timeout(LONGEST, serve(bytes, options, answer)).await;
    let why = ended.map_or(Some("its time is over".into()), Result::err);
    tracing::debug!(target: "penstock::link", principal = principal.name(), peer = address, why, "probe over");
}

async fn answer(incoming: Incoming) {
    if incoming.open != Some(Open::Echo) {
        incoming.refuse(
            &Error::new(Code::NotFound, Side::Client, "nothing opens on a probe but an echo")
                .hint("dial a link for all else"),
        );
        return;
    }
    let echoed = match incoming.accept() {
        Ok(stream) => echo(stream).await,
        Err(error) => Err(std::io::Error::other(error)),
    };
    if let Err(error) = echoed {
        tracing::debug!(target: "penstock::link", %error, "echo cut");
    }
}

/// Sends back what comes. Dropped beyond its measure, the stream is reset.
async fn echo(mut stream: Stream) -> std::io::Result<()> {
    let mut left = BYTES;
    while let Some(chunk) = stream.receive.chunk().await? {
        left = left
            .checked_sub(chunk.len() as u64)
            .ok_or_else(|| std::io::Error::other("more than an echo brings back"))?;
        stream.send.send(chunk).await?;
    }
    stream.send.finish()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use penstock_link::Link;
    use tokio::io::duplex;
    use tokio_util::sync::CancellationToken;

    use super::*;

    async fn dialled() -> Link {
        let (near, far) = duplex(64 * 1024);
        let options = Serve::new(CancellationToken::new(), CancellationToken::new());
        tokio::spawn(serve(far, options, answer));
        Link::start(near, Keepalive::default()).await.unwrap()
    }

    #[tokio::test]
    async fn what_goes_comes_back() {
        let mut stream = dialled().await.open(Open::Echo).await.unwrap();
        for word in ["one", "two"] {
            stream.send.send(Bytes::from_static(word.as_bytes())).await.unwrap();
            assert_eq!(stream.receive.chunk().await.unwrap().unwrap(), word);
        }
        stream.send.finish().unwrap();
        assert_eq!(stream.receive.chunk().await.unwrap(), None);
    }

    #[tokio::test]
    async fn nothing_else_opens() {
        let link = dialled().await;
        for open in [Open::Session("db".into()), Open::Target(penstock_domain::Target::Tcp("db:1".into()))] {
            assert_eq!(link.open(open).await.unwrap_err().code, Code::NotFound);
        }
    }

    #[tokio::test]
    async fn more_than_its_measure_is_reset() {
        let stream = dialled().await.open(Open::Echo).await.unwrap();
        let (mut send, mut receive) = (stream.send, stream.receive);
        let piece = Bytes::from(vec![0; 1024 * 1024]);
        let sending = tokio::spawn(async move { while send.send(piece.clone()).await.is_ok() {} });
        let mut came = 0;
        let cut = loop {
            match receive.chunk().await {
                Ok(Some(chunk)) => came += chunk.len() as u64,
                end => break end,
            }
        };
        assert!(cut.is_err() && came <= BYTES, "{came} {cut:?}");
        sending.await.unwrap();
    }

    #[test]
    fn there_are_only_so_many() {
        let probes = Probes::default();
        let mut running: Vec<_> = (0..MOST).map(|_| probes.admit(true).ok().unwrap()).collect();
        assert_eq!(probes.admit(true).err().unwrap().code, Code::Limited);
        running.pop();
        assert!(probes.admit(false).is_ok());
    }
}
