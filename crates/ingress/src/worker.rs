//! A worker: who it is, and its links.

use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use arc_swap::ArcSwap;
use penstock_link::{Link, tls::Certificate};
use serde::Serialize;

/// How often the streams that a worker admits are looked up again, in requests.
const REFRESH: u64 = 64;

/// A certificate's owner and the links that it dialled.
#[derive(Debug)]
pub struct Worker {
    pub(crate) number: u64,
    pub(crate) certificate: Certificate,
    since: u64,
    links: ArcSwap<Vec<Arc<Attached>>>,
    in_flight: AtomicUsize,
    requests: AtomicU64,
}

/// What is known of a worker at one moment.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct WorkerState {
    /// The first name of its certificate.
    pub name: String,
    /// All subject alternative names, or the common name if there are none.
    pub names: Vec<String>,
    /// The common name of the certificate's subject.
    pub common_name: Option<String>,
    /// SHA-256 of the certificate's DER, in hex.
    pub fingerprint: String,
    /// The group that it serves for.
    pub group: String,
    /// Links that take requests.
    pub links: usize,
    /// Requests that it serves at this moment.
    pub in_flight: usize,
    /// Requests that it was given.
    pub requests: u64,
    /// Since when it is attached, in seconds since the epoch.
    pub since: u64,
}

/// A link of a worker.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) link: Link,
    /// Streams at once: the setting, or what the worker admits if that is less.
    most: AtomicUsize,
    cap: usize,
    leases: AtomicU64,
    /// Whether new requests may go out on it.
    open: AtomicBool,
}

impl Worker {
    pub(crate) fn new(number: u64, certificate: Certificate, since: u64) -> Self {
        Self {
            number,
            certificate,
            since,
            links: ArcSwap::default(),
            in_flight: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
        }
    }

    /// The first name of its certificate.
    #[must_use]
    pub fn name(&self) -> &str {
        self.certificate.names.first().map_or("", String::as_str)
    }

    /// Whether `who` is its fingerprint, its common name, or one of its names.
    pub(crate) fn is(&self, who: &str) -> bool {
        is(&self.certificate, who)
    }

    /// Requests that it serves at this moment.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn has_room(&self, upgrade: bool) -> bool {
        self.links.load().iter().any(|link| link.has_room(upgrade))
    }

    /// The link with the fewest streams that has room for one more.
    pub(crate) fn lease(self: &Arc<Self>, upgrade: bool) -> Option<Lease> {
        let links = self.links.load();
        let usable = links.iter().filter(|link| link.has_room(upgrade));
        let link = Arc::clone(usable.min_by_key(|link| link.link.in_flight())?);
        link.refresh();
        self.in_flight.fetch_add(1, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        Some(Lease { worker: Arc::clone(self), link })
    }

    /// The caller holds the registry's lock.
    pub(crate) fn add(&self, link: Arc<Attached>) {
        let mut links = self.links.load().as_ref().clone();
        links.push(link);
        self.links.store(Arc::new(links));
    }

    /// The caller holds the registry's lock. Says whether it was the last.
    pub(crate) fn remove(&self, link: &Arc<Attached>) -> bool {
        link.retire();
        let mut links = self.links.load().as_ref().clone();
        links.retain(|each| !Arc::ptr_eq(each, link));
        let last = links.is_empty();
        self.links.store(Arc::new(links));
        last
    }

    /// Asks for other links in the place of these, which let their requests finish.
    pub(crate) fn go_away(&self) {
        self.links.load().iter().for_each(|link| link.link.go_away());
    }

    /// Ends its links; their requests are reset.
    pub(crate) fn close(&self) -> usize {
        let links = self.links.load();
        links.iter().for_each(|link| {
            link.retire();
            link.link.close();
        });
        links.len()
    }

    pub(crate) fn state(&self, group: &str) -> WorkerState {
        let Certificate { names, common_name, fingerprint } = &self.certificate;
        WorkerState {
            name: self.name().to_owned(),
            names: names.clone(),
            common_name: common_name.clone(),
            fingerprint: fingerprint.clone(),
            group: group.to_owned(),
            links: self.links.load().iter().filter(|link| link.open.load(Relaxed)).count(),
            in_flight: self.in_flight(),
            requests: self.requests.load(Relaxed),
            since: self.since,
        }
    }
}

/// Whether `who` is the certificate's fingerprint, its common name, or one of its names.
pub(crate) fn is(certificate: &Certificate, who: &str) -> bool {
    let Certificate { names, common_name, fingerprint } = certificate;
    fingerprint.eq_ignore_ascii_case(who) || names.iter().chain(common_name).any(|name| name == who)
}

impl Attached {
    pub(crate) fn new(link: Link, cap: usize) -> Self {
        let most = AtomicUsize::new(cap.min(link.most_streams()));
        Self { link, most, cap, leases: AtomicU64::new(0), open: AtomicBool::new(true) }
    }

    /// No new requests on it.
    pub(crate) fn retire(&self) {
        self.open.store(false, Release);
    }

    fn has_room(&self, upgrade: bool) -> bool {
        if !self.open.load(Acquire) || (upgrade && !self.link.takes_extended_connect()) {
            return false;
        }
        let in_flight = self.link.in_flight();
        in_flight < self.most.load(Relaxed) || in_flight < self.look_up()
    }

    /// The worker may change how many it admits. Looking it up takes the link's lock, so it is not done each time.
    fn refresh(&self) {
        if self.leases.fetch_add(1, Relaxed).is_multiple_of(REFRESH) {
            self.look_up();
        }
    }

    fn look_up(&self) -> usize {
        let most = self.cap.min(self.link.most_streams());
        self.most.store(most, Relaxed);
        most
    }
}

/// One request's place on a link. Dropped, it is free.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) worker: Arc<Worker>,
    pub(crate) link: Arc<Attached>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.worker.in_flight.fetch_sub(1, Relaxed);
    }
}
