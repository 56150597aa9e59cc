//! The runtimes: one that moves bytes, and one for the admin port and for asking Python, so that neither waits
//! for the other.

use std::{future::Future, num::NonZeroUsize, time::Duration};

use penstock_domain::{Code, Error, Side};
use penstock_http::Lanes;
use pyo3::PyErr;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::raise;

/// Runtimes that carry many peers' bytes: one of one thread per core, and at least two, for one may be held up by a
/// slow disk.
pub(crate) struct Data {
    first: Runtime,
    others: Vec<Runtime>,
}

impl Data {
    pub(crate) fn start() -> Result<Self, PyErr> {
        let others = (1..cores().max(2)).map(|_| threads(1)).collect::<Result<_, _>>()?;
        Ok(Self { first: threads(1)?, others })
    }

    /// Where connections run.
    pub(crate) fn lanes(&self) -> Lanes {
        Lanes::new(self.handle().clone(), self.others.iter().map(|other| other.handle().clone()))
    }

    /// Where what belongs to no connection runs.
    pub(crate) fn handle(&self) -> &Handle {
        self.first.handle()
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.first.block_on(future)
    }
}

/// A runtime for one who serves what comes over a few links: its threads, one per core, take each other's work.
pub(crate) fn served() -> Result<Runtime, PyErr> {
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
