//! Between the queue and the application: makes a task of each request.

use std::sync::Arc;

use http::{Method, StatusCode};
use penstock_domain::{Code, Error, Side};
use penstock_link::Protocol;
use pyo3::{
    Bound, IntoPyObject as _, Py, PyAny, PyResult, Python,
    exceptions::PyException,
    intern,
    types::{IntoPyDict as _, PyAnyMethods as _, PyDict, PyDictMethods as _, PyIterator},
};

use super::{
    awaitable::Done,
    exchange::{AsgiExchange, Callables, Exchange},
    http::{Http, answer},
    log::Log,
    queue::{Arrived, Bell, Item, Queue},
    run::{Job, RAISED, Run},
    scope::{Scopes, versions},
    websocket::Websocket,
    work::Work,
};

/// An application and its loop.
pub(super) struct Bridge {
    application: Py<PyAny>,
    create_task: Py<PyAny>,
    state: Py<PyDict>,
    done: Py<Done>,
    scopes: Scopes,
    log: Log,
    queue: Arc<Queue>,
    work: Arc<Work>,
    message_bytes: usize,
}

impl Bridge {
    pub(super) fn new(
        application: Py<PyAny>,
        event_loop: &Bound<'_, PyAny>,
        root_path: String,
        message_bytes: usize,
        queue: Arc<Queue>,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        Ok(Self {
            application,
            create_task: create_task(event_loop)?.unbind(),
            state: PyDict::new(py).unbind(),
            done: Py::new(py, Done)?,
            scopes: Scopes::new(py, root_path)?,
            log: Log::new(py)?,
            work: Arc::new(Work::new(Bell::new(&queue))),
            queue,
            message_bytes,
        })
    }

    pub(super) const fn log(&self) -> &Log {
        &self.log
    }

    pub(super) const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(super) const fn state(&self) -> &Py<PyDict> {
        &self.state
    }

    pub(super) const fn work(&self) -> &Arc<Work> {
        &self.work
    }

    /// Does all that has come. What stops more than one request, such as `KeyboardInterrupt`, is raised at the
    /// end.
    pub(super) fn drain(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let mut stop = Ok(());
        for item in self.queue.take()? {
            let done = match item {
                Item::Rung(bell) => bell.answer(py),
                Item::Request(arrived) => self.begin(py, *arrived),
            };
            match done {
                Ok(()) => {}
                Err(error) if error.is_instance_of::<PyException>(py) => {
                    self.log.error(py, "A request was lost", None, Some(&error));
                }
                Err(error) => stop = Err(error),
            }
        }
        stop
    }

    /// Makes a task of an application's call; none if the call itself raised.
    pub(super) fn launch(
        self: &Arc<Self>,
        callables: Arc<dyn Callables>,
        scope: &Bound<'_, PyDict>,
        job: Option<Job>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let py = scope.py();
        scope.set_item(intern!(py, "asgi"), versions(py)?)?;
        match self.call(&callables, scope) {
            Ok(coroutine) => {
                let run = Run::new(coroutine.unbind(), callables, Arc::clone(self), job);
                Ok(Some(self.create_task.bind(py).call1((run,))?.unbind()))
            }
            Err(error) => {
                if callables.raised(py, &error) {
                    self.log.error(py, RAISED, job, Some(&error));
                }
                Ok(None)
            }
        }
    }

    fn call<'py>(
        &self,
        callables: &Arc<dyn Callables>,
        scope: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyIterator>> {
        let py = scope.py();
        let exchange = AsgiExchange::new(Arc::clone(callables), self.done.clone_ref(py));
        let exchange = exchange.into_pyobject(py)?;
        let receive = exchange.getattr(intern!(py, "receive"))?;
        let send = exchange.getattr(intern!(py, "send"))?;
        let coroutine = self.application.bind(py).call1((scope, receive, send))?;
        Ok(coroutine.call_method0(intern!(py, "__await__"))?.cast_into()?)
    }

    fn begin(self: &Arc<Self>, py: Python<'_>, arrived: Arrived) -> PyResult<()> {
        let Arrived { incoming, runtime } = arrived;
        if incoming.open.is_some() {
            incoming.refuse(&Error::new(Code::Malformed, Side::Client, "this worker opens no tunnels"));
            return Ok(());
        }
        let (request, respond) = incoming.exchange();
        let (parts, body) = request.into_parts();
        let (stream, bell) = (respond.stream_id(), Bell::new(&self.queue));
        let (scope, callables): (_, Arc<dyn Callables>) = if parts.method == Method::CONNECT {
            if parts.extensions.get().map(Protocol::as_str) != Some("websocket") {
                answer(respond, StatusCode::NOT_IMPLEMENTED);
                return Ok(());
            }
            let websocket = Websocket::new(body, respond, self.message_bytes, runtime);
            (self.scopes.websocket(py, &parts)?, Exchange::new(websocket, bell))
        } else {
            let http = Http::new(parts.method == Method::HEAD, body, respond);
            (self.scopes.http(py, &parts)?, Exchange::new(http, bell))
        };
        scope.set_item(intern!(py, "state"), self.state.bind(py).copy()?)?;
        let ticket = self.work.begin(Arc::clone(&callables));
        match self.launch(callables, &scope, Some(Job { ticket, stream })) {
            Ok(Some(task)) => self.work.hold(ticket, task),
            Ok(None) => self.work.end(ticket),
            Err(error) => {
                self.work.end(ticket);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// What makes tasks: since Python 3.12 one that runs them to their first wait at once, unless the loop has a way
/// of its own.
fn create_task<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = event_loop.py();
    if py.version_info() < (3, 12) || !event_loop.call_method0("get_task_factory")?.is_none() {
        return event_loop.getattr("create_task");
    }
    let task = py.import("asyncio")?.getattr("Task")?;
    let options = [("loop", event_loop), ("eager_start", &true.into_pyobject(py)?.to_owned().into_any())];
    py.import("functools")?.call_method("partial", (task,), Some(&options.into_py_dict(py)?))
}
