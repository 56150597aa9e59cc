//! A port: it accepts, so many at once, and hands connections on.

use std::{
    future::Future,
    io,
    net::{self, SocketAddr},
    sync::Arc,
    time::Duration,
};

use penstock_domain::{Code, Error, Side};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use crate::{Lanes, Ports};

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
    /// Where they run.
    pub lanes: Lanes,
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

    /// Serves each connection in a task on its lane, until it is stopped. Running out of descriptors pauses accepting and
    /// passes.
    pub async fn serve<H, F>(self, accepting: Accepting, serve: H)
    where
        H: Fn(TcpStream, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Accepting { port, connections, lanes, ports, stop } = accepting;
        let places = Arc::new(Semaphore::new(connections));
        let serve = Arc::new(serve);
        for lane in lanes.turns() {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = stop.cancelled() => return,
            };
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
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
            let (serve, open) = (Arc::clone(&serve), ports.connection(port));
            lane.spawn(async move {
                match TcpStream::from_std(tcp) {
                    Ok(tcp) => serve(tcp, peer).await,
                    Err(error) => {
                        tracing::warn!(target: "penstock::listener", port, %error, "cannot take a connection");
                    }
                }
                drop((place, open));
            });
        }
    }

    /// A connection that no runtime knows yet.
    async fn accept(&self) -> io::Result<(net::TcpStream, SocketAddr)> {
        let (tcp, peer) = self.0.accept().await?;
        Ok((tcp.into_std()?, peer))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::{
        io::AsyncReadExt as _,
        runtime::{Builder, Handle},
    };

    use super::*;

    #[test]
    fn connections_take_the_lanes_in_turn_and_stay_there() {
        let runtime = || Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (first, second) = (runtime(), runtime());
        let lanes = Lanes::new(first.handle().clone(), [second.handle().clone()]);
        let seen = Arc::<Mutex<Vec<_>>>::default();
        first.block_on(async {
            let listener = Listener::bind("127.0.0.1:0", "TEST").await.unwrap();
            let address = listener.address();
            let (ports, stop) = (Ports::default(), CancellationToken::new());
            let noting = Arc::clone(&seen);
            let serve = move |mut tcp: TcpStream, _| {
                let seen = Arc::clone(&noting);
                async move {
                    assert_eq!(tcp.read(&mut [0]).await.unwrap(), 1);
                    seen.lock().unwrap().push(Handle::current().id());
                }
            };
            tokio::spawn(
                listener.serve(Accepting { port: "test", connections: 9, lanes, ports, stop }, serve),
            );
            for _ in 0..3 {
                let mut peer = TcpStream::connect(&address).await.unwrap();
                peer.try_write(b"!").unwrap();
                assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
            }
        });
        let (first, second) = (first.handle().id(), second.handle().id());
        assert_eq!(*seen.lock().unwrap(), [first, second, first]);
    }
}
