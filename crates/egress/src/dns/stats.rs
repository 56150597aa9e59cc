//! What is counted about the cache, under Envoy's names.

use crate::count::{Counter, Gauge};

/// `dns_cache.NAME.*`.
#[derive(Debug, Default)]
pub(crate) struct DnsStats {
    pub query_attempt: Counter,
    pub query_success: Counter,
    pub query_failure: Counter,
    pub query_timeout: Counter,
    pub address_filter_out: Counter,
    pub pending_overflow: Counter,
    pub host_added: Counter,
    pub host_removed: Counter,
    pub host_address_changed: Counter,
    pub host_overflow: Counter,
    pub hosts: Gauge,
    pub pending: Gauge,
}

impl DnsStats {
    /// Counters by name.
    pub(crate) fn counters(&self) -> [(&'static str, u64); 10] {
        [
            ("dns_query_attempt", self.query_attempt.get()),
            ("dns_query_success", self.query_success.get()),
            ("dns_query_failure", self.query_failure.get()),
            ("dns_query_timeout", self.query_timeout.get()),
            ("dns_address_filter_out", self.address_filter_out.get()),
            ("dns_rq_pending_overflow", self.pending_overflow.get()),
            ("host_added", self.host_added.get()),
            ("host_removed", self.host_removed.get()),
            ("host_address_changed", self.host_address_changed.get()),
            ("host_overflow", self.host_overflow.get()),
        ]
    }
}
