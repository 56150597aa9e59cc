//! A forward proxy on the way out of somebody's network: CONNECT (RFC 9110 §9.3.6), over HTTP/1.1.

mod refusal;
mod rules;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1, upgrade};
use hyper_util::rt::TokioIo;
use penstock_domain::{Code, Error, Side};
use tokio::{net::TcpStream, time::timeout};

pub use self::rules::is_proxied;
use crate::{
    Endpoint,
    tls::{Connector, MaybeTls},
};

/// How long the proxy may take to open the way; less than what a carrier has for all, so that it is the proxy that
/// is named.
const TIMEOUT: Duration = Duration::from_secs(8);

/// A forward proxy, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct ForwardProxy {
    host: String,
    /// `HOST:PORT`, for people too: it holds no credential.
    authority: String,
    tls: Option<Connector>,
    credential: Option<HeaderValue>,
}

impl std::fmt::Debug for ForwardProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForwardProxy").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl ForwardProxy {
    /// Opens the way to an endpoint, as far as its TCP.
    ///
    /// # Errors
    /// That the proxy is not there, or does not let this side through, and what to do about it.
    pub(crate) async fn connect(&self, to: &Endpoint) -> Result<MaybeTls, Error> {
        let target = to.authority();
        timeout(TIMEOUT, self.tunnel(&target)).await.unwrap_or_else(|_| {
            let why = format!("did not open the way to {target} within {} s", TIMEOUT.as_secs());
            Err(self.error(&why).hint(refusal::unreachable(&target)))
        })
    }

    async fn tunnel(&self, target: &str) -> Result<MaybeTls, Error> {
        let (mut requests, connection) =
            http1::handshake(TokioIo::new(self.open().await?)).await.map_err(|error| self.no_http(&error))?;
        // It ends with the tunnel that it becomes, or when the request is given up.
        tokio::spawn(connection.with_upgrades());
        let response =
            requests.send_request(self.request(target)?).await.map_err(|error| self.no_http(&error))?;
        if !response.status().is_success() {
            return Err(self.refused(target, &response));
        }
        self.opened(response).await
    }

    /// TCP to the proxy, and TLS where it speaks it.
    async fn open(&self) -> Result<MaybeTls, Error> {
        let tcp = TcpStream::connect(&self.authority)
            .await
            .and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp))
            .map_err(|error| self.error(&format!("cannot be reached: {error}")).hint(refusal::DEAD))?;
        let Some(connector) = &self.tls else { return Ok(MaybeTls::Plain(tcp)) };
        let tls = connector.connect(&self.host, tcp).await.map_err(|error| {
            self.error(&format!("did not complete TLS: {}", error.message)).hint(refusal::NO_TLS)
        })?;
        Ok(MaybeTls::Client(Box::new(tls)))
    }

    fn request(&self, target: &str) -> Result<Request<Empty<Bytes>>, Error> {
        let mut request = Request::builder().method(Method::CONNECT).uri(target).header(header::HOST, target);
        if let Some(credential) = &self.credential {
            request = request.header(header::PROXY_AUTHORIZATION, credential);
        }
        request
            .body(Empty::new())
            .map_err(|error| self.error(&format!("cannot be asked for {target}: {error}")))
    }

    async fn opened(&self, response: Response<Incoming>) -> Result<MaybeTls, Error> {
        let upgraded = upgrade::on(response).await.map_err(|error| self.no_http(&error))?;
        match upgraded.downcast::<TokioIo<MaybeTls>>() {
            Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
            // Who is dialled never speaks first.
            _ => Err(self.error("sent what nobody asked for").hint(refusal::NO_HTTP)),
        }
    }

    fn refused(&self, target: &str, response: &Response<Incoming>) -> Error {
        let why = format!("refused the way to {target}: {}", response.status());
        self.error(&why).hint(refusal::hint(target, response, self.credential.is_some()))
    }

    fn no_http(&self, error: &hyper::Error) -> Error {
        self.error(&format!("did not answer: {error}")).hint(refusal::NO_HTTP)
    }

    fn error(&self, why: &str) -> Error {
        Error::new(Code::Lost, Side::Client, format!("the forward proxy at {} {why}", self.authority))
    }
}
