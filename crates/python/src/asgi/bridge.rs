//! Between the queue and the application: makes a task of each request, and knows which are at work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::Method;
use penstock_domain::{Code, Error, Side};
use penstock_link::Incoming;
use pyo3::{
    Bound, IntoPyObject as _, Py, PyAny, PyResult, Python, intern,
    types::{PyAnyMethods as _, PyDict, PyDictMethods as _, PyIterator},
};

use super::{
    awaitable::Done,
    exchange::{Exchange, HttpExchange},
    log::Log,
    queue::{Bell, Item, Queue},
    run::{Conversation, Run},
    scope::{Scopes, versions},
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
}

#[derive(Default)]
struct Work {
    last: u64,
    running: HashMap<u64, Running>,
}

struct Running {
    task: Py<PyAny>,
    conversation: Arc<dyn Conversation>,
}

impl Bridge {
    pub(super) fn new(
        application: Py<PyAny>,
        event_loop: &Bound<'_, PyAny>,
        root_path: String,
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
        })
    }

    pub(super) const fn log(&self) -> &Log {
        &self.log
    }

    pub(super) const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(super) fn done(&self, py: Python<'_>) -> Py<Done> {
        self.done.clone_ref(py)
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
                Item::Request(incoming) => self.begin(py, *incoming),
            };
            if let Err(error) = done {
                self.log.error_at_large(py, "a request was lost", Some(&error));
            }
        }
        Ok(())
    }

    /// Tells all who are at work that their callers have gone.
    pub(super) fn disconnect(&self) {
        let all: Vec<_> =
            self.work().running.values().map(|running| Arc::clone(&running.conversation)).collect();
        for conversation in all {
            conversation.disconnect();
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

    /// Makes a task of an application's call; none if the call itself raised. Its end is reported by its ticket.
    pub(super) fn launch<'py>(
        self: &Arc<Self>,
        conversation: Arc<dyn Conversation>,
        scope: &Bound<'py, PyDict>,
        callables: &Bound<'py, PyAny>,
        ticket: Option<u64>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let py = scope.py();
        scope.set_item(intern!(py, "asgi"), versions(py)?)?;
        match self.call(scope, callables) {
            Ok(coroutine) => {
                let run = Run::new(coroutine.unbind(), conversation, Arc::clone(self), ticket);
                Ok(Some(self.create_task.bind(py).call1((run,))?.unbind()))
            }
            Err(error) => {
                conversation.raised(py, &self.log, &error);
                Ok(None)
            }
        }
    }

    /// Makes work of an application's call.
    fn work_on<'py>(
        self: &Arc<Self>,
        conversation: Arc<dyn Conversation>,
        scope: &Bound<'py, PyDict>,
        callables: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let py = scope.py();
        scope.set_item(intern!(py, "state"), self.state.bind(py).copy()?)?;
        let ticket = {
            let mut work = self.work();
            work.last += 1;
            work.last
        };
        let task = self.launch(Arc::clone(&conversation), scope, callables, Some(ticket))?;
        if let Some(task) = task {
            self.work().running.insert(ticket, Running { task, conversation });
        }
        Ok(())
    }

    fn call<'py>(
        &self,
        scope: &Bound<'py, PyDict>,
        callables: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyIterator>> {
        let py = scope.py();
        let receive = callables.getattr(intern!(py, "receive"))?;
        let send = callables.getattr(intern!(py, "send"))?;
        let coroutine = self.application.bind(py).call1((scope, receive, send))?;
        Ok(coroutine.call_method0(intern!(py, "__await__"))?.cast_into()?)
    }

    fn begin(self: &Arc<Self>, py: Python<'_>, incoming: Incoming) -> PyResult<()> {
        if incoming.open.is_some() {
            incoming.refuse(&Error::new(Code::Malformed, Side::Client, "this worker opens no tunnels"));
            return Ok(());
        }
        let (request, respond) = incoming.exchange();
        let (parts, body) = request.into_parts();
        let scope = self.scopes.http(py, &parts)?;
        let head_only = parts.method == Method::HEAD;
        let exchange = Exchange::new(head_only, body, respond, Bell::new(&self.queue));
        let callables = HttpExchange::new(Arc::clone(&exchange), self.done(py));
        self.work_on(exchange, &scope, &callables.into_pyobject(py)?.into_any())
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
