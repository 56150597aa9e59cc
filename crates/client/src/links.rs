//! A client's links: dialled when they are needed, and again when the gateway ends them.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use penstock_domain::{Code, Error, Side};
use penstock_link::{
    Keepalive, Link, Open, Pool, Redial, Stream,
    carrier::grpc::{Dialled, Dialler},
};
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

/// A pool that grows with its use: a further link is dialled while every link is busy and more are allowed.
#[derive(Debug)]
pub(crate) struct Links {
    dialler: Dialler,
    keepalive: Keepalive,
    most: usize,
    pool: Pool,
    /// Held while dialling, so that many streams at once do not dial many links each.
    dialling: Mutex<()>,
    /// The gateway has said that it goes, since a link was dialled.
    going_away: AtomicBool,
    close: CancellationToken,
}

impl Links {
    pub(crate) fn new(dialler: Dialler, keepalive: Keepalive, most: usize) -> Self {
        Self {
            dialler,
            keepalive,
            most: most.max(1),
            pool: Pool::default(),
            dialling: Mutex::new(()),
            going_away: false.into(),
            close: CancellationToken::new(),
        }
    }

    /// Makes sure that a link is up.
    pub(crate) async fn ensure(self: &Arc<Self>) -> Result<(), Error> {
        if self.is_enough() {
            return Ok(());
        }
        let _one_at_a_time = self.dialling.lock().await;
        if self.is_enough() { Ok(()) } else { self.dial().await }
    }

    pub(crate) async fn open(self: &Arc<Self>, open: &Open) -> Result<Stream, Error> {
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

    /// Whether the gateway has gone in order, and no other has been dialled yet.
    pub(crate) fn has_drained(&self) -> bool {
        self.going_away.load(Ordering::Relaxed) && self.pool.links() == 0 && !self.close.is_cancelled()
    }

    pub(crate) fn close(&self) {
        self.close.cancel();
        self.pool.close();
    }

    fn is_enough(&self) -> bool {
        let links = self.pool.links();
        links >= self.most || (links > 0 && self.pool.streams() < links)
    }

    async fn dial(self: &Arc<Self>) -> Result<(), Error> {
        let Dialled { bytes, channel } = self.dialler.dial().await?;
        let link = Link::start(bytes, self.keepalive)
            .await
            .map_err(|why| Error::new(Code::Lost, Side::Gateway, format!("the link failed: {why}")))?;
        self.going_away.store(false, Ordering::Relaxed);
        self.pool.add(link.clone());
        let links = Arc::clone(self);
        tokio::spawn(async move {
            link.going().await;
            if link.is_going_away() {
                links.going_away.store(true, Ordering::Relaxed);
            }
            tokio::spawn(links.replace());
            // What is open on it goes on.
            link.lost().await;
            drop(channel);
        });
        Ok(())
    }

    /// Dials with full jitter until a link takes streams, whoever dialled it. Boxed, for dialling begins it.
    fn replace(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let mut redial = Redial::default();
            while self.pool.links() == 0 {
                tokio::select! {
                    () = sleep(redial.wait()) => {}
                    () = self.close.cancelled() => return,
                }
                match self.ensure().await {
                    Err(error) if matches!(error.code, Code::Unauthenticated | Code::Forbidden) => return,
                    Err(error) => {
                        tracing::debug!(target: "penstock::client", %error, "no link in the place of another");
                    }
                    Ok(()) => {}
                }
            }
        })
    }
}
