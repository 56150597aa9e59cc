//! The dialling side of carrier `grpc`.

use std::{io, time::Duration};

use http::Uri;
use hyper_util::rt::TokioIo;
use penstock_domain::{Code, Error, Problem, Side};
use tokio::{net::TcpStream, time::timeout};
use tonic::{Request, Status, transport::Channel};

use super::{
    Identity, MESSAGE_BYTES, PROBLEM_HEADER, PacketStream, Purpose, genuine::Genuine, packets::Outbound,
    protobuf::transport_client,
};
use crate::{Endpoint, FRAME_BYTES, carrier::Duplex, forward_proxy::ForwardProxy, tls};

/// Credit of the outer stream and connection, in bytes. It has one stream, so both are the same; the inner
/// connection does the limiting.
const OUTER_WINDOW: u32 = 4 * 1024 * 1024;

/// How long TCP, TLS, HTTP/2 and the gateway's answer may take together.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Dials one gateway as one peer.
#[derive(Clone, Debug)]
pub struct Dialler {
    endpoint: Endpoint,
    identity: Identity,
    tls: Option<tls::Connector>,
    proxy: Option<ForwardProxy>,
    purpose: Purpose,
}

/// An accepted call.
#[derive(Debug)]
pub struct Dialled {
    /// The link's bytes.
    pub bytes: PacketStream,
    /// The outer connection lives as long as this.
    pub channel: Channel,
}

impl Dialler {
    /// A dialler; `tls` is needed where the endpoint speaks TLS.
    #[must_use]
    pub const fn new(endpoint: Endpoint, identity: Identity, tls: Option<tls::Connector>) -> Self {
        Self { endpoint, identity, tls, proxy: None, purpose: Purpose::Link }
    }

    /// Through a forward proxy, if there is one.
    #[must_use]
    pub(crate) fn through(self, proxy: Option<ForwardProxy>) -> Self {
        Self { proxy, ..self }
    }

    /// The same for another purpose than a link.
    #[must_use]
    pub fn for_purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// Dials and waits until the gateway has accepted.
    ///
    /// # Errors
    /// The gateway's refusal, or what kept it from being reached, with a hint.
    pub async fn dial(&self) -> Result<Dialled, Error> {
        match timeout(TIMEOUT, self.connect()).await {
            Ok(result) => result,
            Err(_) => Err(self
                .unreachable(format!("did not answer within {} s", TIMEOUT.as_secs()))
                .hint("a proxy in between may not forward HTTP/2 or gRPC")),
        }
    }

    async fn connect(&self) -> Result<Dialled, Error> {
        let channel = self.channel().await?;
        let outbound = Outbound::new();
        let joiner = outbound.joiner();
        let mut request = Request::new(outbound);
        if !self.identity.write(request.metadata_mut()) {
            return Err(Error::new(
                Code::Malformed,
                Side::Client,
                "the key or token has characters that none has",
            )
            .hint("copy it again, whole and without line breaks"));
        }
        self.purpose.write(request.metadata_mut());
        let checked = Genuine::new(channel.clone(), self.endpoint.authority());
        let response = transport_client::TransportClient::new(checked)
            .max_decoding_message_size(MESSAGE_BYTES)
            .connect(request)
            .await
            .map_err(|status| self.refused(&status))?;
        Ok(Dialled { bytes: joiner.join(response.into_inner()), channel })
    }

    async fn channel(&self) -> Result<Channel, Error> {
        let (endpoint, tls, proxy) = (self.endpoint.clone(), self.tls.clone(), self.proxy.clone());
        let scheme = if endpoint.tls { "https" } else { "http" };
        let failure: std::sync::Arc<std::sync::Mutex<Option<Error>>> = std::sync::Arc::default();
        let noted = std::sync::Arc::clone(&failure);
        let connector = tower::service_fn(move |_: Uri| {
            let (endpoint, tls, proxy, noted) = (endpoint.clone(), tls.clone(), proxy.clone(), noted.clone());
            async move {
                open(&endpoint, tls.as_ref(), proxy.as_ref()).await.map(TokioIo::new).map_err(|error| {
                    // tonic wraps errors of connectors beyond recognition; ours is kept beside.
                    *noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error.clone());
                    io::Error::other(error)
                })
            }
        });
        tonic::transport::Endpoint::from_shared(format!("{scheme}://{}", self.endpoint.authority()))
            .map_err(|error| self.unreachable(error.to_string()))?
            .initial_stream_window_size(OUTER_WINDOW)
            .initial_connection_window_size(OUTER_WINDOW)
            .max_frame_size(FRAME_BYTES)
            .connect_with_connector(connector)
            .await
            .map_err(|error| {
                let noted = failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
                noted.unwrap_or_else(|| self.unreachable(root_cause(&error)))
            })
    }

    fn unreachable(&self, why: String) -> Error {
        Error::new(Code::Lost, Side::Gateway, format!("the gateway at {} {why}", self.endpoint.authority()))
    }

    fn refused(&self, status: &Status) -> Error {
        let problem = status.metadata().get_bin(PROBLEM_HEADER).and_then(|value| value.to_bytes().ok());
        match problem.and_then(|problem| serde_json::from_slice::<Problem>(&problem).ok()) {
            Some(problem) => problem.into(),
            None => self.unreachable(format!("answered {:?}: {}", status.code(), status.message())).hint(
                "check that the address is the gateway's gRPC port and that proxies forward gRPC to it",
            ),
        }
    }
}

/// Opens TCP, through a forward proxy if there is one, and, where the endpoint speaks it, TLS.
async fn open(
    endpoint: &Endpoint,
    tls: Option<&tls::Connector>,
    proxy: Option<&ForwardProxy>,
) -> Result<Box<dyn Duplex>, Error> {
    let io = match proxy {
        Some(proxy) => proxy.connect(endpoint).await?,
        None => tls::MaybeTls::Plain(straight(endpoint).await?),
    };
    match tls {
        Some(connector) if endpoint.tls => {
            connector.connect(&endpoint.host, io).await.map(|tls| Box::new(tls) as Box<dyn Duplex>)
        }
        _ if endpoint.tls => Err(Error::new(Code::Internal, Side::Client, "TLS without a configuration")),
        _ => Ok(Box::new(io)),
    }
}

async fn straight(endpoint: &Endpoint) -> Result<TcpStream, Error> {
    let authority = endpoint.authority();
    let tcp = TcpStream::connect(&authority).await.map_err(|error| {
        Error::new(Code::Lost, Side::Gateway, format!("cannot reach the gateway at {authority}: {error}"))
            .hint("is the gateway running there, and is its port open from here?")
    })?;
    tcp.set_nodelay(true).map_err(|error| Error::new(Code::Internal, Side::Client, error.to_string()))?;
    Ok(tcp)
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("could not be used: {cause}")
}
