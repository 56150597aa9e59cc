//! One request from its arrival to the last byte of its answer: counted, measured, logged.

use std::{
    future::poll_fn,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Method, StatusCode, request::Parts};
use penstock_domain::{Code, Error, Side};
use penstock_http::Peer;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::passage::{Over, Passage};
use crate::{Group, ingress::Inner};

/// A request that is being served. Dropped, it is over.
pub(crate) struct Flight {
    group: Arc<Group>,
    begun: Instant,
    answered: Option<(StatusCode, Duration)>,
    line: Option<Box<Line>>,
    over: Option<Over>,
    is_over: bool,
    _counted: TaskTrackerToken,
}

/// What the access log says of it. The query may hold secrets and is left out.
struct Line {
    peer: IpAddr,
    user: Option<String>,
    method: Method,
    host: String,
    path: String,
    worker: String,
    sent: u64,
}

impl Flight {
    pub(super) fn begin(inner: &Inner, group: &Arc<Group>, head: &Parts, peer: &Peer) -> Self {
        inner.budget.deposit();
        group.metrics.in_flight.inc();
        let line = inner.settings.access_log.then(|| Line::of(head, peer));
        Self {
            group: Arc::clone(group),
            begun: Instant::now(),
            answered: None,
            line: line.map(Box::new),
            over: None,
            is_over: false,
            _counted: inner.flights.token(),
        }
    }

    /// The caller may pass.
    pub(super) fn admitted(&mut self, passage: Passage) {
        self.over = passage.over;
        if let Some(line) = &mut self.line {
            line.user = passage.user;
        }
    }

    /// Completes when the caller may be here no longer.
    pub(super) async fn over(&mut self) -> Error {
        poll_fn(|cx| self.poll_over(cx)).await;
        Error::new(Code::Expired, Side::Policy, "the login ended while the request was served")
            .hint("log in again")
    }

    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(over) = &mut self.over
            && over.as_mut().poll(cx).is_ready()
        {
            (self.over, self.is_over) = (None, true);
        }
        if self.is_over { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The head of the answer goes out.
    pub(super) fn answered(&mut self, status: StatusCode, worker: Option<&str>) {
        let took = self.begun.elapsed();
        self.group.metrics.answered(status, took);
        self.answered = Some((status, took));
        if let (Some(line), Some(worker)) = (&mut self.line, worker) {
            worker.clone_into(&mut line.worker);
        }
    }

    /// The request is answered with an error of ours.
    pub(super) fn refused(&mut self, error: &Error) {
        self.answered(status(error), None);
    }

    /// Bytes of the answer's body.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some(line) = &mut self.line {
            line.sent += bytes as u64;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.group.metrics.in_flight.dec();
        self.group.released();
        if self.answered.is_none() {
            self.group.metrics.left();
        }
        if let Some(line) = &self.line {
            line.write(self.group.name(), self.answered, self.begun.elapsed());
        }
    }
}

/// The access log's line of a request that no group is asked to serve.
pub(super) fn turned_away(inner: &Inner, head: &Parts, peer: &Peer, error: &Error) {
    if inner.settings.access_log {
        Line::of(head, peer).write("", Some((status(error), Duration::ZERO)), Duration::ZERO);
    }
}

fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl Line {
    fn of(head: &Parts, peer: &Peer) -> Self {
        let host = head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        Self {
            peer: peer.address.ip(),
            user: None,
            method: head.method.clone(),
            host: head.uri.host().or(host).unwrap_or_default().to_owned(),
            path: head.uri.path().to_owned(),
            worker: String::new(),
            sent: 0,
        }
    }

    fn write(&self, group: &str, answered: Option<(StatusCode, Duration)>, took: Duration) {
        let Self { peer, user, method, host, path, worker, sent } = self;
        tracing::info!(
            target: "penstock::access",
            %peer,
            user,
            %method,
            host,
            path,
            // 499 is nginx's word for a caller who has left.
            status = answered.map_or(499, |(status, _)| status.as_u16()),
            group,
            worker,
            sent,
            head_ms = answered.map(|(_, took)| milliseconds(took)),
            took_ms = milliseconds(took),
            "request"
        );
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
