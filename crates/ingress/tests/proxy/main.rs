//! The proxy with scripted workers, over real sockets and mutual TLS.

mod client;
mod forwarding;
mod worker;
mod world;
