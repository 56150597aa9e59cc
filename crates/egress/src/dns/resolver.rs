//! Asking name servers, by hickory.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{
        ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
    },
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::Name,
};
use penstock_domain::Error;
use penstock_link::tls::{Connector, Trust};

use super::Addresses;
use crate::config::{self, Family, Transport, malformed};

/// What a name server said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Resolved {
    pub addresses: Addresses,
    /// The shortest of the records; none if it was not a name server that answered.
    pub ttl: Option<Duration>,
}

/// Why a name has no addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// It does not exist, or has no address of the family.
    NotFound,
    /// No name server answered in time.
    Timeout,
    /// The name servers failed.
    Failed(Arc<str>),
    /// Too many resolutions are under way.
    Overflow,
}

impl Fault {
    pub(crate) fn failed(why: &str) -> Self {
        Self::Failed(why.into())
    }
}

/// Resolves names.
#[async_trait::async_trait]
pub(crate) trait Resolve: Send + Sync + 'static {
    /// Addresses that are not empty; time is bounded by the caller.
    async fn resolve(&self, host: &str) -> Result<Resolved, Fault>;
}

/// Hickory, without its cache and without DNSSEC.
pub(crate) struct Hickory {
    resolver: TokioResolver,
    search: bool,
}

/// `/etc/hosts` answers with the longest TTL that hickory knows; nothing else does.
const NO_TTL: u32 = 86_400;

impl Hickory {
    /// A resolver as configured.
    ///
    /// # Errors
    /// Resolvers without a name for their certificate, roots or `/etc/resolv.conf` that cannot be read.
    pub(crate) fn new(config: &config::Dns, roots_pem: Option<&str>) -> Result<Self, Error> {
        let failed = |error: NetError| {
            malformed(format!("the name servers cannot be used: {error}"))
                .hint("give dns.resolvers, or mend /etc/resolv.conf")
        };
        let mut builder = if config.resolvers.is_empty() {
            TokioResolver::builder_tokio().map_err(failed)?
        } else {
            let servers = config.resolvers.iter().map(name_server).collect::<Result<_, _>>()?;
            let servers = ResolverConfig::from_name_servers(servers);
            TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default())
        };
        options(builder.options_mut(), config);
        if config.resolvers.iter().any(|resolver| resolver.transport == Transport::Tls) {
            let trust = roots_pem.map_or(Trust::System, |pem| Trust::Roots(pem.into()));
            builder = builder.with_tls_config(Connector::new(&trust, None, &[b"dot"], None)?.config());
        }
        Ok(Self { resolver: builder.build().map_err(failed)?, search: config.search })
    }
}

#[async_trait::async_trait]
impl Resolve for Hickory {
    async fn resolve(&self, host: &str) -> Result<Resolved, Fault> {
        let mut name = Name::from_ascii(host).map_err(|_| Fault::NotFound)?;
        name.set_fqdn(!self.search);
        let found = self.resolver.lookup_ip(name).await.map_err(|error| match error {
            NetError::Timeout => Fault::Timeout,
            error if error.is_no_records_found() => no_records(&error),
            error => Fault::failed(&error.to_string()),
        })?;
        let records = found.as_lookup().answers();
        let ttl = records.iter().map(|record| record.ttl).min().filter(|ttl| *ttl < NO_TTL);
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(Fault::NotFound);
        }
        Ok(Resolved { addresses: addresses.into(), ttl: ttl.map(|ttl| Duration::from_secs(ttl.into())) })
    }
}

/// Only NXDOMAIN and an empty answer mean that a name does not exist; SERVFAIL and REFUSED are a server's
/// failure.
fn no_records(error: &NetError) -> Fault {
    use hickory_resolver::{net::DnsError, proto::op::ResponseCode};
    match error {
        NetError::Dns(DnsError::NoRecordsFound(records)) => match records.response_code {
            ResponseCode::NXDomain | ResponseCode::NoError => Fault::NotFound,
            code => Fault::failed(&code.to_string()),
        },
        other => Fault::failed(&other.to_string()),
    }
}

fn options(options: &mut ResolverOpts, config: &config::Dns) {
    options.cache_size = 0;
    options.ip_strategy = match config.family {
        Family::V4Only => LookupIpStrategy::Ipv4Only,
        Family::V6Only => LookupIpStrategy::Ipv6Only,
        Family::V4Preferred => LookupIpStrategy::Ipv4thenIpv6,
        Family::Auto => LookupIpStrategy::Ipv6thenIpv4,
        Family::All => LookupIpStrategy::Ipv4AndIpv6,
    };
    options.use_hosts_file = if config.hosts_file { ResolveHosts::Always } else { ResolveHosts::Never };
    options.case_randomization = true;
    options.attempts = 2;
    // The cache bounds the whole; this is when a silent server is asked again.
    if config.query_timeout_ms > 0 {
        options.timeout = Duration::from_millis((config.query_timeout_ms / 2).max(1));
    }
}

fn name_server(resolver: &config::Resolver) -> Result<NameServerConfig, Error> {
    let connections = match (resolver.transport, &resolver.tls_name) {
        (Transport::Udp, _) => vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
        (Transport::Tcp, _) => vec![ConnectionConfig::tcp()],
        (Transport::Tls, Some(name)) => vec![ConnectionConfig::tls(name.as_str().into())],
        (Transport::Tls, None) => {
            return Err(malformed(format!(
                "the resolver {} speaks TLS and has no tls_name",
                resolver.address
            ))
            .hint("give the name that its certificate shows"));
        }
    };
    let on_its_port = |mut connection: ConnectionConfig| {
        connection.port = resolver.address.port();
        connection
    };
    let connections = connections.into_iter().map(on_its_port).collect();
    Ok(NameServerConfig::new(resolver.address.ip(), true, connections))
}

/// Resolvers that answer what tests tell them.
#[cfg(test)]
pub(crate) mod scripted {
    use std::{collections::HashMap, sync::Mutex};

    use super::*;

    type Script = Box<dyn Fn(&str, usize) -> Option<Result<Resolved, Fault>> + Send + Sync>;

    /// Answers by host and number of the question; nothing means silence.
    pub(crate) struct Scripted {
        script: Script,
        asked: Mutex<HashMap<String, usize>>,
    }

    impl Scripted {
        pub(crate) fn new(
            script: impl Fn(&str, usize) -> Option<Result<Resolved, Fault>> + Send + Sync + 'static,
        ) -> Self {
            Self { script: Box::new(script), asked: Mutex::default() }
        }
    }

    #[async_trait::async_trait]
    impl Resolve for Scripted {
        async fn resolve(&self, host: &str) -> Result<Resolved, Fault> {
            let number = {
                let mut asked = self.asked.lock().unwrap();
                let number = asked.entry(host.to_owned()).or_default();
                *number += 1;
                *number
            };
            match (self.script)(host, number) {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }
    }

    /// An answer.
    pub(crate) fn ips(ttl: u64, ips: &[&str]) -> Option<Result<Resolved, Fault>> {
        let addresses = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        Some(Ok(Resolved { addresses, ttl: Some(Duration::from_secs(ttl)) }))
    }
}
