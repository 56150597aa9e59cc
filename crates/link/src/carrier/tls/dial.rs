//! The dialling side of carrier `tls`, which serves.

use std::time::Duration;

use penstock_domain::{Code, Error, Side};
use tokio::{net::TcpStream, time::timeout};

use super::{Flavour, preface};
use crate::{
    Endpoint,
    carrier::Duplex,
    forward_proxy::ForwardProxy,
    tls::{Connector, MaybeTls},
};

/// How long TCP and TLS may take together.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Dials one tunnel port with a client certificate.
#[derive(Clone, Debug)]
pub struct Dialler {
    endpoint: Endpoint,
    connector: Connector,
    proxy: Option<ForwardProxy>,
}

impl Dialler {
    /// A dialler; the connector holds the certificate and offers the flavours' ALPN.
    #[must_use]
    pub const fn new(endpoint: Endpoint, connector: Connector) -> Self {
        Self { endpoint, connector, proxy: None }
    }

    /// Through a forward proxy, if there is one.
    #[must_use]
    pub(crate) fn through(self, proxy: Option<ForwardProxy>) -> Self {
        Self { proxy, ..self }
    }

    /// Dials. That the peer accepts is known only once its first bytes have come.
    ///
    /// # Errors
    /// What kept it from being reached, with a hint.
    pub async fn dial(&self) -> Result<Box<dyn Duplex>, Error> {
        timeout(TIMEOUT, self.connect()).await.unwrap_or_else(|_| {
            Err(self.unreachable(&format!("did not answer within {} s", TIMEOUT.as_secs())))
        })
    }

    async fn connect(&self) -> Result<Box<dyn Duplex>, Error> {
        let io = match &self.proxy {
            Some(proxy) => proxy.connect(&self.endpoint).await?,
            None => MaybeTls::Plain(self.straight().await?),
        };
        let tls = self.connector.connect(&self.endpoint.host, io).await?;
        let (_, session) = tls.get_ref();
        Ok(match Flavour::negotiated(session.alpn_protocol()) {
            Flavour::Swap => Box::new(preface::Dialler::new(tls)),
            Flavour::Rh2 => Box::new(tls),
        })
    }

    async fn straight(&self) -> Result<TcpStream, Error> {
        TcpStream::connect(self.endpoint.authority())
            .await
            .and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp))
            .map_err(|error| self.unreachable(&format!("cannot be reached: {error}")))
    }

    fn unreachable(&self, why: &str) -> Error {
        let endpoint = self.endpoint.authority();
        Error::new(Code::Lost, Side::Gateway, format!("the tunnel port at {endpoint} {why}"))
            .hint("is it up, and does every proxy in between pass TCP through? TLS must not end before it")
    }
}
