//! Calls on `/protobuf.Transport/Connect`: agents' links to open targets on, clients' links to serve.

use std::{convert::Infallible, future::pending, sync::Arc, time::Duration};

use penstock_domain::{Error, Principal};
use penstock_link::{
    Link, Serve,
    carrier::grpc::{Accept, Call, PacketStream, Purpose},
    serve,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    probe::{self, Probing},
    session,
    shared::Shared,
};

/// How long the streams of a link have to end by themselves, once its credential is revoked.
const LAST_WORDS: Duration = Duration::from_millis(800);

pub(crate) struct Links {
    shared: Arc<Shared>,
}

/// Who is at the other end.
pub(crate) struct Peer {
    principal: Principal,
    address: String,
    /// If it does not want a link.
    probing: Option<Probing>,
}

impl Links {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

#[async_trait::async_trait]
impl Accept for Links {
    type Peer = Peer;

    async fn authenticate(&self, call: Call) -> Result<Peer, Error> {
        if let Some(error) = self.shared.draining() {
            return Err(error);
        }
        let Call { credential, peer: address, purpose } = call;
        tracing::debug!(target: "penstock::link", peer = address, ?credential, "call");
        let asker = &self.shared.asker;
        match asker.authenticate(&self.shared.metrics, credential, address.clone()).await {
            Ok(principal) => {
                let probing = match purpose {
                    Purpose::Link => None,
                    Purpose::Probe { keepalive } => Some(self.shared.probes.admit(keepalive)?),
                };
                Ok(Peer { principal, address, probing })
            }
            Err(error) => {
                tracing::warn!(target: "penstock::link", peer = address, %error, "call refused");
                Err(error)
            }
        }
    }

    fn link(&self, peer: Peer, bytes: PacketStream) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let Peer { principal, address, probing } = peer;
            if let Some(probing) = probing {
                return probe::run(&shared, &principal, &address, bytes, probing).await;
            }
            match &principal {
                Principal::Agent { name } => {
                    agent(&shared, name, &address, bytes, &shared.close).await;
                }
                Principal::User { token, .. } => {
                    let token = token.clone();
                    client(shared, principal, token, address, bytes).await;
                }
                Principal::Worker { name, .. } => {
                    tracing::warn!(target: "penstock::link", peer = address, worker = name, "workers dial the tunnel port");
                }
            }
        });
    }
}

/// Holds an agent's link until it is lost or `close`.
pub(crate) async fn agent<T>(shared: &Shared, name: &str, address: &str, bytes: T, close: &CancellationToken)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let starting = timeout(shared.config.handshake(), Link::start(bytes, shared.config.keepalive()));
    let link = match starting.await.unwrap_or_else(|_| Err("no HTTP/2 in time".into())) {
        Ok(link) => link,
        Err(why) => {
            tracing::warn!(target: "penstock::link", agent = name, peer = address, why, "no link");
            return;
        }
    };
    shared.metrics.link_opened("agent");
    shared.agents.add(name, link.clone());
    tracing::info!(target: "penstock::link", agent = name, peer = address, "agent's link up");
    let elsewhere = async {
        shared.leaving().await;
        link.go_away();
        pending::<Infallible>().await
    };
    tokio::select! {
        () = link.lost() => {}
        () = close.cancelled() => link.close(),
        never = elsewhere => match never {},
    }
    tracing::info!(target: "penstock::link", agent = name, peer = address, "agent's link down");
}

async fn client(
    shared: Arc<Shared>,
    principal: Principal,
    token: String,
    address: String,
    bytes: PacketStream,
) {
    let (drain, close, revoked) =
        (shared.drain.child_token(), shared.close.child_token(), CancellationToken::new());
    let _registered = shared.clients.add(&token, revoked.clone());
    shared.metrics.link_opened("client");
    let mut options = Serve::new(drain.clone(), close.clone());
    options.keepalive = shared.config.keepalive();
    options.handshake = shared.config.handshake();
    options.streams = shared.config.client_streams;
    options.header_fields = shared.config.header_fields;
    options.resets_per_minute = shared.config.resets_per_minute;
    let name = principal.name().to_owned();
    let turns = shared.turns.of(&token);
    let serving = serve(bytes, options, |incoming| {
        session::run(Arc::clone(&shared), principal.clone(), address.clone(), turns.clone(), incoming)
    });
    let ended = tokio::select! {
        ended = serving => ended,
        never = revoke(&revoked, &drain, &close) => match never {},
    };
    tracing::debug!(target: "penstock::link", user = name, why = ended.err(), "client's link down");
}

/// Ends a link whose credential was revoked, after its sessions could tell their clients why.
async fn revoke(
    revoked: &CancellationToken,
    drain: &CancellationToken,
    close: &CancellationToken,
) -> Infallible {
    revoked.cancelled().await;
    drain.cancel();
    sleep(LAST_WORDS).await;
    close.cancel();
    pending().await
}
