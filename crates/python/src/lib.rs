//! `penstock._core`: the native module. `penstock.engine` is its only importer.

mod agent;
mod asgi;
mod client;
mod decider;
mod egress;
mod error;
mod forward_proxy;
mod gateway;
mod logging;
mod probe;
mod proxy;
mod recording;
mod runtime;
mod worker;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The module's table of contents.
#[pyo3::pymodule(gil_used = true)]
mod _core {
    #[pymodule_export]
    use crate::{
        agent::Agent,
        asgi::AsgiApp,
        client::Client,
        decider::Reply,
        egress::Egress,
        error::CoreError,
        forward_proxy::is_proxied,
        gateway::Gateway,
        logging::init_logging,
        probe::Probe,
        proxy::{Choice, Exchange, Mount, Proxy, Websocket},
        recording::{
            Replay, compress_recording, read_recording, recording_heads, summarise_recording,
            verify_recording,
        },
        worker::Worker,
    };
}
