//! Each local connection becomes one session.

use std::{io, sync::Arc, time::Duration};

use penstock_domain::{Code, Error, Side};
use penstock_link::{Open, link_lost};
use penstock_relay::{Meter, Socket, splice};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{links::Links, listen::Listener};

pub(crate) struct Forward {
    pub connection: String,
    pub links: Arc<Links>,
    pub notify: mpsc::Sender<Error>,
    pub stop: CancellationToken,
    pub close: CancellationToken,
    pub tasks: TaskTracker,
}

impl Forward {
    pub(crate) async fn run(self, listener: Listener) {
        let mut told = false;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok(socket) => {
                    told = false;
                    self.tasks.spawn(self.carry(socket));
                }
                Err(error) => {
                    // Out of descriptors, most likely: what is open goes on, and accepting is tried again.
                    tracing::debug!(target: "penstock::client", %error, "cannot accept");
                    if !std::mem::replace(&mut told, true) {
                        let _unread = self.notify.try_send(deaf(&error));
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn carry(&self, socket: Socket) -> impl Future<Output = ()> + use<> {
        let open = Open::Session(self.connection.clone());
        let (links, notify, close) = (Arc::clone(&self.links), self.notify.clone(), self.close.clone());
        async move {
            let carried = async {
                let stream = match links.open(&open).await {
                    Ok(stream) => stream,
                    Err(error) => {
                        socket.abort();
                        return Err(error);
                    }
                };
                let meter = Meter::default();
                if let Err(error) = splice(stream, socket, &meter).await {
                    tracing::debug!(target: "penstock::client", %error, "stream cut");
                    if links.has_drained() {
                        return Err(drained());
                    }
                    if link_lost(&error) {
                        return Err(lost());
                    }
                }
                Ok::<_, Error>(())
            };
            tokio::select! {
                result = carried => if let Err(error) = result {
                    tracing::debug!(target: "penstock::client", %error, "session ended");
                    // A full queue means that nobody reads; the log has it.
                    let _unread = notify.try_send(error);
                },
                () = close.cancelled() => {}
            }
        }
    }
}

/// What a native program that waits to be accepted cannot know.
fn deaf(error: &io::Error) -> Error {
    Error::new(Code::Limited, Side::Client, format!("no further connection can be accepted: {error}"))
        .hint("end some sessions, or allow more open files (`ulimit -n`); it is tried again all the while")
}

/// What a native program cannot know: it sees its connection end, and nothing else.
fn lost() -> Error {
    Error::new(
        Code::Lost,
        Side::Gateway,
        "the link to the gateway was lost, and a session with it; what it returned last is incomplete",
    )
    .hint("connect again: the gateway is dialled anew; where that happens often, look at the timeouts of what is in between")
}

fn drained() -> Error {
    Error::new(Code::Draining, Side::Gateway, "the gateway was shut down, and ended a session")
        .hint("connect again: the gateway is dialled anew as soon as it is back")
}
