//! The serving role of a link: streams come in.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    server::{Connection, SendResponse},
};
use http::{Request, Response, StatusCode};
use penstock_domain::{Code, Error, Problem, Side};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    FRAME_BYTES, HEADER_BYTES, Keepalive, LINK_WINDOW, LOCAL_RESETS, Open, Receive, Resets, SEND_BUFFER,
    STREAM_WINDOW, Send, Stream, frame_log, frames::Frames, gather::Gather, in_flight::InFlight,
    keepalive::Heard,
};

/// Streams, beyond twice those that are admitted, that are answered before any is refused: as many as HAProxy opens.
const UNHEEDED: u32 = 100;

/// How a link is served.
#[derive(Clone, Debug)]
pub struct Serve {
    /// Streams that the peer may have open at once.
    pub streams: u32,
    /// Whether the roles were reversed. HAProxy then heeds no limit of streams until it is said again, and makes an
    /// empty reply of a refused stream: what is far beyond the limit is answered 503 instead.
    pub reversed: bool,
    /// Header fields of a request.
    pub header_fields: usize,
    /// Streams that the peer may reset in a minute.
    pub resets_per_minute: u32,
    /// When the peer is asked whether it lives.
    pub keepalive: Keepalive,
    /// How long the peer may take for its preface and settings.
    pub handshake: Duration,
    /// Cancelled to drain: GOAWAY, then the streams that are open may finish.
    pub drain: CancellationToken,
    /// Cancelled to close at once.
    pub close: CancellationToken,
    /// Is cancelled by [`serve`] when the peer's first frame has come.
    pub established: CancellationToken,
    /// Is cancelled by [`serve`] when the peer says GOAWAY: it wants another link in this one's place.
    pub going_away: CancellationToken,
    /// Streams that are open, kept by [`serve`].
    pub in_flight: Arc<AtomicUsize>,
}

impl Serve {
    /// The limits for peers that are not ours (design §8), and default timings.
    #[must_use]
    pub fn new(drain: CancellationToken, close: CancellationToken) -> Self {
        Self {
            streams: 100,
            reversed: false,
            header_fields: 100,
            resets_per_minute: 1000,
            keepalive: Keepalive::default(),
            handshake: Duration::from_secs(10),
            drain,
            close,
            established: CancellationToken::new(),
            going_away: CancellationToken::new(),
            in_flight: Arc::default(),
        }
    }

    /// Streams from which on they are refused below HTTP.
    const fn refused(&self) -> u32 {
        if self.reversed { self.streams.saturating_mul(2).saturating_add(UNHEEDED) } else { self.streams }
    }

    /// Answers what is beyond a limit. The peer does not heed that of streams if there are twice as many: those that
    /// are over for the peer may not be over here.
    fn admit(&self, incoming: Incoming) -> Option<Incoming> {
        let most = usize::try_from(self.streams).unwrap_or(usize::MAX).saturating_mul(2);
        if incoming.request.headers().len() > self.header_fields {
            incoming.refuse(&too_many_fields(self.header_fields));
            None
        } else if self.in_flight.load(Ordering::Relaxed) > most {
            incoming.answer(&busy(self.streams));
            None
        } else {
            Some(incoming)
        }
    }

    fn builder(&self) -> h2::server::Builder {
        let mut builder = h2::server::Builder::new();
        builder
            .enable_connect_protocol()
            .initial_connection_window_size(LINK_WINDOW)
            .initial_window_size(STREAM_WINDOW)
            .max_concurrent_streams(self.refused())
            .max_frame_size(FRAME_BYTES)
            .max_header_list_size(HEADER_BYTES)
            .max_local_error_reset_streams(Some(LOCAL_RESETS))
            .max_send_buffer_size(SEND_BUFFER);
        builder
    }
}

/// A request for a stream, to be accepted or refused.
#[derive(Debug)]
pub struct Incoming {
    /// What is asked for; none if it is nothing that Penstock knows.
    pub open: Option<Open>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    in_flight: Arc<InFlight>,
}

impl Incoming {
    fn new(request: Request<RecvStream>, respond: SendResponse<Bytes>, in_flight: Arc<InFlight>) -> Self {
        Self { open: Open::from_request(&request), request, respond, in_flight }
    }

    /// Takes it as an ordinary request.
    #[must_use]
    pub fn exchange(self) -> (Request<Receive>, Respond) {
        let Self { request, respond, in_flight, .. } = self;
        let counted = Arc::clone(&in_flight);
        (request.map(|body| Receive::new(body, counted)), Respond { respond, in_flight })
    }

    /// Answers 200 and opens the stream.
    ///
    /// # Errors
    /// The peer has gone.
    pub fn accept(mut self) -> Result<Stream, h2::Error> {
        let send = self.respond.send_response(Response::new(()), false)?;
        Ok(Stream::new(send, self.request.into_body(), self.in_flight))
    }

    /// Answers with the error's status and its problem document.
    pub fn refuse(self, error: &Error) {
        self.answer(&error.problem());
    }

    fn answer(mut self, problem: &Problem) {
        if let Err(gone) = self.try_answer(problem) {
            tracing::debug!(target: "penstock::link", %gone, "the peer left before its refusal");
        }
    }

    fn try_answer(&mut self, problem: &Problem) -> Result<(), Box<dyn std::error::Error>> {
        let response = Response::builder()
            .status(problem.status)
            .header(http::header::CONTENT_TYPE, "application/problem+json")
            .body(())?;
        let mut body = self.respond.send_response(response, false)?;
        body.send_data(serde_json::to_vec(problem)?.into(), true)?;
        Ok(())
    }

    /// Resolves when the peer has given up waiting for the answer.
    pub async fn gone(&mut self) {
        if poll_fn(|cx| self.respond.poll_reset(cx)).await.is_ok() {
            self.in_flight.note_reset();
        }
    }
}

/// The answer to an ordinary request. Dropped unanswered, it resets the stream.
#[derive(Debug)]
pub struct Respond {
    respond: SendResponse<Bytes>,
    in_flight: Arc<InFlight>,
}

impl Respond {
    /// Sends the head; with `end` there is no body.
    ///
    /// # Errors
    /// The peer has gone, or the head cannot be written.
    pub fn head(&mut self, response: Response<()>, end: bool) -> Result<Option<Send>, h2::Error> {
        let send = self.respond.send_response(response, end)?;
        Ok((!end).then(|| Send::new(send, Arc::clone(&self.in_flight))))
    }

    /// Tells a peer that waits before it sends its body (`Expect: 100-continue`, RFC 9110 §10.1.1) not to.
    ///
    /// # Errors
    /// The peer has gone, or the head was sent.
    pub fn go_on(&mut self) -> Result<(), h2::Error> {
        let mut go_on = Response::new(());
        *go_on.status_mut() = StatusCode::CONTINUE;
        self.respond.send_informational(go_on)
    }

    /// Resolves when the peer has given up, or the link is lost.
    pub async fn gone(&mut self) {
        poll_fn(|cx| self.poll_gone(cx)).await;
    }

    /// [`Respond::gone`], for those who poll.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.respond.poll_reset(cx).map(|reason| {
            if reason.is_ok() {
                self.in_flight.note_reset();
            }
        })
    }

    /// Ends the stream with INTERNAL_ERROR.
    pub fn fail(mut self) {
        self.respond.send_reset(Reason::INTERNAL_ERROR);
    }

    /// The stream's identifier on its link, for logs.
    #[must_use]
    pub fn stream_id(&self) -> u32 {
        self.respond.stream_id().into()
    }
}

/// The next request. What the connection has to say leaves when there is none.
async fn accept<T: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<Gather<T>, Bytes>,
    gather: &Gather<T>,
) -> Option<Result<(Request<RecvStream>, SendResponse<Bytes>), h2::Error>> {
    poll_fn(|cx| {
        let accepted = connection.poll_accept(cx);
        if accepted.is_pending() {
            gather.poll_leave(cx);
        }
        accepted
    })
    .await
}

/// Serves a link until the peer ends it, it is drained, closed or lost. Each request runs `handler` in a task.
///
/// # Errors
/// Why the link was lost, for the log.
pub async fn serve<T, H, F>(io: T, options: Serve, handler: H) -> Result<(), String>
where
    T: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Incoming) -> F,
    F: Future<Output = ()> + std::marker::Send + 'static,
{
    let heard = Heard::now();
    let again = options.reversed.then_some(options.streams);
    let io = frame_log::serving(io);
    let io = Frames::serving(io, again, options.established.clone(), options.going_away.clone());
    let gather = Gather::new(heard.listening(io));
    let handshake = options.builder().handshake(gather.clone());
    let mut connection = tokio::select! {
        connection = timeout(options.handshake, handshake) => match connection {
            Ok(connection) => connection.map_err(|error| error.to_string())?,
            Err(_) => return Err("no HTTP/2 preface in time".into()),
        },
        () = options.close.cancelled() => return Ok(()),
    };
    gather.begin();
    let pings = connection.ping_pong().ok_or("the link's PING is in use")?;
    let resets = Arc::new(Resets::new(options.resets_per_minute));
    let dead = options.keepalive.watch(heard, pings);
    let (drain, close, exceeded) = (options.drain.cancelled(), options.close.cancelled(), resets.exceeded());
    tokio::pin!(dead, drain, close, exceeded);
    let mut draining = false;
    loop {
        tokio::select! {
            request = accept(&mut connection, &gather) => match request {
                None => return Ok(()),
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok((request, respond))) => {
                    let in_flight = InFlight::count(&options.in_flight, Some(&resets));
                    if let Some(incoming) = options.admit(Incoming::new(request, respond, in_flight)) {
                        tokio::spawn(handler(incoming));
                    }
                }
            },
            why = &mut dead => return Err(why),
            () = &mut exceeded => {
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                let _closed = timeout(Duration::from_secs(1), accept(&mut connection, &gather)).await;
                return Err(format!("more than {} resets in a minute", options.resets_per_minute));
            }
            () = &mut drain, if !draining => {
                draining = true;
                connection.graceful_shutdown();
            }
            () = &mut close => {
                connection.abrupt_shutdown(Reason::NO_ERROR);
                // One more turn of the connection, so that the peer hears of it.
                let _closed = timeout(Duration::from_secs(1), accept(&mut connection, &gather)).await;
                return Ok(());
            }
        }
    }
}

/// 503 and not 429: another link or peer may take it at once.
fn busy(most: u32) -> Problem {
    let error =
        Error::new(Code::Limited, Side::Agent, format!("the link carries its most of {most} streams"))
            .hint("try again, or hold more links");
    Problem { status: StatusCode::SERVICE_UNAVAILABLE.as_u16(), ..error.problem() }
}

fn too_many_fields(most: usize) -> Error {
    Error::new(Code::Limited, Side::Client, format!("the request has more than {most} header fields"))
}
