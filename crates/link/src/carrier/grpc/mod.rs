//! Carrier `grpc`: the inner connection's bytes are the payload of `/protobuf.Transport/Connect`, so that a link
//! passes through any proxy that speaks gRPC.

mod accept;
mod dial;
mod genuine;
mod identity;
mod packets;
mod purpose;

pub use accept::{Accept, Call, Server, refusal, service};
pub use dial::{Dialled, Dialler};
pub use identity::Identity;
pub use packets::PacketStream;
pub use purpose::Purpose;

use crate::FRAME_BYTES;

/// Generated from `proto/transport.proto`.
#[allow(missing_docs, clippy::all, clippy::too_many_lines)]
mod protobuf {
    tonic::include_proto!("protobuf");
}

/// The longest message that is read.
const MESSAGE_BYTES: usize = 2 * FRAME_BYTES as usize;

/// The header under which a refusal's problem document travels (base64, as `-bin` metadata is).
const PROBLEM_HEADER: &str = "penstock-problem-bin";
