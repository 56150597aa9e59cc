//! The proxy with scripted workers, over real sockets and mutual TLS.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may fail loudly"
)]

mod attaching;
mod client;
mod draining;
mod forwarding;
mod gatekeeping;
mod hostile;
mod retrying;
mod selecting;
mod upgrading;
mod worker;
mod world;
