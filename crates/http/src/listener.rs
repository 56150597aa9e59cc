//! A port: it accepts, so many at once, and hands connections on.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use penstock_domain::{Code, Error, Side};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use crate::Ports;

/// A bound port.
#[derive(Debug)]
pub struct Listener(TcpListener);

/// How connections are accepted.
#[derive(Clone, Debug)]
pub struct Accepting {
    /// The port's name in metrics and logs.
    pub port: &'static str,
    /// Connections at once; more wait in the system's backlog.
    pub connections: usize,
    /// Where they are counted.
    pub ports: Ports,
    /// Cancelled to accept no more.
    pub stop: CancellationToken,
}

impl Listener {
    /// Binds; `setting` is named if it cannot.
    ///
    /// # Errors
    /// [`Code::Conflict`] if the address is taken or is not this machine's.
    pub async fn bind(address: &str, setting: &str) -> Result<Self, Error> {
        TcpListener::bind(address).await.map(Self).map_err(|error| {
            Error::new(Code::Conflict, Side::Gateway, format!("cannot listen on {address}: {error}"))
                .hint(format!("end the program that has the port, or set {setting} to another HOST:PORT"))
        })
    }

    /// `HOST:PORT`, as bound.
    #[must_use]
    pub fn address(&self) -> String {
        self.0.local_addr().map(|address| address.to_string()).unwrap_or_default()
    }

    /// Serves each connection in a task, until it is stopped. Running out of descriptors pauses accepting and
    /// passes.
    pub async fn serve<H, F>(self, accepting: Accepting, serve: H)
    where
        H: Fn(TcpStream, SocketAddr) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let Accepting { port, connections, ports, stop } = accepting;
        let places = Arc::new(Semaphore::new(connections));
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = stop.cancelled() => return,
            };
            let accepted = tokio::select! {
                accepted = self.0.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let (tcp, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    ports.accept_error(port);
                    tracing::warn!(target: "penstock::listener", port, %error, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let open = ports.connection(port);
            let serving = serve(tcp, peer);
            tokio::spawn(async move {
                serving.await;
                drop((place, open));
            });
        }
    }
}
