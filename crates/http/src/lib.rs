//! HTTP on ports: listeners, limits, who calls, what a proxy must strip, and clients of upstreams.
//!
//! Every port of Penstock that speaks HTTP is a [`Listener`] whose connections a [`Server`] serves with a
//! [`Handler`].

mod acceptor;
pub mod body;
mod caller;
mod connection;
mod forwarded;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod headers;
mod lanes;
mod limits;
mod listener;
mod peer;
mod ports;
pub mod proxy_protocol;
mod server;
mod shape;
pub mod upstream;

pub use acceptor::Acceptor;
pub use body::Body;
pub use connection::Handler;
pub use lanes::Lanes;
pub use limits::Limits;
pub use listener::{Accepting, Listener};
pub use peer::Peer;
pub use ports::Ports;
pub use server::Server;
