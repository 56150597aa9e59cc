//! Between the queue and the application: makes a task of each request, and knows which are at work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Method, StatusCode};
use penstock_domain::{Code, Error, Side};
use penstock_link::Protocol;
use pyo3::{
    Bound, IntoPyObject as _, Py, PyAny, PyResult, Python, intern,
    types::{PyAnyMethods as _, PyDict, PyDictMethods as _, PyIterator},
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
};

/// An application, its loop, and what it is doing.
pub(super) struct Bridge {
    application: Py<PyAny>,
    create_task: Py<PyAny>,
    state: Py<PyDict>,
    done: Py<Done>,
    scopes: Scopes,
    log: Log,
    queue: Arc<Queue>,
    work: Mutex<Work>,
    idle: Arc<Bell>,
    message_bytes: usize,
}

#[derive(Default)]
struct Work {
    last: u64,
    running: HashMap<u64, Running>,
}

struct Running {
    task: Py<PyAny>,
    callables: Arc<dyn Callables>,
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
            create_task: event_loop.getattr("create_task")?.unbind(),
            state: PyDict::new(py).unbind(),
            done: Py::new(py, Done)?,
            scopes: Scopes::new(py, root_path)?,
            log: Log::new(py)?,
            idle: Bell::new(&queue),
            queue,
            work: Mutex::default(),
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

    /// Rung when no request is at work any more.
    pub(super) const fn idle(&self) -> &Arc<Bell> {
        &self.idle
    }

    pub(super) fn is_idle(&self) -> bool {
        self.work().running.is_empty()
    }

    /// Does all that has come.
    pub(super) fn drain(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        for item in self.queue.take()? {
            let done = match item {
                Item::Rung(bell) => bell.answer(py),
                Item::Request(arrived) => self.begin(py, *arrived),
            };
            if let Err(error) = done {
                self.log.error(py, "A request was lost", None, Some(&error));
            }
        }
        Ok(())
    }

    /// Tells all who are at work that their callers have gone.
    pub(super) fn disconnect(&self) {
        let all: Vec<_> =
            self.work().running.values().map(|running| Arc::clone(&running.callables)).collect();
        for callables in all {
            callables.leave();
        }
    }

    /// Cancels the tasks of all who are at work.
    pub(super) fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        let all: Vec<_> = self.work().running.values().map(|running| running.task.clone_ref(py)).collect();
        all.iter().try_for_each(|task| task.call_method0(py, intern!(py, "cancel")).map(drop))
    }

    /// A request is through.
    pub(super) fn ended(&self, ticket: u64) {
        let (ended, idle) = {
            let mut work = self.work();
            (work.running.remove(&ticket), work.running.is_empty())
        };
        drop(ended);
        if idle && self.idle.is_awaited() {
            self.idle.ring();
        }
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
        let job = Job { ticket: self.ticket(), stream };
        if let Some(task) = self.launch(Arc::clone(&callables), &scope, Some(job))? {
            self.work().running.insert(job.ticket, Running { task, callables });
        }
        Ok(())
    }

    fn ticket(&self) -> u64 {
        let mut work = self.work();
        work.last += 1;
        work.last
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
