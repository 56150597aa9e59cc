//! Gateway, agent and client in one process, over real sockets, with a scripted decider.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests may fail loudly")]

mod egress;
mod tcp;
mod tunnel;
mod world;
