//! What a request that was carried becomes.

use std::{sync::Arc, time::Duration};

use http::Response;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use penstock_http::{Body, body};
use tokio::time::sleep_until;

use super::{Exchange, download::Download, upgrade::Switch};
use crate::{access::Kind, destinations::Destination, tunnel::Tunnel, upstream::Connection};

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
                let deadline = (request_ms > 0).then(|| {
                    Box::pin(sleep_until((exchange.access.since + Duration::from_millis(request_ms)).into()))
                });
                let download = Download::new(incoming, connection, destination, exchange, pool, deadline);
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
