//! One request, from its first byte to its line in the log.

use std::{sync::Arc, time::Duration};

use crate::{
    access::{Access, Verdict},
    breakers::Place,
    callers::Proven,
    destinations::Destination,
    meter::Meter,
    passage::Passage,
    policy::Spending,
    refusal::Refusal,
    shared::Shared,
    upstream::Sent,
    watch::Line,
};

/// What is known of a request while it runs. Dropped before it has ended, its caller has gone.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub shared: Arc<Shared>,
    pub line: Arc<Line>,
    /// The same, where it is the request's own.
    pub stream: Option<Arc<Line>>,
    pub access: Box<Access>,
    pub meter: Arc<Meter>,
    /// What proved its caller.
    pub proven: Option<Proven>,
    pub destination: Option<Arc<Destination>>,
    /// How far the caller's body has come.
    pub sent: Option<Arc<Sent>>,
    /// Its place among the requests under way.
    pub place: Option<Place>,
    over: bool,
}

impl Exchange {
    pub(super) fn new(shared: &Arc<Shared>, line: &Arc<Line>, access: Access) -> Self {
        line.begin();
        Self {
            shared: Arc::clone(shared),
            line: Arc::clone(line),
            stream: None,
            access: Box::new(access),
            meter: Arc::new(Meter::new(Spending::default())),
            proven: None,
            destination: None,
            sent: None,
            place: None,
            over: false,
        }
    }

    /// It was not carried.
    pub(super) fn refused(mut self, refusal: &Refusal) {
        self.access.verdict = refusal.verdict;
        self.access.status = refusal.status.as_u16();
        self.access.error = Some(refusal.error.message.clone());
        self.access.fired.clone_from(&refusal.fired);
        self.end();
    }

    /// A tunnel or an upgraded connection has begun: it is watched by a line of its own, and shown while it
    /// lasts. It lasts no longer than what proved its caller.
    pub(crate) fn opened(&mut self, idle_ms: u64, longest: Option<Duration>) {
        let line = self.shared.lines.open(idle_ms, longest, self.proven.clone());
        line.begin();
        self.line.end();
        self.line = line;
        self.stream = None;
        let passage = Passage(Arc::clone(&self.line));
        self.access.session = self.shared.sink.as_ref().map(|sink| sink.opened(&self.access, passage));
    }

    /// It was carried, and has ended.
    pub(crate) fn closed(mut self, fault: Option<String>) {
        self.access.sent_bytes = self.line.sent.get();
        self.access.received_bytes = self.line.received.get();
        if let Some(fault) = fault {
            self.access.verdict = Verdict::Cut;
            self.access.error = Some(fault);
        }
        self.end();
    }

    /// The answer's body has passed, or what of it could.
    pub(super) fn answered(&mut self, bytes: u64, fault: Option<String>) {
        self.access.received_bytes = bytes;
        if let Some(sent) = &self.sent {
            self.access.sent_bytes = sent.bytes();
        }
        if fault.is_some() {
            self.access.verdict = Verdict::Cut;
            self.access.error = fault;
        }
        self.end();
    }

    /// A tunnel did not begin as it must.
    pub(crate) fn refused_inside(mut self, why: &str) {
        self.access.verdict = Verdict::Denied;
        self.access.error = Some(why.to_owned());
        self.end();
    }

    fn end(&mut self) {
        if self.over {
            return;
        }
        self.over = true;
        self.line.end();
        // A budget that is used up by the time this took shows at the next request.
        let _exceeded = self.meter.count_open();
        if let Some(destination) = &self.destination {
            let (sent, received) = (self.access.sent_bytes, self.access.received_bytes);
            destination.count(|traffic| {
                traffic.sent_bytes.add(sent);
                traffic.received_bytes.add(received);
            });
        }
        let access = self.access.take();
        self.shared.ended(access);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.over {
            self.access.verdict = Verdict::Cut;
            self.access.error.get_or_insert_with(|| "the caller has gone".into());
            self.end();
        }
    }
}
