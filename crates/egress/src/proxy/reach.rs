//! A connection to the destination: one that rests, or a new one to an address that was checked.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Request;
use penstock_domain::{Code, Error, Side};
use penstock_link::tls::MaybeTls;
use tokio::{net::TcpStream, time::timeout};

use super::{Exchange, Granted, judge};
use crate::{
    access::ms,
    breakers::{Place, Resource},
    config::{Scheme, Version},
    destinations::Destination,
    refusal::Refusal,
    upstream::{Connection, DialFault, Transport, dial},
};

impl Granted<'_> {
    /// The destination, with a place among its requests.
    pub(super) fn enter(&self, exchange: &mut Exchange) -> Result<Arc<Destination>, Refusal> {
        let config = &self.snapshot.config;
        let destination = exchange.shared.destinations.get(&self.target, config.limits.destinations);
        let destination = destination.ok_or_else(|| Refusal::crowded(&self.target))?;
        exchange.place = Some(self.place(&destination, Resource::Request)?);
        destination.count(|traffic| traffic.requests.add(1));
        exchange.destination = Some(Arc::clone(&destination));
        Ok(destination)
    }

    /// How the destination is spoken to.
    pub(super) fn transport<B>(&self, request: &Request<B>, upgrade: bool) -> Transport {
        let tls = self.scheme == Scheme::Https;
        let grpc = || {
            let kind = request.headers().get(http::header::CONTENT_TYPE);
            kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
        };
        let version = match self.forward.version {
            _ if upgrade => Version::Http1,
            Version::Auto if tls => Version::Auto,
            Version::Auto if grpc() => Version::Http2,
            Version::Auto => Version::Http1,
            version => version,
        };
        Transport { tls, version }
    }

    /// A connection that rests, if one may be used.
    pub(super) fn resting(&self, destination: &Destination, transport: Transport) -> Option<Connection> {
        let oldest =
            Instant::now().checked_sub(Duration::from_millis(self.snapshot.config.timeouts.pool_idle_ms))?;
        destination.pool.take(transport, oldest, |ip| self.judged.may(self.snapshot, ip))
    }

    /// A new connection that speaks HTTP.
    pub(super) async fn connect(
        &self,
        destination: &Arc<Destination>,
        transport: Transport,
        exchange: &mut Exchange,
    ) -> Result<Connection, Refusal> {
        let (tcp, address, place) = self.dial(destination, exchange).await?;
        let since = Instant::now();
        let (io, http2) = self.secure(tcp, transport).await?;
        if transport.tls {
            let before = exchange.access.timings.connect.unwrap_or_default();
            exchange.access.timings.connect = Some(before + ms(since));
        }
        let limits = &self.snapshot.config.limits;
        let spoken = if http2 {
            Connection::http2(io, address, transport, place, limits).await
        } else {
            Connection::http1(io, address, transport, place, limits).await
        };
        let connection = spoken.map_err(|error| unreachable(destination, &error.to_string()))?;
        if connection.is_http2() {
            // It is everybody's from now on.
            if let Some(share) = connection.share() {
                destination.pool.keep(share, limits.pool_idle_connections);
            }
        }
        Ok(connection)
    }

    /// A new connection, raw.
    pub(super) async fn dial(
        &self,
        destination: &Arc<Destination>,
        exchange: &mut Exchange,
    ) -> Result<(TcpStream, SocketAddr, Place), Refusal> {
        let pending = self.place(destination, Resource::Pending)?;
        let addresses = match &self.judged.addresses {
            Some(addresses) => addresses.clone(),
            None => {
                let (shared, guarded) = (Arc::clone(&exchange.shared), self.judged.guarded);
                judge::resolve(&shared, self.snapshot, &self.target, guarded, exchange).await?
            }
        };
        self.make_room(destination, exchange);
        let place = self.place(destination, Resource::Connection)?;
        let timeouts = &self.snapshot.config.timeouts;
        let (delay, limit) =
            (Duration::from_millis(timeouts.attempt_delay_ms), Duration::from_millis(timeouts.connect_ms));
        let since = Instant::now();
        let dialled = dial(&without_outliers(destination, addresses), delay, limit).await;
        drop(pending);
        exchange.access.timings.connect = Some(ms(since));
        match dialled {
            Ok((tcp, address)) => {
                destination.count(|traffic| traffic.connections.add(1));
                exchange.access.address = Some(address);
                Ok((tcp, address, place))
            }
            Err(fault) => Err(self.undialled(destination, fault, limit)),
        }
    }

    fn undialled(&self, destination: &Destination, fault: DialFault, limit: Duration) -> Refusal {
        match fault {
            DialFault::Refused(error, failed) => {
                destination.count(|traffic| traffic.connect_failures.add(1));
                for address in failed {
                    self.note(destination, address, true);
                }
                unreachable(destination, &error.to_string())
            }
            DialFault::Exhausted => Refusal::exhausted(),
            DialFault::Timeout => {
                destination.count(|traffic| traffic.connect_timeouts.add(1));
                let what = format!("{} did not accept within {} ms", destination.name, limit.as_millis());
                let error = Error::new(Code::UpstreamTimeout, Side::Upstream, what);
                error.hint("is it running, and does a firewall let the proxy through?").into()
            }
        }
    }

    /// Notes how an address did.
    pub(super) fn note(&self, destination: &Destination, address: SocketAddr, failed: bool) {
        let config = &self.snapshot.config.outliers;
        if destination.outliers.note(address.ip(), failed, config, Instant::now()) {
            destination.count(|traffic| traffic.ejections.add(1));
        }
    }

    /// Connections that rest make room for one that is needed.
    fn make_room(&self, destination: &Destination, exchange: &Exchange) {
        let breakers = &self.snapshot.config.breakers;
        let loads = &destination.loads;
        if loads.overall.remaining(Resource::Connection, &breakers.overall) == 0 {
            exchange.shared.destinations.sweep(Instant::now());
        } else if loads.destination.remaining(Resource::Connection, &breakers.destination) == 0 {
            destination.pool.sweep(Instant::now());
        }
    }

    /// A place under the circuit breakers.
    pub(super) fn place(&self, destination: &Destination, resource: Resource) -> Result<Place, Refusal> {
        let entered = destination.loads.enter(resource, &self.snapshot.config.breakers);
        entered.map_err(|tripped| Refusal::tripped(tripped, &self.target))
    }

    /// TLS, if it is spoken; says whether HTTP/2 is.
    async fn secure(&self, tcp: TcpStream, transport: Transport) -> Result<(MaybeTls, bool), Refusal> {
        if !transport.tls {
            return Ok((MaybeTls::Plain(tcp), transport.version == Version::Http2));
        }
        let connector = self.snapshot.tls.offering(transport.version);
        let limit = Duration::from_millis(self.snapshot.config.timeouts.tls_ms);
        let host = self.target.host.text();
        let failed = |error: Error| {
            Refusal::from(
                Error::new(Code::UpstreamTls, Side::Upstream, error.message)
                    .hint("a CA of your own is given under upstream_tls"),
            )
        };
        let Ok(shaken) = timeout(limit, connector.connect(&host, tcp)).await else {
            let what =
                format!("{} did not finish the TLS handshake within {} ms", self.target, limit.as_millis());
            return Err(Error::new(Code::UpstreamTimeout, Side::Upstream, what).into());
        };
        let tls = shaken.map_err(failed)?;
        let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((MaybeTls::Client(Box::new(tls)), http2))
    }
}

/// Ejected addresses come last: they are tried before a request is refused, and not earlier.
fn without_outliers(destination: &Destination, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let now = Instant::now();
    addresses.sort_by_key(|address| destination.outliers.is_ejected(address.ip(), now));
    addresses
}

/// The destination gave no answer.
pub(super) fn unreachable(destination: &Destination, why: &str) -> Refusal {
    let what = format!("{} cannot be reached: {why}", destination.name);
    Error::new(Code::UpstreamUnreachable, Side::Upstream, what)
        .hint("is it running, and are host and port right?")
        .into()
}
