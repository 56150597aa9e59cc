//! A port: it accepts, so many at once, and hands connections on.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use penstock_domain::{Code, Error, Side};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::shared::Shared;

#[derive(Debug)]
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Binds; `setting` is named if it cannot.
    pub(crate) async fn bind(address: &str, setting: &str) -> Result<Self, Error> {
        TcpListener::bind(address).await.map(Self).map_err(|error| {
            Error::new(Code::Conflict, Side::Gateway, format!("cannot listen on {address}: {error}"))
                .hint(format!("end the program that has the port, or set {setting} to another HOST:PORT"))
        })
    }

    pub(crate) fn address(&self) -> String {
        self.0.local_addr().map(|address| address.to_string()).unwrap_or_default()
    }

    /// Serves each connection in a task, until the gateway closes. Running out of descriptors pauses accepting and
    /// passes.
    pub(crate) async fn serve<H, F>(self, port: &'static str, shared: Arc<Shared>, serve: H)
    where
        H: Fn(TcpStream, SocketAddr) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(shared.config.connections));
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = shared.close.cancelled() => return,
            };
            let accepted = tokio::select! {
                accepted = self.0.accept() => accepted,
                () = shared.close.cancelled() => return,
            };
            let (tcp, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    shared.metrics.accept_error(port);
                    tracing::warn!(target: "penstock::listener", port, %error, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let open = shared.metrics.connection(port);
            let serving = serve(tcp, peer);
            tokio::spawn(async move {
                serving.await;
                drop((place, open));
            });
        }
    }
}
