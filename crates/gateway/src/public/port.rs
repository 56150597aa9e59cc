//! The public port itself.

use std::sync::Arc;

use penstock_domain::Error;
use penstock_http::{Acceptor, Listener, Server};
use penstock_link::tls;

use super::{Public, door::House};
use crate::{PublicPort, shared::Shared};

/// The port's name in metrics and logs.
const PORT: &str = "public";

/// Credit of each HTTP/2 stream, in bytes.
const WINDOW: u32 = 1024 * 1024;

/// Binds the port and reads its certificate.
pub(crate) async fn bind(port: &PublicPort) -> Result<(Listener, Acceptor), Error> {
    let acceptor = match &port.tls {
        Some(tls) => Acceptor::tls(tls::acceptor(&tls.cert_pem, &tls.key_pem)?),
        None => Acceptor::either(None),
    };
    Ok((Listener::bind(&port.listen, "PUBLIC_LISTEN").await?, acceptor))
}

/// Serves until the gateway drains.
pub(crate) async fn serve(listener: Listener, acceptor: Acceptor, public: Arc<Public>, shared: Arc<Shared>) {
    let (ports, drain, close) = (shared.metrics.ports.clone(), shared.drain.clone(), shared.close.clone());
    let server = Server::new(PORT, acceptor, shared.config.limits(), ports, WINDOW, drain.clone(), close);
    let mut accepting = shared.accepting(PORT);
    accepting.stop = drain;
    let house = House::new(shared, public);
    listener.serve(accepting, move |tcp, peer| server.clone().serve(house.clone(), tcp, peer)).await;
}
