//! A worker and a scripted proxy, over mutual TLS on loopback, in both flavours.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail loudly"
)]

mod admin;
mod application;
mod endings;
mod exchanges;
mod limits;
mod proxy;
mod server;
mod strangers;
mod upstreams;
mod wire;
