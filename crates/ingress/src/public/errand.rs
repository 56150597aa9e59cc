//! A request on its way through attempts: what it needs of a worker, and whether there may be one more.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use http::{HeaderValue, Method, Request, header, request::Parts, uri::Authority};
use penstock_domain::{Code, Error, Side};
use penstock_http::Peer;
use penstock_link::Failure;
use tokio::time::timeout;

use super::{attempt::Fault, head};
use crate::{
    Group,
    group::{Serving, Wish},
    ingress::Inner,
    selector::Affinity,
    worker::Lease,
};

/// Links that may turn out to take no more requests, before it is given up.
const UNSENT: u32 = 64;

/// A request that looks for an answer.
pub(super) struct Errand {
    pub inner: Arc<Inner>,
    group: Arc<Group>,
    serving: Arc<Serving>,
    head: Parts,
    affinity: Affinity,
    tls: bool,
    upgrade: bool,
    avoid: Vec<u64>,
    unsent: u32,
    retries: u32,
}

impl Errand {
    /// `upgrade`: the link has to take extended CONNECT.
    pub(super) fn new(
        inner: &Arc<Inner>,
        group: &Arc<Group>,
        peer: &Peer,
        authority: Option<Authority>,
        mut head: Parts,
        upgrade: bool,
    ) -> Self {
        let serving = group.serving();
        let affinity = serving.selector.affinity(&head);
        head::prepare(&mut head, peer, authority);
        Self {
            inner: Arc::clone(inner),
            group: Arc::clone(group),
            serving,
            head,
            affinity,
            tls: peer.tls,
            upgrade,
            avoid: Vec::new(),
            unsent: 0,
            retries: 0,
        }
    }

    /// The head as it goes out, once more for each attempt.
    pub(super) fn request(&self) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.head.uri.clone();
        *request.headers_mut() = self.head.headers.clone();
        request
    }

    /// Makes it a CONNECT, as upgrades go over links.
    pub(super) fn connect(&mut self) {
        self.head.method = Method::CONNECT;
        self.head.headers.remove(header::SEC_WEBSOCKET_KEY);
    }

    /// How long a worker may take for the head of its answer.
    pub(super) fn patience(&self) -> Duration {
        self.serving.head.unwrap_or_else(|| self.inner.settings.head())
    }

    /// The cookie that keeps the caller with its worker, if it has none yet.
    pub(super) fn cookie(&self) -> Option<HeaderValue> {
        self.affinity.cookie(self.tls)
    }

    /// A place on a worker's link. Where there is none, it waits for a moment: workers redial.
    pub(super) async fn lease(&self) -> Result<Lease, Error> {
        let select = self.inner.select.as_deref();
        let wish =
            Wish { head: &self.head, affinity: &self.affinity, avoid: &self.avoid, upgrade: self.upgrade };
        if let Some(lease) = self.group.lease(&self.serving, select, &wish).await {
            return Ok(lease);
        }
        let _place = Place::take(&self.inner).ok_or_else(no_worker)?;
        self.group.metrics.waits.inc();
        let waiting = self.group.wait(&self.serving, select, &wish);
        timeout(self.inner.settings.wait(), waiting).await.map_err(|_| no_worker())
    }

    /// After a fault: whether there may be another attempt. `whole` says whether the request can be sent whole once
    /// more.
    ///
    /// # Errors
    /// Why there is no other, for the caller.
    pub(super) fn again(&mut self, lease: &Lease, fault: Fault, whole: bool) -> Result<(), Error> {
        match fault {
            Fault::Unsent(why) => {
                lease.link.retire();
                self.unsent += 1;
                if self.unsent < UNSENT && whole { Ok(()) } else { Err(lost(&why)) }
            }
            Fault::Failed(Failure { unprocessed, lost: link_lost, why }) => {
                let safe = unprocessed || (link_lost && self.is_idempotent());
                let more = whole && safe && self.retries < self.inner.settings.retries;
                if !more || !self.inner.budget.withdraw() {
                    return Err(lost(&why));
                }
                self.retries += 1;
                self.avoid.push(lease.worker.number);
                self.group.metrics.retries.inc();
                Ok(())
            }
            Fault::Late => Err(late(self.patience())),
            Fault::Starved => Err(starved(self.patience())),
            Fault::Caller(error) => Err(super::malformed(&format!("its body was cut: {error}"))),
        }
    }

    /// RFC 9110 §9.2.2.
    fn is_idempotent(&self) -> bool {
        let method = &self.head.method;
        method.is_idempotent() && *method != Method::CONNECT
    }
}

/// One of the places for requests that wait.
struct Place<'a>(&'a Inner);

impl<'a> Place<'a> {
    fn take(inner: &'a Inner) -> Option<Self> {
        let more = |waiting: usize| (waiting < inner.settings.waiting).then_some(waiting + 1);
        inner.waiting.fetch_update(Relaxed, Relaxed, more).ok().map(|_| Self(inner))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

fn no_worker() -> Error {
    Error::new(Code::AgentOffline, Side::Agent, "no worker serves this at the moment").hint(
        "try again in a few seconds; whoever runs the service starts a worker with `penstock start worker`",
    )
}

fn lost(why: &str) -> Error {
    tracing::debug!(target: "penstock::ingress", why, "no answer");
    Error::new(Code::Lost, Side::Agent, "the worker was lost before it answered")
        .hint("whether it has acted on the request is not known; the request is not safe to repeat by itself")
}

fn late(patience: Duration) -> Error {
    let what = format!("the worker did not begin its answer within {} s", patience.as_secs());
    Error::new(Code::UpstreamTimeout, Side::Upstream, what)
}

fn starved(patience: Duration) -> Error {
    let what = format!("nothing of the request's body came for {} s", patience.as_secs());
    Error::new(Code::Expired, Side::Client, what)
}
