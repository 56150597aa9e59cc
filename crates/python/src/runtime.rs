//! The runtimes: one that moves bytes, and one for the admin port and for asking Python, so that neither waits
//! for the other.

use std::time::Duration;

use penstock_domain::{Code, Error, Side};
use pyo3::PyErr;
use tokio::runtime::{Builder, Runtime};

use crate::error::raise;

/// A runtime with a thread per core, and at least two: one may be held up by a slow disk.
pub(crate) fn data() -> Result<Runtime, PyErr> {
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    built(
        Builder::new_multi_thread().worker_threads(threads).thread_name("penstock-data").enable_all().build(),
    )
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
