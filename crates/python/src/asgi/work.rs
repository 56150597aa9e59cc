//! Requests at work: who they are, and when there are none.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use pyo3::{Py, PyAny, PyResult, Python, intern};

use super::{
    awaitable::{Awaitable, Operation},
    exchange::Callables,
    queue::Bell,
};

/// All requests at work.
pub(super) struct Work {
    running: Mutex<Running>,
    idle: Arc<Bell>,
}

#[derive(Default)]
struct Running {
    last: u64,
    jobs: HashMap<u64, Job>,
}

struct Job {
    callables: Arc<dyn Callables>,
    /// None until it is made. The loop itself keeps no task alive.
    task: Option<Py<PyAny>>,
}

impl Work {
    /// `idle` rings when nothing is at work any more.
    pub(super) fn new(idle: Arc<Bell>) -> Self {
        Self { running: Mutex::default(), idle }
    }

    /// Begins a job; its ticket.
    pub(super) fn begin(&self, callables: Arc<dyn Callables>) -> u64 {
        let mut running = self.running();
        running.last += 1;
        let ticket = running.last;
        running.jobs.insert(ticket, Job { callables, task: None });
        ticket
    }

    /// Holds a job's task, if the job has not ended meanwhile.
    pub(super) fn hold(&self, ticket: u64, task: Py<PyAny>) {
        if let Some(job) = self.running().jobs.get_mut(&ticket) {
            job.task = Some(task);
        }
    }

    /// A job is through.
    pub(super) fn end(&self, ticket: u64) {
        let (ended, idle) = {
            let mut running = self.running();
            (running.jobs.remove(&ticket), running.jobs.is_empty())
        };
        drop(ended);
        if idle && self.idle.is_awaited() {
            self.idle.ring();
        }
    }

    /// Tells all that their callers have gone.
    pub(super) fn leave(&self) {
        let all: Vec<_> = self.running().jobs.values().map(|job| Arc::clone(&job.callables)).collect();
        for callables in all {
            callables.leave();
        }
    }

    /// Cancels all tasks.
    pub(super) fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        let all: Vec<_> = {
            let running = self.running();
            running.jobs.values().filter_map(|job| job.task.as_ref()).map(|task| task.clone_ref(py)).collect()
        };
        all.iter().try_for_each(|task| task.call_method0(py, intern!(py, "cancel")).map(drop))
    }

    /// Resolves when nothing is at work.
    pub(super) fn idle(self: &Arc<Self>) -> Awaitable {
        Awaitable::new(Idle(Arc::clone(self)), Arc::clone(&self.idle))
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Idle(Arc<Work>);

impl Operation for Idle {
    fn poll(&self, py: Python<'_>, _cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        if self.0.running().jobs.is_empty() { Poll::Ready(Ok(py.None())) } else { Poll::Pending }
    }
}
