//! One link's life: dial, serve, redial.

use std::{sync::Arc, time::Duration};

use penstock_domain::{Code, Error};
use penstock_link::{
    Keepalive, Redial, Serve,
    carrier::{Dialled, Dialler},
    serve,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{State, targets::Targets};

/// A link that lived so long was really accepted; one that ends at once must not be redialled at once for ever.
const ACCEPTED: Duration = Duration::from_secs(5);

/// Streams that our gateway may open on one link.
const STREAMS: u32 = 4096;

pub(crate) struct Dialling {
    pub number: usize,
    pub dialler: Dialler,
    pub keepalive: Keepalive,
    pub targets: Arc<Targets>,
    pub state: Arc<State>,
    pub end: watch::Sender<Option<Error>>,
    pub drain: CancellationToken,
    pub close: CancellationToken,
}

impl Dialling {
    pub(crate) async fn run(self) {
        let mut redial = Redial::default();
        while !self.drain.is_cancelled() {
            let dialled = tokio::select! {
                dialled = self.dialler.dial() => dialled,
                () = self.drain.cancelled() => return,
            };
            match dialled {
                Ok(dialled) => {
                    let up = Instant::now();
                    self.serve(dialled).await;
                    if up.elapsed() >= ACCEPTED {
                        redial.accepted();
                    }
                }
                Err(error) if self.is_final(&error) => {
                    self.end.send_replace(Some(error));
                    return;
                }
                Err(error) => self.report(error),
            }
            tokio::select! {
                () = tokio::time::sleep(redial.wait()) => {}
                () = self.drain.cancelled() => return,
            }
        }
    }

    async fn serve(&self, dialled: Dialled) {
        self.state.up();
        tracing::info!(target: "penstock::agent", link = self.number, "link up");
        let mut options = Serve::new(self.drain.clone(), self.close.clone());
        options.keepalive = self.keepalive;
        options.streams = STREAMS;
        let targets = Arc::clone(&self.targets);
        let ended = serve(dialled.bytes, options, move |incoming| {
            let targets = Arc::clone(&targets);
            async move { targets.open(incoming).await }
        })
        .await;
        self.state.down();
        let why = ended.err().unwrap_or_else(|| "ended by the gateway".into());
        tracing::info!(target: "penstock::agent", link = self.number, why, "link down");
        drop(dialled.outer);
    }

    /// A key that was never accepted is wrong; one that was may be accepted again.
    fn is_final(&self, error: &Error) -> bool {
        matches!(error.code, Code::Unauthenticated | Code::Forbidden) && !self.state.was_accepted()
    }

    fn report(&self, error: Error) {
        let hint = error.hint.as_deref().unwrap_or_default();
        tracing::warn!(target: "penstock::agent", link = self.number, %error, hint, "cannot reach the gateway");
        self.state.failed(error);
    }
}
