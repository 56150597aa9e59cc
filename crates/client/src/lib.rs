//! The client: it listens on a local socket for native programs and opens a session for each of their
//! connections. A peer like any other.

mod config;
mod forward;
mod links;
mod listen;

use std::{sync::Arc, time::Duration};

use penstock_domain::Error;
use penstock_link::{Open, Stream, carrier::grpc::Identity};
use tokio::sync::{Mutex, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use config::Config;

use crate::{forward::Forward, links::Links, listen::Listener};

/// Notices that wait for a slow reader; more are dropped, for they are for a person's eyes.
const NOTICES: usize = 64;

/// How long streams may take to end by themselves when the client is shut down.
const LAST_BYTES: Duration = Duration::from_millis(300);

/// A client of one gateway.
#[derive(Debug)]
pub struct Client {
    links: Arc<Links>,
    notices: Mutex<mpsc::Receiver<Error>>,
    notify: mpsc::Sender<Error>,
    tasks: TaskTracker,
    /// No new local connections.
    stop: CancellationToken,
    /// Every stream ends.
    close: CancellationToken,
}

impl Client {
    /// A client; nothing is dialled yet.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let dialler = config.address.grpc(Identity::user(config.token.clone()))?;
        let (notify, notices) = mpsc::channel(NOTICES);
        Ok(Self {
            links: Arc::new(Links::new(dialler, config.keepalive(), config.links)),
            notices: Mutex::new(notices),
            notify,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            close: CancellationToken::new(),
        })
    }

    /// Proves that the gateway is reachable and takes the credential.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), Error> {
        self.links.ensure().await
    }

    /// Opens one session's stream.
    ///
    /// # Errors
    /// The gateway's refusal, or what kept it from being reached.
    pub async fn open(&self, connection: &str) -> Result<Stream, Error> {
        self.links.open(&Open::Session(connection.into())).await
    }

    /// Listens at `HOST:PORT` or `unix:PATH` (created with mode 0600) and forwards every connection; returns the
    /// bound address.
    ///
    /// # Errors
    /// Why the address cannot be listened on.
    pub async fn forward(&self, connection: &str, listen: &str) -> Result<String, Error> {
        let listener = Listener::bind(listen).await?;
        let address = listener.address();
        let forward = Forward {
            connection: connection.into(),
            links: Arc::clone(&self.links),
            notify: self.notify.clone(),
            stop: self.stop.clone(),
            close: self.close.clone(),
            tasks: self.tasks.clone(),
        };
        self.tasks.spawn(forward.run(listener));
        Ok(address)
    }

    /// The next thing that went wrong with a forwarded connection.
    pub async fn notice(&self) -> Option<Error> {
        self.notices.lock().await.recv().await
    }

    /// Stops listening, and waits so long for the sessions that are open. Says whether all have ended; may be called
    /// again.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(limit, self.tasks.wait()).await.is_ok()
    }

    /// Stops listening, lets streams end whose local side has just closed, and ends the others.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        let finished = tokio::time::timeout(LAST_BYTES, self.tasks.wait()).await;
        if finished.is_err() {
            self.close.cancel();
        }
        // Bounded: a stream that hangs is reset with its link.
        let _ended = tokio::time::timeout(Duration::from_secs(2), self.tasks.wait()).await;
        self.links.close();
    }
}
