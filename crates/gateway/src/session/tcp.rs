//! Connections of type `tcp`: bytes and counts only.

use penstock_domain::Client;
use penstock_link::{Receive, Send, Stream};
use penstock_relay::{Sink, Source};

use super::{Session, end::End, running::Running};
use crate::upstream;

/// Carries the session to its end.
pub(crate) async fn run(session: Session, stream: Stream) {
    let running = match session.begin(Client::default()).await {
        Ok(running) => running,
        Err(error) => {
            // The stream is reset as it is dropped: `tcp` has no words for the client.
            tracing::warn!(target: "penstock::session", %error, "session not begun");
            return;
        }
    };
    let Stream { mut receive, mut send } = stream;
    let end = tokio::select! {
        end = carry(&running, &mut receive, &mut send) => end,
        end = running.guard() => end,
    };
    if end.error.is_some() {
        send.reset();
    }
    running.finish(end).await;
}

async fn carry(running: &Running, receive: &mut Receive, send: &mut Send) -> End {
    let upstream = match upstream::open(&running.shared, &running.plan).await {
        Ok(upstream) => upstream,
        Err(error) => return error.into(),
    };
    let (mut source, mut sink) = upstream.split();
    match tokio::try_join!(outward(running, receive, &mut sink), inward(running, &mut source, send)) {
        Ok(_) => End::closed(),
        Err(end) => {
            sink.reset();
            end
        }
    }
}

async fn outward(running: &Running, receive: &mut Receive, sink: &mut Sink) -> Result<(), End> {
    while let Some(chunk) = receive.chunk().await.map_err(|error| End::client_lost(&error))? {
        running.live().meter.from_client(chunk.len());
        sink.send(chunk).await.map_err(|error| End::upstream_lost(&error))?;
    }
    sink.finish().await.map_err(|error| End::upstream_lost(&error))
}

async fn inward(running: &Running, source: &mut Source, send: &mut Send) -> Result<(), End> {
    while let Some(chunk) = source.chunk().await.map_err(|error| End::upstream_lost(&error))? {
        running.live().meter.from_upstream(chunk.len());
        send.send(chunk).await.map_err(|error| End::client_lost(&error))?;
    }
    send.finish().map_err(|error| End::client_lost(&error))
}
