//! What a request that was carried becomes.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Response;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use penstock_http::{Body, body};
use tokio::time::sleep_until;

use super::{
    Exchange,
    download::{Download, Over},
    upgrade::Switch,
};
use crate::{access::Kind, destinations::Destination, tunnel::Tunnel, upstream::Connection, watch::Line};

/// An answer.
pub(super) struct Answered {
    pub response: Response<Incoming>,
    pub connection: Connection,
    pub destination: Arc<Destination>,
    /// Connections that may rest.
    pub pool: usize,
    /// What the request as a whole may take, in milliseconds; 0: any time.
    pub request_ms: u64,
}

/// A request's outcome.
pub(super) enum Outcome {
    /// An answer, and the connection over which its body comes.
    Answer(Box<Answered>),
    /// A tunnel to the destination.
    Tunnel { caller: OnUpgrade, tunnel: Box<Tunnel> },
    /// Another protocol on both sides.
    Switch(Box<Switch>),
}

impl Outcome {
    /// The answer to the caller. What goes on after it takes the exchange along.
    pub(super) fn answer(self, mut exchange: Exchange) -> Response<Body> {
        match self {
            Self::Answer(answered) => {
                let Answered { response, connection, destination, pool, request_ms } = *answered;
                let (head, incoming) = response.into_parts();
                exchange.access.status = head.status.as_u16();
                let limit = over(&exchange, request_ms);
                let download = Download::new(incoming, connection, destination, exchange, pool, limit);
                Response::from_parts(head, body::any(download))
            }
            Self::Tunnel { caller, tunnel } => {
                exchange.access.status = 200;
                tokio::spawn(tunnel.run(caller, exchange));
                Response::new(body::empty())
            }
            Self::Switch(switch) => {
                exchange.access.kind = Kind::Upgrade;
                switch.answer(exchange)
            }
        }
    }
}

/// What ends the answer early, with the reason: the request's time, or the silence of its own stream.
fn over(exchange: &Exchange, request_ms: u64) -> Option<Over> {
    let limit = (request_ms > 0).then(|| exchange.access.since + Duration::from_millis(request_ms));
    let stream = exchange.stream.clone();
    if limit.is_none() && stream.is_none() {
        return None;
    }
    Some(Box::pin(async move {
        tokio::select! {
            () = late(limit) => "the request took longer than timeouts.request_ms".into(),
            why = stopped(stream) => why,
        }
    }))
}

async fn late(limit: Option<Instant>) {
    match limit {
        Some(limit) => sleep_until(limit.into()).await,
        None => pending().await,
    }
}

async fn stopped(stream: Option<Arc<Line>>) -> String {
    match stream {
        Some(stream) => stream.stopped().await.to_string(),
        None => pending().await,
    }
}
