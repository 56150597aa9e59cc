//! One configuration, compiled. A change swaps it whole; what is under way keeps the one with which it began.

use std::sync::Arc;

use penstock_domain::Error;
use penstock_link::tls::{Connector, Trust};

use crate::{
    callers::Listed,
    config::{Config, Version},
    dns::{Dns, DnsStats, Hickory},
    guard::Guard,
    policy::Rules,
    routes::Routes,
};

/// What requests are judged and carried by.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub config: Config,
    pub guard: Guard,
    pub listed: Listed,
    pub routes: Routes,
    pub rules: Rules,
    pub dns: Arc<Dns>,
    pub tls: Tls,
}

/// Connectors to destinations, by the HTTP that they offer.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    any: Connector,
    http1: Connector,
    http2: Connector,
}

impl Snapshot {
    /// Refuses what [`Snapshot::compile`] would, and resolves nothing. To be called inside a runtime.
    pub(crate) fn check(config: &Config) -> Result<(), Error> {
        let roots = config.upstream_tls.roots_pem.as_deref();
        Listed::compile(&config.callers)?;
        Routes::compile(config)?;
        Rules::compile(config, None)?;
        Tls::new(roots)?;
        Hickory::new(&config.dns, roots).map(drop)
    }

    /// Compiles; what has not changed keeps what it knows. To be called inside the data runtime.
    pub(crate) fn compile(
        config: Config,
        before: Option<&Self>,
        stats: &Arc<DnsStats>,
    ) -> Result<Self, Error> {
        let roots = config.upstream_tls.roots_pem.as_deref();
        Ok(Self {
            guard: Guard::new(&config.guard),
            listed: Listed::compile(&config.callers)?,
            routes: Routes::compile(&config)?,
            rules: Rules::compile(&config, before.map(|before| &before.rules))?,
            tls: Tls::new(roots)?,
            dns: dns(&config, before, stats)?,
            config,
        })
    }
}

fn dns(config: &Config, before: Option<&Snapshot>, stats: &Arc<DnsStats>) -> Result<Arc<Dns>, Error> {
    let same = |before: &&Snapshot| {
        before.config.dns == config.dns && before.config.upstream_tls == config.upstream_tls
    };
    if let Some(before) = before.filter(same) {
        return Ok(Arc::clone(&before.dns));
    }
    let resolver = Hickory::new(&config.dns, config.upstream_tls.roots_pem.as_deref())?;
    Ok(Arc::new(Dns::new(&config.dns, Box::new(resolver), Arc::clone(stats))))
}

impl Tls {
    fn new(roots_pem: Option<&str>) -> Result<Self, Error> {
        let trust = roots_pem.map_or(Trust::System, |pem| Trust::Roots(pem.into()));
        let offering = |alpn: &[&[u8]]| Connector::new(&trust, None, alpn, None);
        Ok(Self {
            any: offering(&[b"h2", b"http/1.1"])?,
            http1: offering(&[b"http/1.1"])?,
            http2: offering(&[b"h2"])?,
        })
    }

    /// The connector that offers a version.
    pub(crate) const fn offering(&self, version: Version) -> &Connector {
        match version {
            Version::Auto => &self.any,
            Version::Http1 => &self.http1,
            Version::Http2 => &self.http2,
        }
    }
}
