//! The requesting role of a link: streams go out.

use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, client::SendRequest};
use http::{Request, StatusCode};
use penstock_domain::{Code, Error, Problem, Side};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::{Handle, Id},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Exchange, FRAME_BYTES, Failure, HEADER_BYTES, Keepalive, LINK_WINDOW, LOCAL_RESETS, Open, SEND_BUFFER,
    STREAM_WINDOW, Stream, farewell::Farewell, frame_log, frames::Frames, gather::Gather,
    in_flight::InFlight, keepalive::Heard,
};

/// The longest problem document that is read from a refusal.
const PROBLEM_BYTES: usize = 64 * 1024;

/// A handle to a link on which this side opens streams. Clones share the link.
#[derive(Clone, Debug)]
pub struct Link {
    requests: SendRequest<Bytes>,
    runtime: Id,
    in_flight: Arc<AtomicUsize>,
    lost: CancellationToken,
    close: CancellationToken,
    going_away: CancellationToken,
    go_away: CancellationToken,
}

impl Link {
    /// Starts a link over `io`; its bytes move in a task of their own until it ends.
    ///
    /// # Errors
    /// Why the handshake failed, for the log.
    pub async fn start<T>(io: T, keepalive: Keepalive) -> Result<Self, String>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heard = Heard::now();
        let (go_away, going_away) = (CancellationToken::new(), CancellationToken::new());
        let io = frame_log::requesting(io);
        let frames = Frames::requesting(io, Farewell::new(go_away.clone()), going_away.clone());
        let gather = Gather::new(heard.listening(frames));
        let handshake = builder().handshake(gather.clone());
        let (requests, mut connection) = handshake.await.map_err(|error| error.to_string())?;
        gather.begin();
        let pings = connection.ping_pong().ok_or("the link's PING is in use")?;
        let mut leaving = Box::pin(go_away.clone().cancelled_owned());
        let connection = poll_fn(move |cx| {
            let polled = Pin::new(&mut connection).poll(cx);
            if polled.is_pending() && leaving.as_mut().poll(cx).is_ready() {
                gather.poll_through(cx);
            } else if polled.is_pending() {
                gather.poll_leave(cx);
            }
            polled
        });
        let link = Self {
            requests,
            runtime: Handle::current().id(),
            in_flight: Arc::default(),
            lost: CancellationToken::new(),
            close: CancellationToken::new(),
            going_away,
            go_away,
        };
        let (close, ended) = (link.close.clone(), link.lost.clone().drop_guard());
        tokio::spawn(async move {
            let _ended: DropGuard = ended;
            let why = tokio::select! {
                result = connection => result.map_or_else(|error| error.to_string(), |()| "ended".into()),
                why = keepalive.watch(heard, pings) => why,
                () = close.cancelled() => "closed".into(),
            };
            tracing::debug!(target: "penstock::link", why, "link over");
        });
        Ok(link)
    }

    /// Opens a stream and waits for the peer's answer.
    ///
    /// # Errors
    /// The refusal's problem, or [`Code::Lost`] if the link ended.
    pub async fn open(&self, open: Open) -> Result<Stream, Error> {
        let request = open.into_request()?;
        let in_flight = InFlight::count(&self.in_flight, None);
        let mut requests = self.requests.clone().ready().await.map_err(lost)?;
        let (response, send) = requests.send_request(request, false).map_err(lost)?;
        let (head, body) = response.await.map_err(lost)?.into_parts();
        if head.status == StatusCode::OK {
            Ok(Stream::new(send, body, in_flight))
        } else {
            Err(refusal(head.status, body).await)
        }
    }

    /// Sends an ordinary request; with `end` it has no body.
    ///
    /// # Errors
    /// The link does not take it: it is lost, draining, or the request cannot be written.
    pub async fn request(&self, request: Request<()>, end: bool) -> Result<Exchange, Failure> {
        let in_flight = InFlight::count(&self.in_flight, None);
        let unsent = |error: h2::Error| Failure::unsent(&error);
        let mut requests = self.requests.clone().ready().await.map_err(unsent)?;
        let exchange = requests.send_request(request, end).map_err(unsent)?;
        Ok(Exchange::new(exchange, end, in_flight))
    }

    /// Whether the peer takes extended CONNECT (RFC 8441 §3); known once its settings have come.
    #[must_use]
    pub fn takes_extended_connect(&self) -> bool {
        self.requests.is_extended_connect_protocol_enabled()
    }

    /// Streams that the peer admits at once.
    #[must_use]
    pub fn most_streams(&self) -> usize {
        self.requests.current_max_send_streams()
    }

    /// Whether the link runs on the same runtime as the caller.
    pub(crate) fn is_here(&self) -> bool {
        Handle::try_current().is_ok_and(|here| here.id() == self.runtime)
    }

    /// Streams that are open or being opened.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether the link has ended.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Resolves when the link has ended.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Asks the peer, who dialled, for another link in this one's place, here or elsewhere (GOAWAY). What is open goes
    /// on; while anything is, more can be opened.
    pub fn go_away(&self) {
        self.go_away.cancel();
    }

    /// Whether the peer has said GOAWAY: it takes no more streams here.
    #[must_use]
    pub fn is_going_away(&self) -> bool {
        self.going_away.is_cancelled()
    }

    /// Resolves when the peer has said GOAWAY, or the link has ended.
    pub async fn going(&self) {
        tokio::select! {
            () = self.going_away.cancelled() => {}
            () = self.lost.cancelled() => {}
        }
    }

    /// Ends the link; its streams are reset.
    pub fn close(&self) {
        self.close.cancel();
    }
}

fn builder() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_connection_window_size(LINK_WINDOW)
        .initial_window_size(STREAM_WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_header_list_size(HEADER_BYTES)
        .max_local_error_reset_streams(Some(LOCAL_RESETS))
        .max_send_buffer_size(SEND_BUFFER);
    builder
}

fn lost(error: h2::Error) -> Error {
    Error::new(Code::Lost, Side::Gateway, format!("the link was lost: {error}"))
        .hint("it is redialled by itself; try again")
}

async fn refusal(status: StatusCode, body: RecvStream) -> Error {
    match timeout(Duration::from_secs(10), problem(body)).await {
        Ok(Some(problem)) => problem.into(),
        _ => {
            Error::new(Code::Malformed, Side::Gateway, format!("the peer answered {status} without a reason"))
                .hint("both sides should run a current Penstock")
        }
    }
}

async fn problem(mut body: RecvStream) -> Option<Problem> {
    let mut text = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        body.flow_control().release_capacity(chunk.len()).ok()?;
        if text.len() + chunk.len() > PROBLEM_BYTES {
            return None;
        }
        text.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&text).ok()
}
