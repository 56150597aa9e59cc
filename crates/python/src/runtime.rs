//! The runtimes: one that moves bytes, and one for the admin port and for asking Python, so that neither waits
//! for the other.

use std::{num::NonZeroUsize, time::Duration};

use penstock_domain::{Code, Error, Side};
use pyo3::PyErr;
use tokio::runtime::{Builder, Runtime};

use crate::error::raise;

/// A runtime that carries many peers' bytes: a thread per core, and at least two, for one may be held up by a slow
/// disk.
pub(crate) fn data() -> Result<Runtime, PyErr> {
    threads(cores().max(2))
}

/// A runtime at one end of a few links: fewer threads wake each other less, and each wake-up then finds more to do.
pub(crate) fn end() -> Result<Runtime, PyErr> {
    threads(cores() / 2)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, NonZeroUsize::get)
}

fn threads(count: usize) -> Result<Runtime, PyErr> {
    let mut builder = Builder::new_multi_thread();
    built(builder.worker_threads(count.max(1)).thread_name("penstock-data").enable_all().build())
}

/// A runtime with one thread.
pub(crate) fn admin() -> Result<Runtime, PyErr> {
    built(Builder::new_multi_thread().worker_threads(1).thread_name("penstock-admin").enable_all().build())
}

fn built(runtime: std::io::Result<Runtime>) -> Result<Runtime, PyErr> {
    runtime.map_err(|error| {
        raise(&Error::new(Code::Internal, Side::Gateway, format!("threads cannot be started: {error}")))
    })
}

/// Seconds from Python, where nonsense means none.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
