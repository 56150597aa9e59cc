//! The forward proxy with real sockets on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod callers;
mod connect;
mod forward;
mod many;
mod policy;
mod secure;
mod strain;
mod streams;
mod world;
