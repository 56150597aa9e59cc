//! Connections of type `postgres`: the driver of the sans-IO machines in `penstock-inspect`.

mod cancel;
mod connect;
mod first_words;
mod relay;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use penstock_domain::{Client, Postgres};
use penstock_inspect::postgres::{First, Ready, Startup, reply};
use penstock_link::{Send, Stream};
use penstock_relay::{Sink, Source};
use tokio::{sync::mpsc, time::timeout};

use self::relay::Relay;
use super::{Session, end::End, running::Running};
use crate::registry::Cancellable;

/// How long a client that is being turned away may take to read why.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Carries the session to its end.
pub(crate) async fn run(session: Session, login: Postgres, mut stream: Stream) {
    match first_words::read(&session, &mut stream).await {
        Ok(None) => {}
        Ok(Some((First::Start(startup), rest))) => start(session, &login, stream, startup, rest).await,
        Ok(Some((First::Cancel { pid, secret }, _))) => {
            cancel::by_client(&session, &login, pid, &secret).await;
            close(&mut stream.send);
        }
        Ok(Some((First::Tls | First::Gss, _))) => close(&mut stream.send),
        Err(message) => turn_away(&mut stream.send, message).await,
    }
}

async fn start(session: Session, login: &Postgres, mut stream: Stream, startup: Startup, rest: BytesMut) {
    let client = Client {
        user: startup.user.clone(),
        database: startup.database.clone(),
        application: startup.application.clone(),
    };
    let running = match session.begin(client).await {
        Ok(running) => running,
        Err(error) => return turn_away(&mut stream.send, reply::refusal(&error)).await,
    };
    let end = tokio::select! {
        connected = connect::connect(&running, login, &startup.parameters) => connected.map_err(End::from),
        end = running.guard() => Err(end),
    };
    let end = match end {
        Ok(connected) => serve(&session, &running, login, connected, startup, &mut stream, rest).await,
        Err(end) => {
            conclude(&mut stream.send, &end, true).await;
            end
        }
    };
    running.finish(end).await;
}

/// An upstream that has logged in.
pub(crate) struct Connected {
    pub source: Source,
    pub sink: Sink,
    pub ready: Ready,
    /// Bytes that came behind ReadyForQuery.
    pub rest: Bytes,
}

async fn serve(
    session: &Session,
    running: &Running,
    login: &Postgres,
    connected: Connected,
    startup: Startup,
    stream: &mut Stream,
    rest: BytesMut,
) -> End {
    let Connected { source, sink, ready, rest: upstream_rest } = connected;
    // One place: a session whose recording is behind has been told already.
    let (cancelled, cancels) = mpsc::channel(1);
    let minted = session.shared.cancels.mint(Cancellable {
        principal: session.principal.name().to_owned(),
        plan: running.plan.clone(),
        backend: ready.backend.clone(),
        cancelled,
    });
    let (pid, secret) = minted.key;
    let welcome = reply::welcome(&ready.parameters, pid, secret, startup.negotiate.as_deref());
    if let Err(error) = stream.send.send(welcome).await {
        return End::client_lost(&error);
    }
    let mut relay = Relay::new(running, source, sink, cancels);
    let end = tokio::select! {
        end = relay.run(stream, rest.freeze(), upstream_rest) => end,
        end = running.guard() => end,
    };
    if let (Some(_), true, Some(backend)) = (&end.error, relay.is_busy(), ready.backend) {
        cancel::in_background(running, login, backend);
    }
    conclude(&mut stream.send, &end, relay.is_between_messages()).await;
    end
}

/// Tells the client why, if the stream is where a message may begin; else resets it, for a cut result must not
/// look complete.
async fn conclude(send: &mut Send, end: &End, between_messages: bool) {
    match &end.error {
        None => close(send),
        Some(error) if between_messages => turn_away(send, reply::refusal(error)).await,
        Some(_) => send.reset(),
    }
}

async fn turn_away(send: &mut Send, message: Bytes) {
    match timeout(LAST_WORDS, send.send(message)).await {
        Ok(Ok(())) => close(send),
        Ok(Err(_)) | Err(_) => send.reset(),
    }
}

fn close(send: &mut Send) {
    if let Err(error) = send.finish() {
        tracing::debug!(target: "penstock::session", %error, "the client left first");
    }
}
