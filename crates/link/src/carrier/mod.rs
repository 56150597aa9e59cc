//! What a link rides on.

pub mod grpc;
