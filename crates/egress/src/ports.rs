//! The ports of a proxy, which follow its configuration.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use penstock_domain::Error;
use penstock_http::{Accepting, Acceptor, Limits, Listener, Server};
use penstock_link::tls::{acceptor, acceptor_with_clients};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Config},
    proxy::Proxy,
    shared::Shared,
};

/// Credit of a caller's HTTP/2 stream, in bytes.
const WINDOW: u32 = 1 << 20;

/// The port's name in metrics.
const PORT: &str = "egress";

/// Open ports, by the address that the configuration names.
#[derive(Default)]
pub(crate) struct Open(HashMap<String, Port>);

struct Port {
    address: String,
    live: Arc<ArcSwap<Serving>>,
    /// Cancelled to accept no more.
    stop: CancellationToken,
}

/// How connections of a port are served from now on.
struct Serving {
    server: Server,
    name: Arc<str>,
    connect: bool,
    idle_ms: u64,
    /// Cancelled when another takes over: requests finish, connections end.
    drain: CancellationToken,
}

/// Ports as a configuration wants them, before it is in force.
pub(crate) struct Prepared {
    ports: Vec<(String, Serving, Option<Listener>, usize)>,
}

impl Open {
    /// Binds what is new and builds everything; nothing changes yet.
    ///
    /// # Errors
    /// A port that is taken, TLS material that cannot be read.
    pub(crate) async fn prepare(&self, config: &Config, shared: &Shared) -> Result<Prepared, Error> {
        let mut ports = Vec::new();
        for listener in &config.listeners {
            let serving = serving(listener, config, shared)?;
            let fresh = if self.0.contains_key(&listener.address) {
                None
            } else {
                Some(Listener::bind(&listener.address, "the listener's address").await?)
            };
            ports.push((listener.address.clone(), serving, fresh, config.limits.connections));
        }
        Ok(Prepared { ports })
    }

    /// Serves as prepared; ports that are not wanted any more accept nothing, and their connections end in
    /// order.
    pub(crate) fn switch(&mut self, prepared: Prepared, shared: &Arc<Shared>) {
        let mut gone = std::mem::take(&mut self.0);
        for (wanted, serving, fresh, connections) in prepared.ports {
            let port = match (gone.remove(&wanted), fresh) {
                (Some(port), _) => {
                    // Connections keep what they have: the new one is for those that come.
                    port.live.store(Arc::new(serving));
                    port
                }
                (None, Some(listener)) => open(listener, serving, connections, shared),
                (None, None) => continue,
            };
            self.0.insert(wanted, port);
        }
        for port in gone.into_values() {
            port.stop.cancel();
            port.live.load().drain.cancel();
        }
    }

    /// Where it listens, in the order of the configuration's addresses.
    pub(crate) fn addresses(&self, config: &Config) -> Vec<String> {
        let bound =
            |listener: &config::Listener| self.0.get(&listener.address).map(|port| port.address.clone());
        config.listeners.iter().filter_map(bound).collect()
    }
}

/// Refuses TLS material that cannot be used.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    config.listeners.iter().try_for_each(|listener| accepting(listener).map(drop))
}

fn accepting(listener: &config::Listener) -> Result<Acceptor, Error> {
    let Some(tls) = &listener.tls else { return Ok(Acceptor::either(None)) };
    Ok(Acceptor::tls(match &tls.client_ca_pem {
        None => acceptor(&tls.cert_pem, &tls.key_pem)?,
        Some(ca) => acceptor_with_clients(&tls.cert_pem, &tls.key_pem, ca)?,
    }))
}

fn serving(listener: &config::Listener, config: &Config, shared: &Shared) -> Result<Serving, Error> {
    let limits = Limits {
        connections: config.limits.connections,
        handshake_seconds: config.limits.handshake_seconds,
        header_fields: config.limits.header_fields,
        header_bytes: config.limits.header_bytes,
        streams: config.limits.streams,
        resets_per_minute: config.limits.resets_per_minute,
        proxy_protocol: listener.proxy_protocol.clone(),
        ..Limits::default()
    };
    let acceptor = accepting(listener)?;
    let drain = shared.drain.child_token();
    let (ports, close) = (shared.ports.clone(), shared.close.clone());
    Ok(Serving {
        server: Server::new(PORT, acceptor, limits, ports, WINDOW, drain.clone(), close),
        name: listener.name.as_str().into(),
        connect: listener.connect,
        idle_ms: config.timeouts.idle_ms,
        drain,
    })
}

fn open(listener: Listener, serving: Serving, connections: usize, shared: &Arc<Shared>) -> Port {
    let address = listener.address();
    let live = Arc::new(ArcSwap::from_pointee(serving));
    let stop = shared.drain.child_token();
    let (lanes, ports) = (shared.lanes.clone(), shared.ports.clone());
    let accepting = Accepting { port: PORT, connections, lanes, ports, stop: stop.clone() };
    let (serving, shared) = (Arc::clone(&live), Arc::clone(shared));
    let serve = move |tcp, peer: SocketAddr| {
        let (serving, shared) = (serving.load_full(), Arc::clone(&shared));
        async move {
            let line = shared.lines.open(serving.idle_ms, None, None);
            let proxy = Proxy::new(&shared, &serving.name, serving.connect, &line);
            let server = serving.server.clone();
            drop(serving);
            tokio::select! {
                () = server.serve(proxy, tcp, peer) => {}
                _ = line.stopped() => {}
            }
        }
    };
    tokio::spawn(listener.serve(accepting, serve));
    Port { address, live, stop }
}
