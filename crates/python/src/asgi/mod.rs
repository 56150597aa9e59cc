//! ASGI 3 over links: a worker's application, called where its event loop runs.
//!
//! Requests arrive on the core's threads and wait in a [`queue`]; the loop takes them in bursts and makes a task
//! of each. What the application receives and sends goes straight to the request's stream, under the
//! interpreter's lock and without a hop, for as long as the stream has bytes and credit.

mod awaitable;
mod bridge;
mod event;
mod exchange;
mod http;
mod lifespan;
mod log;
mod queue;
mod run;
mod scope;
mod websocket;
mod work;

use std::sync::{Arc, OnceLock};

use penstock_domain::{Code, Error, Side};
use penstock_link::Incoming;
use pyo3::{
    Bound, Py, PyAny, PyResult, Python, pyclass, pymethods,
    types::{PyAnyMethods as _, PyDict, PyDictMethods as _},
};
use tokio::runtime::Handle;

pub(crate) use self::{
    awaitable::{Awaitable, Operation},
    queue::{Bell, Item, Queue},
};
use self::{bridge::Bridge, exchange::Exchange, lifespan::Lifespan, queue::Arrived};
use crate::error::raise;

/// An ASGI application on an event loop. All methods are for the loop's thread.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct AsgiApp {
    bridge: Arc<Bridge>,
    lifespan: Arc<Exchange<Lifespan>>,
    /// Tasks that nobody holds are collected.
    life: OnceLock<Py<PyAny>>,
    event_loop: Py<PyAny>,
}

#[pymethods]
impl AsgiApp {
    /// An application for a loop. `root_path` is where it is mounted, `queued` how many requests may wait for the
    /// loop, `message_bytes` how big a message of a websocket may be.
    #[new]
    #[pyo3(signature = (application, event_loop, *, root_path=String::new(), queued=1024, message_bytes=16 * 1024 * 1024))]
    fn new(
        application: Py<PyAny>,
        event_loop: &Bound<'_, PyAny>,
        root_path: String,
        queued: usize,
        message_bytes: usize,
    ) -> PyResult<Self> {
        let create_future = event_loop.getattr("create_future")?.unbind();
        let queue = Queue::new(queued, create_future).map_err(|error| {
            raise(&Error::new(Code::Internal, Side::Gateway, format!("no pipe for the event loop: {error}")))
        })?;
        let bridge =
            Arc::new(Bridge::new(application, event_loop, root_path, message_bytes, Arc::new(queue))?);
        let lifespan = Exchange::new(Lifespan::default(), Bell::new(bridge.queue()));
        Ok(Self { bridge, lifespan, life: OnceLock::new(), event_loop: event_loop.clone().unbind() })
    }

    /// Begins to listen, and resolves when the application has started; raises if it says that it failed.
    fn startup(this: &Bound<'_, Self>) -> PyResult<Awaitable> {
        let (py, own) = (this.py(), this.get());
        let listening = (own.bridge.queue().descriptor(), this.getattr("drain")?);
        own.event_loop.call_method1(py, "add_reader", listening)?;
        let scope = PyDict::new(py);
        scope.set_item("type", "lifespan")?;
        scope.set_item("state", own.bridge.state())?;
        let life = own.bridge.launch(Arc::clone(&own.lifespan) as _, &scope, None)?;
        if let Some(life) = life {
            let _first = own.life.set(life);
        }
        Ok(own.lifespan.started())
    }

    /// Does what has come from the links. The loop calls it.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        self.bridge.drain(py)
    }

    /// Resolves when no request is at work.
    fn idle(&self) -> Awaitable {
        self.bridge.work().idle()
    }

    /// Tells all requests at work that their callers have gone.
    fn disconnect(&self) {
        self.bridge.work().leave();
    }

    /// Cancels all requests at work.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        self.bridge.work().cancel(py)
    }

    /// Resolves when the application has ended; raises if it says that it failed.
    fn shutdown(&self) -> Awaitable {
        self.lifespan.stopped()
    }

    /// Listens no more. What still comes is refused.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.bridge.queue().close();
        self.event_loop.call_method1(py, "remove_reader", (self.bridge.queue().descriptor(),))?;
        Ok(())
    }
}

impl AsgiApp {
    /// What the worker calls.
    pub(crate) fn served(&self) -> Asgi {
        Asgi(Arc::clone(self.bridge.queue()))
    }
}

/// The application, to the worker.
#[derive(Clone)]
pub(crate) struct Asgi(Arc<Queue>);

impl Asgi {
    /// Takes a request, on any thread. It needs no task of its own from then on.
    pub(crate) fn take(&self, incoming: Incoming) {
        let runtime = Handle::current();
        if let Err(arrived) = self.0.offer(Box::new(Arrived { incoming, runtime })) {
            let error =
                Error::new(Code::Limited, Side::Upstream, "too many requests wait for the application");
            arrived.incoming.refuse(&error.hint("try again, or start more workers"));
        }
    }
}
