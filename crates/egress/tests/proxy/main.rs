//! The forward proxy with real sockets on loopback.

mod connect;
mod forward;
mod policy;
mod world;
