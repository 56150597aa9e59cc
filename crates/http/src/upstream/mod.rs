//! Clients of upstreams: `http://`, `https://`, `h2c://` and `unix:`, with connections that are kept.

mod address;
mod answer;
mod dial;
mod outgoing;
mod pool;
mod upload;

use std::{future::Future, path::PathBuf, time::Duration};

use http::{Request, Response};
use http_body::Body as _;
use penstock_domain::{Code, Error, Side};
use penstock_link::tls::{Connector, Trust};
use tokio::time::timeout;

pub use answer::Answer;

use self::{
    address::Address,
    outgoing::Outgoing,
    pool::{Connection, Pool},
    upload::{Progress, Upload},
};
use crate::{Body, headers};

/// How an upstream is spoken to.
#[derive(Clone, Debug)]
pub struct Options {
    /// Roots in PEM for `https://`; the system's if absent.
    pub ca_pem: Option<String>,
    /// How long a connection may take, TLS included.
    pub connect: Duration,
    /// How long the upstream may be silent before its answer begins: from the request's last byte.
    pub answer: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { ca_pem: None, connect: Duration::from_secs(10), answer: Duration::from_secs(60) }
    }
}

/// One upstream, and the connections to it.
#[derive(Debug)]
pub struct Upstream {
    address: Address,
    tls: Option<Connector>,
    options: Options,
    pool: Pool,
}

impl Upstream {
    /// An upstream by its URL: `http://HOST:PORT`, `https://HOST:PORT`, `h2c://HOST:PORT` for HTTP/2 without TLS, or
    /// `unix:/PATH`. With `https://` the upstream chooses HTTP/1.1 or HTTP/2.
    ///
    /// # Errors
    /// [`Code::Malformed`] if it is none of these, or if the roots cannot be read.
    pub fn parse(url: &str, options: Options) -> Result<Self, Error> {
        let address = Address::parse(url)?;
        let tls = match &address {
            Address::Tcp { tls: true, .. } => {
                let trust = options.ca_pem.clone().map_or(Trust::System, Trust::Roots);
                Some(Connector::new(&trust, None, &[b"h2", b"http/1.1"], None)?)
            }
            _ => None,
        };
        Ok(Self { address, tls, options, pool: Pool::default() })
    }

    /// An upstream on a socket of this machine.
    #[must_use]
    pub fn unix(path: PathBuf, options: Options) -> Self {
        Self { address: Address::Unix(path), tls: None, options, pool: Pool::default() }
    }

    /// Sends a request and waits for the head of the answer. Hop-by-hop fields pass in neither direction; `Host` or
    /// `:authority` is kept.
    ///
    /// An extended CONNECT (RFC 8441; a [`hyper::ext::Protocol`] among the extensions) asks for an upgrade, which is spoken as
    /// the upstream does. Its answer is 200 if it was granted, and `hyper::upgrade::on` then gives the connection.
    ///
    /// # Errors
    /// Why there is no answer: [`Code::UpstreamUnreachable`], [`Code::UpstreamTls`] or [`Code::UpstreamTimeout`].
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Answer>, Error> {
        let (mut head, body) = request.into_parts();
        headers::strip_hop_by_hop(&mut head.headers);
        let outgoing = Outgoing::new(&mut head)?;
        let (upload, progress) = Upload::new(body);
        let mut request = Request::from_parts(head, upload);
        let mut kept = self.pool.take();
        loop {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let spare = spare(&connection, &request);
            outgoing.fit(&mut request, &self.address, connection.is_http2())?;
            let unsent = match self.in_time(connection.send(request), &progress).await? {
                Ok(response) => {
                    let (head, body) = outgoing.answer(response)?.into_parts();
                    return Ok(Response::from_parts(head, Answer::new(body, connection, progress)));
                }
                Err(unsent) => unsent,
            };
            request = match (unsent.request, spare) {
                // It was never written: a connection that had been kept was closed meanwhile.
                (Some(request), _) if connection.is_kept() => request,
                (_, Some(spare)) if unsent.closed => spare,
                _ => return Err(self.unreachable(&format!("gave no answer: {}", unsent.why))),
            };
        }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        match timeout(self.options.connect, self.dial()).await {
            Ok(sender) => Ok(self.pool.fresh(sender?)),
            Err(_) => Err(self.late("take a connection", self.options.connect)),
        }
    }

    /// Waits for `sent`; the clock runs from the last byte of the request that went out.
    async fn in_time<F: Future>(&self, sent: F, progress: &Progress) -> Result<F::Output, Error> {
        let limit = self.options.answer;
        tokio::pin!(sent);
        loop {
            let silent = progress.silence();
            if silent >= limit {
                return Err(self.late("answer", limit));
            }
            if let Ok(output) = timeout(limit - silent, &mut sent).await {
                return Ok(output);
            }
        }
    }

    fn unreachable(&self, why: &str) -> Error {
        Error::new(Code::UpstreamUnreachable, Side::Upstream, format!("the upstream {} {why}", self.address))
            .hint("is the application running, and is this its address?")
    }

    fn late(&self, what: &str, limit: Duration) -> Error {
        let seconds = limit.as_secs_f32();
        let what = format!("the upstream {} did not {what} within {seconds} s", self.address);
        Error::new(Code::UpstreamTimeout, Side::Upstream, what)
            .hint("is the application overloaded or stuck?")
    }
}

/// A copy, to be sent again if a connection that was kept turns out to be closed (RFC 9110 §9.2.2).
fn spare(connection: &Connection, request: &Request<Upload>) -> Option<Request<Upload>> {
    let again = connection.is_kept() && request.method().is_idempotent() && request.body().is_end_stream();
    again.then(|| {
        let mut copy = Request::new(Upload::none());
        *copy.method_mut() = request.method().clone();
        *copy.headers_mut() = request.headers().clone();
        copy
    })
}
