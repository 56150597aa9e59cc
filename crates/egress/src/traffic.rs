//! What has passed to and from a destination.

use crate::count::Counter;

/// Counters of one destination, or of many.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub connections: Counter,
    pub connect_failures: Counter,
    pub connect_timeouts: Counter,
    pub received_bytes: Counter,
    pub sent_bytes: Counter,
    pub requests: Counter,
    pub completed: Counter,
    pub timeouts: Counter,
    pub retries: Counter,
    pub retries_that_helped: Counter,
    pub ejections: Counter,
    /// By the first digit of the status.
    classes: [Counter; 5],
}

impl Traffic {
    /// Counts an answer.
    pub(crate) fn answered(&self, status: u16) {
        self.completed.add(1);
        if let Some(class) = self.classes.get(usize::from(status / 100).wrapping_sub(1)) {
            class.add(1);
        }
    }

    /// Counters by Envoy's names.
    pub(crate) fn counters(&self) -> [(&'static str, u64); 16] {
        let [informational, success, redirection, client, server] = &self.classes;
        [
            ("upstream_cx_total", self.connections.get()),
            ("upstream_cx_connect_fail", self.connect_failures.get()),
            ("upstream_cx_connect_timeout", self.connect_timeouts.get()),
            ("upstream_cx_rx_bytes_total", self.received_bytes.get()),
            ("upstream_cx_tx_bytes_total", self.sent_bytes.get()),
            ("upstream_rq_total", self.requests.get()),
            ("upstream_rq_completed", self.completed.get()),
            ("upstream_rq_timeout", self.timeouts.get()),
            ("upstream_rq_retry", self.retries.get()),
            ("upstream_rq_retry_success", self.retries_that_helped.get()),
            ("outlier_detection.ejections_enforced_total", self.ejections.get()),
            ("upstream_rq_1xx", informational.get()),
            ("upstream_rq_2xx", success.get()),
            ("upstream_rq_3xx", redirection.get()),
            ("upstream_rq_4xx", client.get()),
            ("upstream_rq_5xx", server.get()),
        ]
    }

    /// Adds what another has counted.
    pub(crate) fn absorb(&self, other: &Self) {
        let pairs = [
            (&self.connections, &other.connections),
            (&self.connect_failures, &other.connect_failures),
            (&self.connect_timeouts, &other.connect_timeouts),
            (&self.received_bytes, &other.received_bytes),
            (&self.sent_bytes, &other.sent_bytes),
            (&self.requests, &other.requests),
            (&self.completed, &other.completed),
            (&self.timeouts, &other.timeouts),
            (&self.retries, &other.retries),
            (&self.retries_that_helped, &other.retries_that_helped),
            (&self.ejections, &other.ejections),
        ];
        for (ours, theirs) in pairs.into_iter().chain(self.classes.iter().zip(&other.classes)) {
            ours.add(theirs.get());
        }
    }
}
