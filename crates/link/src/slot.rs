//! One place among the links that this side dials and serves: a link is in it, or is being dialled.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use penstock_domain::{Code, Error, Side};
use tokio::{
    task::{JoinError, JoinHandle},
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Dialling, Incoming, Redial, Serve,
    carrier::Dialled,
    dialling::{Shared, Up},
    serve,
};

/// A link that lived so long was really accepted; one that ends at once must not be redialled at once for ever.
const ACCEPTED: Duration = Duration::from_secs(5);

pub(crate) struct Slot<H> {
    pub number: usize,
    pub dialling: Dialling,
    pub handler: H,
    pub shared: Arc<Shared>,
    pub tasks: TaskTracker,
    pub drain: CancellationToken,
    pub close: CancellationToken,
}

/// A link that is served by a task of its own, which outlives the link's place here.
struct Serving {
    over: JoinHandle<Result<(), String>>,
    established: CancellationToken,
    going_away: CancellationToken,
    worked: Arc<AtomicBool>,
}

impl<H, F> Slot<H>
where
    H: Fn(Incoming) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    /// Keeps a link in this place until all are drained.
    pub(crate) async fn run(self) {
        tokio::select! {
            () = self.keep() => {}
            () = self.drain.cancelled() => {}
        }
    }

    async fn keep(&self) {
        let (mut redial, mut is_first) = (Redial::default(), true);
        loop {
            self.turn().await;
            self.shared.count_dial();
            match self.dialling.dialler.dial().await {
                Ok(dialled) => {
                    if self.hold(dialled, &mut is_first).await {
                        redial.accepted();
                    }
                }
                Err(error) if self.is_final(&error) => return self.shared.end(error),
                Err(error) => self.report(error),
            }
            sleep(redial.wait()).await;
        }
    }

    /// While no link is up one place dials alone: a peer that comes back meets one attempt of each of us at a time.
    async fn turn(&self) {
        if self.number > 0 {
            self.shared.any_up().await;
        }
    }

    /// Holds one link until it ends, or until the peer wants another in its place; its streams then go on. Says
    /// whether the peer really accepted it: that it lived, or had work.
    async fn hold(&self, dialled: Dialled, is_first: &mut bool) -> bool {
        let (mut serving, since) = (self.start(dialled), Instant::now());
        tokio::select! {
            over = &mut serving.over => {
                if !serving.established.is_cancelled() {
                    self.refused(&told(over));
                    return false;
                }
            }
            () = serving.established.cancelled() => self.held(serving.over, &serving.going_away, is_first).await,
        }
        serving.worked.load(Ordering::Relaxed) || since.elapsed() >= ACCEPTED
    }

    async fn held(
        &self,
        mut over: JoinHandle<Result<(), String>>,
        going_away: &CancellationToken,
        is_first: &mut bool,
    ) {
        let _up = self.up(is_first);
        tokio::select! {
            _over = &mut over => {}
            () = going_away.cancelled() => {
                let peer = self.dialling.peer;
                tracing::info!(target: "penstock::link", link = self.number, "the {peer} wants another link");
            }
        }
    }

    /// Serves a link to its end, wherever this place is by then.
    fn start(&self, dialled: Dialled) -> Serving {
        let mut options = Serve::new(self.drain.clone(), self.close.clone());
        options.keepalive = self.dialling.keepalive;
        options.streams = self.dialling.streams;
        options.reversed = true;
        let (established, going_away) = (options.established.clone(), options.going_away.clone());
        let counted = self.shared.count(&options.in_flight);
        let worked = Arc::new(AtomicBool::new(false));
        let (handler, working, is_up) = (self.handler.clone(), Arc::clone(&worked), established.clone());
        let (link, peer, drain) = (self.number, self.dialling.peer, self.drain.clone());
        let over = self.tasks.spawn(async move {
            let Dialled { bytes, outer } = dialled;
            let over = serve(bytes, options, move |incoming| {
                working.store(true, Ordering::Relaxed);
                handler(incoming)
            })
            .await;
            drop((outer, counted));
            if is_up.is_cancelled() {
                // HAProxy ends idle links without a word: nothing is wrong.
                let why = over.clone().err().unwrap_or_else(|| ended(&drain, peer));
                tracing::info!(target: "penstock::link", link, why, "link down");
            }
            over
        });
        Serving { over, established, going_away, worked }
    }

    fn up(&self, is_first: &mut bool) -> Up {
        let up = self.shared.up();
        if std::mem::take(is_first) {
            self.shared.first_up();
        }
        tracing::info!(target: "penstock::link", link = self.number, "link up");
        up
    }

    fn refused(&self, why: &str) {
        let peer = self.dialling.peer;
        self.report(
            Error::new(Code::Lost, Side::Gateway, format!("the {peer} did not accept the link: {why}"))
                .hint("a certificate must be from the CA that it asks for, in date and not revoked"),
        );
    }

    /// An identity that was never accepted is wrong; one that was may be accepted again.
    fn is_final(&self, error: &Error) -> bool {
        matches!(error.code, Code::Unauthenticated | Code::Forbidden) && !self.shared.was_accepted()
    }

    fn report(&self, error: Error) {
        let (peer, hint) = (self.dialling.peer, error.hint.as_deref().unwrap_or_default());
        tracing::warn!(target: "penstock::link", link = self.number, %error, hint, "cannot reach the {peer}");
        self.shared.note(Some(error));
    }
}

/// Why a link that was not accepted ended.
fn told(over: Result<Result<(), String>, JoinError>) -> String {
    match over {
        Ok(Ok(())) => "it hung up".into(),
        Ok(Err(why)) => why,
        Err(error) => error.to_string(),
    }
}

fn ended(drain: &CancellationToken, peer: &str) -> String {
    if drain.is_cancelled() { "drained".into() } else { format!("ended by the {peer}") }
}
