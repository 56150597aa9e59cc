//! The accepting side of carrier `grpc`.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt as _};
use penstock_domain::{Code, Credential, Error, Side};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataValue};

use super::{
    Identity, MESSAGE_BYTES, PROBLEM_HEADER, PacketStream, Purpose,
    packets::Outbound,
    protobuf::{
        Packet,
        transport_server::{Transport, TransportServer},
    },
};

/// A call that wants to become a link, or to probe.
#[derive(Debug)]
pub struct Call {
    /// What the peer showed.
    pub credential: Credential,
    /// The peer's address, as the listener put it into the request's extensions.
    pub peer: String,
    /// What it is for.
    pub purpose: Purpose,
}

/// Who decides about calls and takes the links.
#[tonic::async_trait]
pub trait Accept: Send + Sync + 'static {
    /// What an accepted call is known by.
    type Peer: Send;

    /// Accepts or refuses a call.
    async fn authenticate(&self, call: Call) -> Result<Self::Peer, Error>;

    /// Takes the link's bytes; returns at once.
    fn link(&self, peer: Self::Peer, bytes: PacketStream);
}

/// The gRPC service, as a tower service.
pub type Server<A> = TransportServer<Service<A>>;

/// Makes the service. The listener puts the peer's address, a `String`, into each request's extensions.
pub fn service<A: Accept>(accept: Arc<A>) -> Server<A> {
    TransportServer::new(Service(accept)).max_decoding_message_size(MESSAGE_BYTES)
}

/// Adapts an [`Accept`] to the generated trait.
#[derive(Debug)]
pub struct Service<A>(Arc<A>);

#[tonic::async_trait]
impl<A: Accept> Transport for Service<A> {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<Packet, Status>> + Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let peer = request.extensions().get::<String>().cloned().unwrap_or_default();
        let credential = Identity::read(request.metadata()).ok_or_else(|| status(&anonymous()))?;
        let purpose = Purpose::read(request.metadata()).ok_or_else(|| status(&purposeless()))?;
        let peer =
            self.0.authenticate(Call { credential, peer, purpose }).await.map_err(|error| status(&error))?;
        let outbound = Outbound::new();
        self.0.link(peer, outbound.joiner().join(request.into_inner()));
        Ok(Response::new(Box::pin(outbound.map(Ok))))
    }
}

/// The answer to a call that cannot be served, as the service itself gives it.
pub fn refusal<B: Default>(error: &Error) -> http::Response<B> {
    status(error).into_http()
}

fn anonymous() -> Error {
    Error::new(Code::Unauthenticated, Side::Client, "the call carries no credential")
        .hint("agents send the key in PENSTOCK_KEY, clients the token of `penstock login`")
}

fn purposeless() -> Error {
    Error::new(Code::Malformed, Side::Client, "the call is for something that is not known here")
        .hint("the caller may be newer than this gateway: upgrade the gateway")
}

/// An error as a call's status, with its problem document beside.
pub(super) fn status(error: &Error) -> Status {
    let code = match error.code {
        Code::Unauthenticated => tonic::Code::Unauthenticated,
        Code::Forbidden | Code::TargetDenied | Code::Killed | Code::Expired => tonic::Code::PermissionDenied,
        Code::NotFound => tonic::Code::NotFound,
        Code::Conflict => tonic::Code::AlreadyExists,
        Code::Limited => tonic::Code::ResourceExhausted,
        Code::Malformed => tonic::Code::InvalidArgument,
        Code::Internal => tonic::Code::Internal,
        Code::UpstreamTimeout => tonic::Code::DeadlineExceeded,
        Code::AgentOffline
        | Code::Draining
        | Code::Lost
        | Code::Recorder
        | Code::UpstreamLogin
        | Code::UpstreamTls
        | Code::UpstreamUnreachable => tonic::Code::Unavailable,
    };
    let mut status = Status::new(code, error.message.clone());
    if let Ok(problem) = serde_json::to_vec(&error.problem()) {
        status.metadata_mut().insert_bin(PROBLEM_HEADER, MetadataValue::from_bytes(&problem));
    }
    status
}
