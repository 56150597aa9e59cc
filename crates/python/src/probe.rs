//! The probe, as Python sees it.

use std::time::Duration;

use penstock_domain::{Code, Error, Side};
use penstock_probe::{Carried, Config};
use pyo3::{PyResult, Python, pyclass, pymethods};
use serde::Serialize;
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    error::{parse, raise, render},
    runtime,
};

/// Tells what comes through to a gateway. Every method waits without the interpreter, and not for ever.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Probe {
    probe: penstock_probe::Probe,
    data: Runtime,
}

/// How a question ended that may end early.
#[derive(Serialize)]
struct Outcome {
    seconds: f64,
    sent: u64,
    received: u64,
    error: Option<Error>,
}

#[pymethods]
impl Probe {
    /// A probe by its configuration, in JSON.
    #[new]
    fn new(config: &str) -> PyResult<Self> {
        let config: Config = parse("configuration", config)?;
        let probe = penstock_probe::Probe::new(config).map_err(|error| raise(&error))?;
        Ok(Self { probe, data: runtime::end()? })
    }

    /// What is shown in the TLS handshake, in JSON.
    fn shown(&self, py: Python<'_>, timeout_seconds: f64) -> PyResult<String> {
        render(&self.within(py, timeout_seconds, self.probe.shown())?)
    }

    /// Proves who we are.
    fn authenticate(&self, py: Python<'_>, timeout_seconds: f64) -> PyResult<()> {
        self.within(py, timeout_seconds, self.probe.authenticate())
    }

    /// Seconds that single bytes take there and back.
    fn round_trips(&self, py: Python<'_>, count: usize, timeout_seconds: f64) -> PyResult<Vec<f64>> {
        let times = self.within(py, timeout_seconds, self.probe.round_trips(count))?;
        Ok(times.iter().map(Duration::as_secs_f64).collect())
    }

    /// Sends so many bytes and takes them back; how far they got, in JSON.
    fn message(&self, py: Python<'_>, size: u64, timeout_seconds: f64) -> PyResult<String> {
        let (start, carried) = (std::time::Instant::now(), Carried::default());
        let error = self.outcome(py, timeout_seconds, self.probe.message(size, &carried));
        render(&Outcome {
            seconds: start.elapsed().as_secs_f64(),
            sent: carried.sent(),
            received: carried.received(),
            error,
        })
    }

    /// Holds a silent stream for so many seconds; how that ended, in JSON.
    fn idle(&self, py: Python<'_>, seconds: f64, keepalive: bool, timeout_seconds: f64) -> PyResult<String> {
        let length = runtime::seconds(seconds);
        let start = std::time::Instant::now();
        let held = self.probe.idle(length, keepalive);
        let error = self.outcome(py, timeout_seconds, held);
        render(&Outcome { seconds: start.elapsed().as_secs_f64(), sent: 0, received: 0, error })
    }
}

impl Probe {
    fn within<T: Send>(
        &self,
        py: Python<'_>,
        timeout_seconds: f64,
        question: impl Future<Output = Result<T, Error>> + Send,
    ) -> PyResult<T> {
        self.bounded(py, timeout_seconds, question).map_err(|error| raise(&error))
    }

    fn outcome(
        &self,
        py: Python<'_>,
        timeout_seconds: f64,
        question: impl Future<Output = Result<(), Error>> + Send,
    ) -> Option<Error> {
        self.bounded(py, timeout_seconds, question).err()
    }

    fn bounded<T: Send>(
        &self,
        py: Python<'_>,
        timeout_seconds: f64,
        question: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let limit = runtime::seconds(timeout_seconds);
        py.detach(|| self.data.block_on(async { timeout(limit, question).await })).unwrap_or_else(|_| {
            Err(Error::new(Code::Lost, Side::Gateway, format!("no answer within {timeout_seconds} s")))
        })
    }
}
