//! What is counted, under Envoy's names: `dns_cache.NAME.*`, `cluster.NAME.*`, `http.NAME.*`.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Instant};

use crate::{
    breakers::{Load, Resource},
    config::{Config, Thresholds},
    destinations::Destination,
    shared::Shared,
    traffic::Traffic,
};

/// One number.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Sample {
    /// What it is about, in Envoy's words: `cluster`, `dns_cache`, `http`.
    scope: &'static str,
    /// The destination; none for all together.
    destination: Option<Arc<str>>,
    name: String,
    value: u64,
    grows: bool,
}

/// All numbers of this moment.
pub(crate) struct Stats {
    name: String,
    samples: Vec<Sample>,
}

impl Stats {
    pub(crate) fn of(shared: &Shared) -> Self {
        let snapshot = shared.snapshot.load();
        let config = &snapshot.config;
        let mut stats = Self { name: config.dns.name.clone(), samples: Vec::new() };
        stats.dns(shared, snapshot.dns.remaining());
        stats.http(shared);
        stats.traffic(None, &shared.destinations.total);
        stats.load(None, &shared.destinations.load, &config.breakers.overall);
        stats.destinations(shared, config);
        stats
    }

    /// By Envoy's dotted names.
    pub(crate) fn by_name(&self) -> BTreeMap<String, u64> {
        let named = |sample: &Sample| {
            let destination = sample.destination.as_ref().map(|name| format!("destination.{name}."));
            let name =
                format!("{}.{}.{}{}", sample.scope, self.name, destination.unwrap_or_default(), sample.name);
            (name, sample.value)
        };
        self.samples.iter().map(named).collect()
    }

    /// As OpenMetrics text, without the final line.
    pub(crate) fn open_metrics(&self) -> String {
        let mut families: BTreeMap<String, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            let name = format!("penstock_egress_{}_{}", sample.scope, sample.name.replace('.', "_"));
            families.entry(name.trim_end_matches("_total").to_owned()).or_default().push(sample);
        }
        let mut text = String::new();
        for (name, samples) in families {
            let grows = samples.first().is_some_and(|sample| sample.grows);
            let (kind, suffix) = if grows { ("counter", "_total") } else { ("gauge", "") };
            // Writing to a string does not fail.
            let _written = writeln!(text, "# TYPE {name} {kind}");
            for sample in samples {
                let label = sample.destination.as_ref().map(|of| format!("{{destination=\"{of}\"}}"));
                let _written = writeln!(text, "{name}{suffix}{} {}", label.unwrap_or_default(), sample.value);
            }
        }
        text
    }

    fn dns(&mut self, shared: &Shared, remaining: u64) {
        let stats = &shared.dns_stats;
        self.counters("dns_cache", None, &stats.counters());
        self.gauge("dns_cache", None, "num_hosts", stats.hosts.get());
        self.gauge("dns_cache", None, "circuit_breakers.rq_pending_open", u64::from(remaining == 0));
        self.gauge("dns_cache", None, "circuit_breakers.rq_pending_remaining", remaining);
    }

    fn http(&mut self, shared: &Shared) {
        let counts = &shared.counts;
        let counters = [
            ("downstream_rq_total", counts.requests.get()),
            ("rbac.allowed", counts.allowed.get()),
            ("rbac.denied", counts.denied.get()),
            ("rq_limited", counts.limited.get()),
            ("rq_unauthenticated", counts.unauthenticated.get()),
            ("rq_malformed", counts.malformed.get()),
            ("rq_failed", counts.failed.get()),
            ("rq_cut", counts.cut.get()),
            ("access_log.lost", shared.log.lost()),
        ];
        self.counters("http", None, &counters);
        self.gauge("http", None, "downstream_tunnels_active", counts.tunnels.get());
        self.gauge("http", None, "lines_open", shared.lines.len() as u64);
    }

    fn traffic(&mut self, destination: Option<&Arc<str>>, traffic: &Traffic) {
        self.counters("cluster", destination, &traffic.counters());
    }

    fn load(&mut self, destination: Option<&Arc<str>>, load: &Load, limits: &Thresholds) {
        for resource in Resource::ALL {
            let (active, overflow, open, remaining) = names(resource);
            let left = load.remaining(resource, limits);
            self.gauge("cluster", destination, active, load.gauge(resource).get());
            self.counters("cluster", destination, &[(overflow, load.refused(resource).get())]);
            self.gauge("cluster", destination, open, u64::from(left == 0));
            if limits.track_remaining {
                self.gauge("cluster", destination, remaining, left);
            }
        }
    }

    /// The busiest ones by themselves, the rest in one sum: names that callers invent must not fill the
    /// memory of whoever scrapes.
    fn destinations(&mut self, shared: &Shared, config: &Config) {
        let mut all = shared.destinations.all();
        all.sort_by_cached_key(|each| {
            (std::cmp::Reverse(each.traffic.requests.get()), Arc::clone(&each.name))
        });
        let rest = all.split_off(config.limits.series.min(all.len()));
        for each in &all {
            self.traffic(Some(&each.name), &each.traffic);
            self.load(Some(&each.name), &each.loads.destination, &config.breakers.destination);
            self.ejections(Some(&each.name), std::slice::from_ref(each));
        }
        let other = Traffic::default();
        other.absorb(&shared.destinations.gone);
        for each in &rest {
            other.absorb(&each.traffic);
        }
        self.traffic(Some(&"other".into()), &other);
        all.extend(rest);
        self.ejections(None, &all);
        self.gauge("cluster", None, "membership_total", all.len() as u64);
    }

    fn ejections(&mut self, name: Option<&Arc<str>>, destinations: &[Arc<Destination>]) {
        let now = Instant::now();
        let active = destinations.iter().map(|each| each.outliers.ejected(now)).sum();
        self.gauge("cluster", name, "outlier_detection.ejections_active", active);
    }

    fn counters(&mut self, scope: &'static str, destination: Option<&Arc<str>>, counters: &[(&str, u64)]) {
        let sample = |(name, value): &(&str, u64)| Sample {
            scope,
            destination: destination.cloned(),
            name: (*name).to_owned(),
            value: *value,
            grows: true,
        };
        self.samples.extend(counters.iter().map(sample));
    }

    fn gauge(&mut self, scope: &'static str, destination: Option<&Arc<str>>, name: &str, value: u64) {
        let destination = destination.cloned();
        self.samples.push(Sample { scope, destination, name: name.to_owned(), value, grows: false });
    }
}

/// How many are under way, how many were refused, whether it is open, what remains.
const fn names(resource: Resource) -> (&'static str, &'static str, &'static str, &'static str) {
    match resource {
        Resource::Connection => (
            "upstream_cx_active",
            "upstream_cx_overflow",
            "circuit_breakers.default.cx_open",
            "circuit_breakers.default.remaining_cx",
        ),
        Resource::Pending => (
            "upstream_rq_pending_active",
            "upstream_rq_pending_overflow",
            "circuit_breakers.default.rq_pending_open",
            "circuit_breakers.default.remaining_pending",
        ),
        Resource::Request => (
            "upstream_rq_active",
            "upstream_rq_active_overflow",
            "circuit_breakers.default.rq_open",
            "circuit_breakers.default.remaining_rq",
        ),
        Resource::Retry => (
            "upstream_rq_retry_active",
            "upstream_rq_retry_overflow",
            "circuit_breakers.default.rq_retry_open",
            "circuit_breakers.default.remaining_retries",
        ),
    }
}
