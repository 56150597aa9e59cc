//! A client's links, dialled when they are needed.

use penstock_domain::{Code, Error, Side};
use penstock_link::{
    Keepalive, Link, Open, Pool, Stream,
    carrier::grpc::{Dialled, Dialler},
};
use tokio::sync::Mutex;

/// A pool that grows with its use: a further link is dialled while every link is busy and more are allowed.
#[derive(Debug)]
pub(crate) struct Links {
    dialler: Dialler,
    keepalive: Keepalive,
    most: usize,
    pool: Pool,
    /// Held while dialling, so that many streams at once do not dial many links each.
    dialling: Mutex<()>,
}

impl Links {
    pub(crate) fn new(dialler: Dialler, keepalive: Keepalive, most: usize) -> Self {
        Self { dialler, keepalive, most: most.max(1), pool: Pool::default(), dialling: Mutex::new(()) }
    }

    /// Makes sure that a link is up.
    pub(crate) async fn ensure(&self) -> Result<(), Error> {
        if self.is_enough() {
            return Ok(());
        }
        let _one_at_a_time = self.dialling.lock().await;
        if self.is_enough() { Ok(()) } else { self.dial().await }
    }

    pub(crate) async fn open(&self, open: &Open) -> Result<Stream, Error> {
        self.ensure().await?;
        match self.pool.open(open).await {
            // The links were lost or are draining: nothing has reached the gateway, so dialling once more is safe.
            Err(error) if matches!(error.code, Code::AgentOffline | Code::Lost) => {
                self.dial().await?;
                self.pool.open(open).await
            }
            answer => answer,
        }
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }

    fn is_enough(&self) -> bool {
        let links = self.pool.links();
        links >= self.most || (links > 0 && self.pool.streams() < links)
    }

    async fn dial(&self) -> Result<(), Error> {
        let Dialled { bytes, channel } = self.dialler.dial().await?;
        let link = Link::start(bytes, self.keepalive)
            .await
            .map_err(|why| Error::new(Code::Lost, Side::Gateway, format!("the link failed: {why}")))?;
        self.pool.add(link.clone());
        tokio::spawn(async move {
            link.lost().await;
            drop(channel);
        });
        Ok(())
    }
}
