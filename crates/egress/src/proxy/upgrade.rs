//! Requests that become another protocol: websockets and their kind.

use std::time::Duration;

use http::Response;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use penstock_http::{Body, body};

use super::Exchange;
use crate::{
    tunnel::{Ends, relay},
    upstream::Connection,
};

/// Both sides have agreed on another protocol.
pub(super) struct Switch {
    pub caller: OnUpgrade,
    pub response: Response<Incoming>,
    /// It runs by itself until its bytes are ours; then it only keeps its place.
    pub connection: Connection,
    pub idle_ms: u64,
    pub longest: Option<Duration>,
}

impl Switch {
    /// The answer that agrees; the bytes that follow it are relayed.
    pub(super) fn answer(self, mut exchange: Exchange) -> Response<Body> {
        let Self { caller, mut response, connection, idle_ms, longest } = self;
        exchange.access.status = response.status().as_u16();
        let destination = hyper::upgrade::on(&mut response);
        let (head, _) = response.into_parts();
        tokio::spawn(async move {
            let (caller, destination) = match tokio::try_join!(caller, destination) {
                Ok(both) => both,
                Err(error) => return exchange.closed(Some(error.to_string())),
            };
            exchange.opened(idle_ms, longest);
            let ends = Ends { caller: TokioIo::new(caller), destination: TokioIo::new(destination) };
            relay(ends, exchange).await;
            drop(connection);
        });
        Response::from_parts(head, body::empty())
    }
}
