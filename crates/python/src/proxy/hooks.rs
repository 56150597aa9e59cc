//! Python as the one who hears of workers, and who may choose among them. The interpreter's lock is waited for by a
//! thread of its own, never by one that moves bytes.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::request::Parts;
use penstock_domain::{Code, Error, Side};
use penstock_ingress::{Select, Watch, WorkerState};
use pyo3::{Py, PyAny, PyErr, PyResult, Python, pyclass, pymethods};
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::error::{raise, render};

/// What waits for the interpreter; more is given up.
const QUEUE: usize = 4096;

/// How long a choice may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes one choice, once.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Choice(Mutex<Option<oneshot::Sender<Option<usize>>>>);

#[pymethods]
impl Choice {
    /// Chooses the worker at that place of the list, or none. Later calls change nothing.
    #[pyo3(signature = (place))]
    fn make(&self, place: Option<usize>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // Whoever asked may have stopped waiting.
            let _late = sender.send(place);
        }
    }
}

enum Call {
    Watch(&'static str, String),
    Select(String, Choice),
}

/// Calls Python, in order.
pub(super) struct PythonHooks(mpsc::Sender<Call>);

impl PythonHooks {
    pub(super) fn start(watch: Py<PyAny>, select: Option<Py<PyAny>>) -> Result<Self, PyErr> {
        let (sender, mut calls) = mpsc::channel::<Call>(QUEUE);
        std::thread::Builder::new()
            .name("penstock-hooks".into())
            .spawn(move || {
                while let Some(call) = calls.blocking_recv() {
                    Python::attach(|py| {
                        if let Err(error) = made(py, &watch, select.as_ref(), call) {
                            tracing::error!(target: "penstock::engine", %error, "a hook failed");
                        }
                    });
                }
                Python::attach(|_| drop((watch, select)));
            })
            .map_err(|error| raise(&Error::new(Code::Internal, Side::Gateway, error.to_string())))?;
        Ok(Self(sender))
    }

    fn tell(&self, event: &'static str, worker: &WorkerState) {
        let told = render(worker).ok().map(|worker| self.0.try_send(Call::Watch(event, worker)));
        if !matches!(told, Some(Ok(()))) {
            tracing::error!(target: "penstock::engine", event, worker = worker.name, "nobody could be told");
        }
    }
}

fn made(py: Python<'_>, watch: &Py<PyAny>, select: Option<&Py<PyAny>>, call: Call) -> PyResult<()> {
    match (call, select) {
        (Call::Watch(event, worker), _) => watch.call1(py, (event, worker)).map(drop),
        (Call::Select(request, choice), Some(select)) => select.call1(py, (request, choice)).map(drop),
        // The choice is dropped: there is none.
        (Call::Select(..), None) => Ok(()),
    }
}

impl Watch for PythonHooks {
    fn attached(&self, worker: &WorkerState) {
        self.tell("attached", worker);
    }

    fn detached(&self, worker: &WorkerState) {
        self.tell("detached", worker);
    }
}

#[async_trait::async_trait]
impl Select for PythonHooks {
    async fn select(&self, head: &Parts, workers: &[WorkerState]) -> Option<usize> {
        let request = json!({
            "method": head.method.as_str(),
            "host": head.uri.authority().map(http::uri::Authority::as_str),
            "target": head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str),
            "headers": head.headers.iter()
                .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
                .collect::<Vec<_>>(),
            "workers": workers,
        });
        let (sender, chosen) = oneshot::channel();
        let choice = Choice(Mutex::new(Some(sender)));
        self.0.try_send(Call::Select(request.to_string(), choice)).ok()?;
        if let Ok(chosen) = timeout(PATIENCE, chosen).await {
            return chosen.ok().flatten();
        }
        tracing::error!(target: "penstock::engine", "the selector made no choice in time");
        None
    }
}
