//! A websocket over an extended CONNECT stream (RFC 8441), as ASGI has it.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::{Response, StatusCode};
use penstock_link::{Receive, Respond, Stream};
use pyo3::{
    Bound, PyErr, PyResult, Python, intern,
    types::{PyBytes, PyDict, PyDictMethods as _},
};
use tokio::{runtime::Handle, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::{
    event::{Event, Said},
    exchange::{Protocol, Refusal, speaks_of_leaving},
    http::{self as exchange, Http},
};

/// How long a caller may take to answer our close.
const CLOSING: Duration = Duration::from_secs(10);

/// What a socket reads at once, in bytes.
const READ_BUFFER: usize = 8 * 1024;

// Close codes of RFC 6455, section 7.4.1, and of the registry that it founds.
const NORMAL: u16 = 1000;
const PROTOCOL_ERROR: u16 = 1002;
const NO_STATUS: u16 = 1005;
const ABNORMAL: u16 = 1006;
const NOT_UTF8: u16 = 1007;
const TOO_BIG: u16 = 1009;
const INTERNAL_ERROR: u16 = 1011;
const RESTART: u16 = 1012;

type Socket = WebSocketStream<Stream>;

/// One websocket.
pub(super) struct Websocket {
    told: bool,
    stage: Stage,
    news: bool,
    message_bytes: usize,
    runtime: Handle,
}

enum Stage {
    /// The application is to accept, to close or to answer.
    Connecting(Receive, Respond),
    /// It answers as to an ordinary request.
    Denied(Box<Http>),
    /// Messages pass.
    Open(Box<Socket>),
    /// Nothing passes any more; what the application is told of it, and whether it said so itself.
    Closed { code: u16, reason: String, by_us: bool },
}

/// What the application receives.
pub(super) enum Heard {
    Connect,
    Message(Message),
    Disconnect(u16, String),
}

impl Websocket {
    /// Messages may be so big. `runtime` is where a closed socket waits for the caller's answer.
    pub(super) const fn new(
        receive: Receive,
        respond: Respond,
        message_bytes: usize,
        runtime: Handle,
    ) -> Self {
        Self { told: false, stage: Stage::Connecting(receive, respond), news: false, message_bytes, runtime }
    }

    /// Leaves this stage; [`Websocket::shut`] or an assignment leads on.
    fn take(&mut self) -> Stage {
        self.news = true;
        std::mem::replace(&mut self.stage, closed(ABNORMAL, false))
    }

    fn accept(&mut self, head: Response<()>) -> Result<(), Refusal> {
        let Stage::Connecting(receive, mut respond) = self.take() else { return Err(Refusal::Gone) };
        let Ok(Some(send)) = respond.head(head, false) else { return Err(Refusal::Gone) };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(self.message_bytes))
            .max_frame_size(Some(self.message_bytes));
        let stream = Stream { receive, send };
        // It only looks like a future.
        let socket = Socket::from_raw_socket(stream, Role::Server, Some(config)).now_or_never();
        self.stage = Stage::Open(Box::new(socket.ok_or(Refusal::Gone)?));
        Ok(())
    }

    /// Ends in the way that the stage asks for; the application is told the code.
    fn shut(&mut self, code: u16, reason: String, by_us: bool) {
        match self.take() {
            Stage::Connecting(_, respond) => {
                let denied = if by_us { StatusCode::FORBIDDEN } else { StatusCode::SERVICE_UNAVAILABLE };
                exchange::answer(respond, denied);
            }
            Stage::Denied(mut http) => http.fail(),
            Stage::Open(socket) => {
                let frame = CloseFrame { code: code.into(), reason: reason.clone().into() };
                self.part(socket, Some(frame));
            }
            closed @ Stage::Closed { .. } => {
                self.stage = closed;
                return;
            }
        }
        self.stage = Stage::Closed { code, reason, by_us };
    }

    /// Sees a socket off: says the last word, hears the caller's, and ends the stream in order. A link may carry
    /// the end of a stream past its last bytes if nobody waits for these.
    fn part(&self, mut socket: Box<Socket>, frame: Option<CloseFrame>) {
        self.runtime.spawn(async move {
            let parting = async {
                if let Some(frame) = frame {
                    socket.send(Message::Close(Some(frame))).await?;
                }
                while let Some(Ok(_)) = socket.next().await {}
                socket.get_mut().send.finish()?;
                Ok::<_, Error>(())
            };
            match timeout(CLOSING, parting).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(target: "penstock::worker", %error, "a websocket was cut"),
                Err(_) => tracing::debug!(target: "penstock::worker", "a websocket's close was not answered"),
            }
        });
    }

    fn heard(&mut self, message: Option<Result<Message, Error>>) -> Option<Message> {
        let (code, reason, answer) = match message {
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) = frame.map_or((NO_STATUS, String::new()), |frame| {
                    (frame.code.into(), frame.reason.as_str().to_owned())
                });
                (code, reason, None)
            }
            Some(Ok(message)) => return Some(message),
            Some(Err(error)) => {
                let code = code(&error);
                (code, error.to_string(), Some(code).filter(|code| *code != ABNORMAL))
            }
            None => (ABNORMAL, String::new(), None),
        };
        if let Stage::Open(socket) = self.take() {
            self.part(socket, answer.map(|code| CloseFrame { code: code.into(), reason: "".into() }));
        }
        self.stage = Stage::Closed { code, reason, by_us: false };
        None
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        let Stage::Open(socket) = &mut self.stage else { return Poll::Ready(Ok(())) };
        if ready!(socket.poll_flush_unpin(cx)).is_err() {
            self.take();
            return Poll::Ready(Err(Refusal::Gone));
        }
        Poll::Ready(Ok(()))
    }
}

impl Protocol for Websocket {
    type Sent = Said;
    type Received = Heard;

    fn read(event: &Event<'_>) -> PyResult<Said> {
        Said::read(event)
    }

    fn write<'py>(py: Python<'py>, heard: Heard) -> PyResult<Bound<'py, PyDict>> {
        let event = PyDict::new(py);
        let kind = match heard {
            Heard::Connect => intern!(py, "websocket.connect"),
            Heard::Message(Message::Text(text)) => {
                event.set_item(intern!(py, "text"), text.as_str())?;
                intern!(py, "websocket.receive")
            }
            Heard::Message(message) => {
                event.set_item(intern!(py, "bytes"), PyBytes::new(py, &message.into_data()))?;
                intern!(py, "websocket.receive")
            }
            Heard::Disconnect(code, reason) => {
                event.set_item(intern!(py, "code"), code)?;
                event.set_item(intern!(py, "reason"), reason)?;
                intern!(py, "websocket.disconnect")
            }
        };
        event.set_item(intern!(py, "type"), kind)?;
        Ok(event)
    }

    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        if !self.told {
            self.told = true;
            return Poll::Ready(Heard::Connect);
        }
        loop {
            match &mut self.stage {
                Stage::Connecting(_, respond) => {
                    ready!(respond.poll_gone(cx));
                    self.take();
                }
                Stage::Denied(http) => {
                    ready!(http.poll_left(cx));
                    return Poll::Ready(Heard::Disconnect(ABNORMAL, String::new()));
                }
                Stage::Open(socket) => {
                    let message = ready!(socket.poll_next_unpin(cx));
                    // Pings are answered below us.
                    if let Some(message @ (Message::Text(_) | Message::Binary(_))) = self.heard(message) {
                        return Poll::Ready(Heard::Message(message));
                    }
                }
                Stage::Closed { code, reason, .. } => {
                    return Poll::Ready(Heard::Disconnect(*code, reason.clone()));
                }
            }
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, said: Said) -> Poll<Result<(), Refusal>> {
        match (&mut self.stage, said) {
            (Stage::Connecting(..), Said::Accept(head)) => Poll::Ready(self.accept(head)),
            (Stage::Connecting(..) | Stage::Open(_), Said::Close(code, reason)) => {
                self.shut(code, reason, true);
                Poll::Ready(Ok(()))
            }
            (Stage::Connecting(..), Said::Response(sent)) => {
                let Stage::Connecting(receive, respond) = self.take() else {
                    return Poll::Ready(Err(Refusal::Gone));
                };
                let mut http = Box::new(Http::new(false, receive, respond));
                let taken = http.send(cx, sent);
                self.stage = Stage::Denied(http);
                taken
            }
            (Stage::Denied(http), Said::Response(sent)) => http.send(cx, sent),
            (Stage::Open(socket), Said::Message(message)) => {
                if socket.start_send_unpin(message).is_err() {
                    self.take();
                    return Poll::Ready(Err(Refusal::Gone));
                }
                self.poll_flush(cx)
            }
            (Stage::Closed { by_us: false, .. }, _) => Poll::Ready(Err(Refusal::Gone)),
            (stage, said) => Poll::Ready(Err(stage.refuse(said.kind()))),
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        if let Stage::Denied(http) = &mut self.stage {
            return http.flush(cx);
        }
        self.poll_flush(cx)
    }

    fn news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    fn returned(&mut self) -> Option<&'static str> {
        match &mut self.stage {
            Stage::Connecting(..) => {
                self.fail();
                Some("ASGI callable returned without completing handshake.")
            }
            Stage::Denied(http) => http.returned(),
            Stage::Open(_) => {
                self.shut(NORMAL, String::new(), true);
                None
            }
            Stage::Closed { .. } => None,
        }
    }

    fn raised(&mut self, py: Python<'_>, error: &PyErr) -> bool {
        let gone = matches!(self.stage, Stage::Closed { by_us: false, .. });
        self.fail();
        !(gone && speaks_of_leaving(py, error))
    }

    fn fail(&mut self) {
        match self.take() {
            Stage::Connecting(_, respond) => exchange::refuse(respond, false),
            stage => {
                self.stage = stage;
                self.shut(INTERNAL_ERROR, String::new(), true);
            }
        }
    }

    fn leave(&mut self) {
        self.shut(RESTART, "the worker shuts down".into(), false);
    }
}

impl Stage {
    fn refuse(&self, sent: &str) -> Refusal {
        Refusal::Order(match self {
            Self::Connecting(..) => format!(
                "Expected ASGI message 'websocket.accept', 'websocket.close' or \
                 'websocket.http.response.start' but got '{sent}'."
            ),
            Self::Denied(_) => {
                format!("Expected ASGI message 'websocket.http.response.body' but got '{sent}'.")
            }
            Self::Open(_) => {
                format!("Expected ASGI message 'websocket.send' or 'websocket.close', but got '{sent}'.")
            }
            Self::Closed { .. } => format!(
                "Unexpected ASGI message '{sent}', after sending 'websocket.close' or response already \
                 completed."
            ),
        })
    }
}

const fn closed(code: u16, by_us: bool) -> Stage {
    Stage::Closed { code, reason: String::new(), by_us }
}

/// The close code for what went wrong.
fn code(error: &Error) -> u16 {
    match error {
        Error::Capacity(_) => TOO_BIG,
        Error::Utf8(_) => NOT_UTF8,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) => ABNORMAL,
        Error::Protocol(_) => PROTOCOL_ERROR,
        _ => ABNORMAL,
    }
}
