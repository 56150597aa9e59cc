//! The probe: it dials as an agent or a client does and tells what comes through (`penstock doctor`). At the other
//! end the gateway echoes; no session is opened, and nobody's link is taken.

mod config;
mod echo;
mod tunnel;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use penstock_domain::{Code, Error, Side};
use penstock_link::{
    Keepalive, Link, Open, Shown,
    carrier::{
        Dialler,
        grpc::{self, Dialled, Purpose},
    },
};
use tokio::time::{Instant, timeout};

pub use config::Config;

/// Silence that no probe outlasts.
const NEVER: Duration = Duration::from_secs(86_400);

/// A probe of one way to a gateway. Every question dials anew.
#[derive(Debug)]
pub struct Probe {
    config: Config,
    dialler: Dialler,
}

/// How far a message got, and back.
#[derive(Debug, Default)]
pub struct Carried {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Carried {
    /// Bytes that left.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes that came back.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// A dialled probe.
struct Way {
    link: Link,
    /// The outer connection lives as long as this.
    _channel: Box<dyn std::any::Any + Send + Sync>,
}

impl Probe {
    /// A probe; nothing is dialled yet.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(config: Config) -> Result<Self, Error> {
        let dialler = config.address.dialler(config.identity())?;
        Ok(Self { config, dialler })
    }

    /// What is shown in the TLS handshake.
    ///
    /// # Errors
    /// There is no TLS, or nobody.
    pub async fn shown(&self) -> Result<Shown, Error> {
        Shown::at(&self.config.address).await
    }

    /// Proves who we are, and leaves again.
    ///
    /// # Errors
    /// The gateway's refusal, or what kept it from being reached.
    pub async fn authenticate(&self) -> Result<(), Error> {
        match &self.dialler {
            Dialler::Grpc(dialler) => way(dialler, Some(self.keepalive())).await.map(drop),
            Dialler::Tls(dialler) => tunnel::accepted(dialler).await,
        }
    }

    /// The times that so many single bytes take to the gateway and back.
    ///
    /// # Errors
    /// What cut them off.
    pub async fn round_trips(&self, count: usize) -> Result<Vec<Duration>, Error> {
        let way = way(self.grpc()?, Some(self.keepalive())).await?;
        let mut stream = way.link.open(Open::Echo).await?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            echo::byte(&mut stream).await?;
            times.push(start.elapsed());
        }
        Ok(times)
    }

    /// Sends so many bytes and takes them back.
    ///
    /// # Errors
    /// What cut them off; `carried` says where.
    pub async fn message(&self, bytes: u64, carried: &Carried) -> Result<(), Error> {
        let way = way(self.grpc()?, Some(self.keepalive())).await?;
        echo::message(way.link.open(Open::Echo).await?, bytes, carried).await
    }

    /// Holds a stream that carries nothing, then uses it. With `keepalive` both sides send PINGs as on any link.
    ///
    /// # Errors
    /// What cut it off.
    pub async fn idle(&self, length: Duration, keepalive: bool) -> Result<(), Error> {
        let way = way(self.grpc()?, keepalive.then(|| self.keepalive())).await?;
        let mut stream = way.link.open(Open::Echo).await?;
        echo::byte(&mut stream).await?;
        match timeout(length, stream.receive.chunk()).await {
            Err(_) => echo::byte(&mut stream).await,
            Ok(Err(error)) => Err(echo::cut(&error)),
            Ok(Ok(_)) => Err(echo::unasked()),
        }
    }

    fn keepalive(&self) -> Duration {
        Duration::from_secs(self.config.keepalive_seconds)
    }

    fn grpc(&self) -> Result<&grpc::Dialler, Error> {
        match &self.dialler {
            Dialler::Grpc(dialler) => Ok(dialler),
            Dialler::Tls(_) => {
                Err(Error::new(Code::Malformed, Side::Client, "nothing echoes at a tunnel port"))
            }
        }
    }
}

/// Dials; without `keepalive` neither side sends a PING.
async fn way(dialler: &grpc::Dialler, keepalive: Option<Duration>) -> Result<Way, Error> {
    let purpose = Purpose::Probe { keepalive: keepalive.is_some() };
    let Dialled { bytes, channel } = dialler.clone().for_purpose(purpose).dial().await?;
    let keepalive = Keepalive { interval: keepalive.unwrap_or(NEVER), ..Keepalive::default() };
    let link = Link::start(bytes, keepalive)
        .await
        .map_err(|why| Error::new(Code::Lost, Side::Gateway, format!("the link failed: {why}")))?;
    Ok(Way { link, _channel: Box::new(channel) })
}
