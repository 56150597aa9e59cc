//! A port for workers: mutual TLS, who may attach, and to which group.

use std::{net::SocketAddr, sync::Arc};

use penstock_domain::Error;
use penstock_http::{Accepting, Lanes, Listener};
use penstock_link::{
    carrier::tls::{Accepted, Acceptor, NoLink},
    tls::Certificate,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Allowed, DEFAULT_GROUP, Ingress, TunnelConfig, proxy::misconfigured};

/// The port's name in metrics and logs.
const PORT: &str = "tunnel";

/// A bound port with its certificates.
pub(crate) struct Tunnel {
    listener: Listener,
    acceptor: Acceptor,
    allow: Vec<Allowed>,
    connections: usize,
}

impl Tunnel {
    pub(crate) async fn bind(config: &TunnelConfig) -> Result<Self, Error> {
        let TunnelConfig { listen, cert_pem, key_pem, workers_ca_pem, allow, flavours, connections } = config;
        if flavours.is_empty() {
            return Err(misconfigured("a tunnel port speaks no flavour").hint("they are `swap` and `rh2`"));
        }
        let acceptor = Acceptor::new(cert_pem, key_pem, workers_ca_pem)?.flavours(flavours);
        let listener = Listener::bind(listen, "--tunnel-listen").await?;
        Ok(Self { listener, acceptor, allow: allow.clone(), connections: *connections })
    }

    pub(crate) fn address(&self) -> String {
        self.listener.address()
    }
}

/// Accepts until `stop`; each link runs among `links`.
pub(crate) async fn serve(
    tunnel: Tunnel,
    ingress: Ingress,
    lanes: Lanes,
    stop: CancellationToken,
    links: TaskTracker,
) {
    let Tunnel { listener, acceptor, allow, connections } = tunnel;
    let ports = ingress.metrics().ports.clone();
    let accepting = Accepting { port: PORT, connections, lanes, ports, stop: stop.clone() };
    let allow: Arc<[Allowed]> = allow.into();
    let serve = move |tcp, peer| {
        let linked = link(acceptor.clone(), Arc::clone(&allow), ingress.clone(), tcp, peer);
        links.track_future(linked)
    };
    listener.serve(accepting, serve).await;
}

async fn link(acceptor: Acceptor, allow: Arc<[Allowed]>, ingress: Ingress, tcp: TcpStream, peer: SocketAddr) {
    let handshake = timeout(ingress.0.settings.handshake(), acceptor.accept(tcp)).await;
    let accepted = handshake.unwrap_or_else(|_| Err(NoLink::late()));
    ingress.metrics().ports.handshake(PORT, accepted.is_ok());
    let linked = match accepted {
        Ok(Accepted { bytes, certificate }) => match group(&allow, &certificate) {
            None => Err(format!("the allow-list has none of {:?}", certificate.names)),
            Some(group) => {
                // Revocation and shutdown end it from within.
                let never = CancellationToken::new();
                ingress.carry(bytes, certificate, group, peer, &never).await
            }
        },
        Err(why) if why.probe => {
            tracing::debug!(target: "penstock::link", %peer, %why, "no link");
            return;
        }
        Err(why) => Err(why.to_string()),
    };
    if let Err(why) = linked {
        tracing::warn!(target: "penstock::link", %peer, why, "no link");
    }
}

/// The group that a certificate's owner serves for; none if it may not attach.
fn group<'a>(allow: &'a [Allowed], certificate: &Certificate) -> Option<&'a str> {
    if allow.is_empty() {
        return Some(DEFAULT_GROUP);
    }
    let names = || certificate.names.iter().chain(&certificate.common_name);
    let allowed = allow.iter().find(|allowed| names().any(|name| allowed.name.matches(name)))?;
    Some(&allowed.group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;

    fn certificate(names: &[&str], common_name: Option<&str>) -> Certificate {
        Certificate {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            common_name: common_name.map(str::to_owned),
            fingerprint: "00".into(),
        }
    }

    fn allowed(name: &str, group: &str) -> Allowed {
        Allowed { name: Pattern::new(name), group: group.into() }
    }

    #[test]
    fn without_a_list_every_certificate_of_the_ca_attaches() {
        assert_eq!(group(&[], &certificate(&["anyone"], None)), Some("default"));
    }

    #[test]
    fn the_first_match_by_any_name_says_the_group() {
        let allow = [allowed("shop-1", "vip"), allowed("shop-*", "shop"), allowed("cart", "cart")];
        assert_eq!(group(&allow, &certificate(&["shop-1"], None)), Some("vip"));
        assert_eq!(group(&allow, &certificate(&["other", "shop-2"], None)), Some("shop"));
        assert_eq!(group(&allow, &certificate(&["other"], Some("cart"))), Some("cart"));
        assert_eq!(group(&allow, &certificate(&["other"], Some("stranger"))), None);
    }
}
