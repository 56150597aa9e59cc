//! The tunnel port: links of agents and workers on mutual TLS.

use std::{net::SocketAddr, sync::Arc};

use penstock_domain::{Credential, Error, Principal};
use penstock_http::{Limits, Listener, proxy_protocol};
use penstock_link::{
    carrier::tls::{Accepted, Acceptor, NoLink},
    tls::Certificate,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{Tunnel, shared::Shared, transport};

/// The port's name in metrics and logs.
const PORT: &str = "tunnel";

/// Binds the port and reads its certificates.
pub(crate) async fn bind(tunnel: &Tunnel) -> Result<(Listener, Acceptor), Error> {
    let acceptor = Acceptor::new(&tunnel.cert_pem, &tunnel.key_pem, &tunnel.client_ca_pem)?;
    Ok((Listener::bind(&tunnel.listen, "TUNNEL_LISTEN").await?, acceptor))
}

/// Serves until the gateway closes.
pub(crate) async fn serve(listener: Listener, acceptor: Acceptor, shared: Arc<Shared>) {
    let accepting = shared.accepting(PORT);
    let limits = Arc::new(shared.config.limits());
    let serve = move |tcp, peer| {
        let (acceptor, limits, shared) = (acceptor.clone(), Arc::clone(&limits), Arc::clone(&shared));
        async move {
            let handshake = accept(&acceptor, tcp, peer, &limits);
            let accepted = timeout(shared.config.handshake(), handshake).await;
            let accepted = accepted.unwrap_or_else(|_| Err(NoLink::late()));
            shared.metrics.ports.handshake(PORT, accepted.is_ok());
            match accepted {
                Ok((accepted, address)) => link(shared, accepted, address).await,
                Err(why) if why.probe => {
                    tracing::debug!(target: "penstock::link", %peer, %why, "no handshake");
                }
                Err(why) => tracing::warn!(target: "penstock::link", %peer, %why, "no handshake"),
            }
        }
    };
    listener.serve(accepting, serve).await;
}

/// Who dialled, and from where as far as a trusted balancer says.
async fn accept(
    acceptor: &Acceptor,
    mut tcp: TcpStream,
    peer: SocketAddr,
    limits: &Limits,
) -> Result<(Accepted, SocketAddr), NoLink> {
    let address = proxy_protocol::source(&mut tcp, peer, limits).await?;
    Ok((acceptor.accept(tcp).await?, address))
}

async fn link(shared: Arc<Shared>, accepted: Accepted, address: SocketAddr) {
    let peer = address.to_string();
    let Accepted { bytes, certificate } = accepted;
    let Certificate { names, fingerprint, .. } = certificate.clone();
    // Registered first: a revocation during the decision finds the link.
    let close = shared.close.child_token();
    let _registered = shared.certificates.add(&fingerprint, close.clone());
    let credential = Credential::Certificate { names, fingerprint };
    tracing::debug!(target: "penstock::link", peer, ?credential, "handshake");
    let decided = match shared.draining() {
        Some(error) => Err(error),
        None => shared.asker.authenticate(&shared.metrics, credential, peer.clone()).await,
    };
    match decided {
        Ok(Principal::Agent { name }) => transport::agent(&shared, &name, &peer, bytes, &close).await,
        Ok(Principal::Worker { name, app }) => {
            if let Err(why) = worker(&shared, bytes, certificate, &app, address, &close).await {
                tracing::warn!(target: "penstock::link", peer, worker = name, app, why, "worker refused");
            }
        }
        Ok(Principal::User { name, .. }) => {
            tracing::warn!(target: "penstock::link", peer, user = name, "certificates are for agents");
        }
        Err(error) => tracing::warn!(target: "penstock::link", peer, %error, "certificate refused"),
    }
}

/// Holds a worker's link until it is lost or `close`.
async fn worker<T>(
    shared: &Shared,
    bytes: T,
    certificate: Certificate,
    app: &str,
    address: SocketAddr,
    close: &CancellationToken,
) -> Result<(), String>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Some(public) = &shared.public else {
        return Err("published apps are not served: PUBLIC_LISTEN is not set".into());
    };
    shared.metrics.link_opened("worker");
    public.ingress.carry(bytes, certificate, app, address, close).await
}
