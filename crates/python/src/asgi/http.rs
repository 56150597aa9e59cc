//! An HTTP exchange as ASGI has it, without Python: what may follow what, and when it reaches the link.
//!
//! The head waits for the first of the body, so that a small response leaves in one piece; from then on every
//! part leaves at once.

use std::{
    collections::VecDeque,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use penstock_domain::{Code, Error, Side};
use penstock_link::{Receive, Respond, Send};
use pyo3::{
    Bound, PyErr, PyResult, Python, intern,
    types::{PyBytes, PyDict, PyDictMethods as _},
};

use super::{
    event::{Event, Sent},
    exchange::{Protocol, Refusal, speaks_of_leaving},
};

/// One request and its response.
pub(super) struct Http {
    respond: Option<Respond>,
    receive: Option<Receive>,
    send: Option<Send>,
    stage: Stage,
    outbox: VecDeque<Bytes>,
    head_only: bool,
    bodiless: bool,
    owed: Option<u64>,
    gone: bool,
}

/// What the application is to send next.
#[derive(Default)]
enum Stage {
    /// The start of the response.
    #[default]
    Start,
    /// The first part of the body; the head is held back until then.
    Head { head: Response<()>, trailers: bool },
    /// More of the body.
    Body { trailers: bool },
    /// The trailers.
    Trailers(HeaderMap),
    /// Nothing: what is left has to leave.
    Ending(Option<HeaderMap>),
    /// Nothing: all has left.
    Over,
}

/// What the application receives.
pub(super) enum Received {
    /// `http.request`; whether there is more.
    Body(Bytes, bool),
    /// `http.disconnect`.
    Disconnect,
}

impl Http {
    /// `head_only` is for requests by HEAD.
    pub(super) const fn new(head_only: bool, receive: Receive, respond: Respond) -> Self {
        Self {
            respond: Some(respond),
            receive: Some(receive),
            send: None,
            stage: Stage::Start,
            outbox: VecDeque::new(),
            head_only,
            bodiless: false,
            owed: None,
            gone: false,
        }
    }

    /// Resolves when the caller has gone or has its response, whatever it still sends.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Received::Body(..) = ready!(self.receive(cx)) {}
        Poll::Ready(())
    }

    fn left(&mut self) -> Received {
        self.leave();
        Received::Disconnect
    }

    fn begin(&mut self, head: Response<()>, trailers: bool) {
        let status = head.status();
        self.bodiless =
            self.head_only || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        let length = head.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        self.owed = length.and_then(|length| length.parse().ok()).filter(|_| !self.bodiless);
        self.stage = Stage::Head { head, trailers };
    }

    /// Sends the head; nothing will follow if all is there already and empty.
    fn head(&mut self, head: Response<()>) -> Result<(), Refusal> {
        let complete = matches!(self.stage, Stage::Ending(None)) && self.outbox.is_empty();
        let mut respond = self.respond.take().ok_or(Refusal::Gone)?;
        match respond.head(head, complete || self.bodiless) {
            Ok(send) => self.send = send,
            Err(_lost) => {
                self.leave();
                return Err(Refusal::Gone);
            }
        }
        Ok(())
    }

    fn body(&mut self, body: Bytes, more: bool, trailers: bool) -> Result<(), Refusal> {
        self.stage = Stage::Body { trailers };
        self.pay(body.len(), more)?;
        self.stage = match (more, trailers) {
            (true, trailers) => Stage::Body { trailers },
            (false, true) => Stage::Trailers(HeaderMap::new()),
            (false, false) => Stage::Ending(None),
        };
        if !body.is_empty() && !self.bodiless {
            self.outbox.push_back(body);
        }
        Ok(())
    }

    /// Holds the body against its announced length, which peers do too (RFC 9113 §8.1.1).
    fn pay(&mut self, length: usize, more: bool) -> Result<(), Refusal> {
        let Some(owed) = &mut self.owed else { return Ok(()) };
        match owed.checked_sub(length as u64) {
            None => Err(Refusal::Order("Response content longer than Content-Length".into())),
            Some(1..) if !more => Err(Refusal::Order("Response content shorter than Content-Length".into())),
            Some(rest) => {
                *owed = rest;
                Ok(())
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let last = matches!(self.stage, Stage::Ending(None));
        if let Some(send) = &mut self.send {
            while let Some(mut chunk) = self.outbox.pop_front() {
                let sent = if last && self.outbox.is_empty() {
                    send.poll_send_last(cx, &mut chunk)
                } else {
                    send.poll_send(cx, &mut chunk)
                };
                if sent.is_pending() {
                    self.outbox.push_front(chunk);
                }
                ready!(sent)?;
            }
        }
        if let Stage::Ending(trailers) = &mut self.stage {
            if let Some(send) = &mut self.send {
                match trailers.take().filter(|trailers| !trailers.is_empty()) {
                    Some(trailers) => send.trailers(trailers)?,
                    None => send.finish()?,
                }
            }
            self.stage = Stage::Over;
            // With the last handle goes what the caller still uploads: it is told to stop.
            (self.receive, self.send) = (None, None);
        }
        Poll::Ready(Ok(()))
    }
}

impl Protocol for Http {
    type Sent = Sent;
    type Received = Received;

    fn read(event: &Event<'_>) -> PyResult<Sent> {
        Sent::read(event)
    }

    fn write<'py>(py: Python<'py>, received: Received) -> PyResult<Bound<'py, PyDict>> {
        let event = PyDict::new(py);
        match received {
            Received::Body(body, more) => {
                event.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
                event.set_item(intern!(py, "body"), PyBytes::new(py, &body))?;
                event.set_item(intern!(py, "more_body"), more)?;
            }
            Received::Disconnect => event.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?,
        }
        Ok(event)
    }

    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        if self.gone || matches!(self.stage, Stage::Over) {
            return Poll::Ready(Received::Disconnect);
        }
        if let Some(receive) = &mut self.receive {
            let body = if receive.is_over() { Ok(None) } else { ready!(receive.poll_chunk(cx)) };
            let Ok(body) = body else { return Poll::Ready(self.left()) };
            let more = body.is_some() && !receive.is_over();
            if !more {
                self.receive = None;
            }
            return Poll::Ready(Received::Body(body.unwrap_or_default(), more));
        }
        match (&mut self.send, &mut self.respond) {
            (Some(send), _) => ready!(send.poll_gone(cx)),
            (None, Some(respond)) => ready!(respond.poll_gone(cx)),
            // The response has no body: all that the caller wants has left.
            (None, None) => return Poll::Ready(Received::Disconnect),
        }
        Poll::Ready(self.left())
    }

    fn send(&mut self, cx: &mut Context<'_>, sent: Sent) -> Poll<Result<(), Refusal>> {
        if self.gone {
            return Poll::Ready(Err(Refusal::Gone));
        }
        match (std::mem::take(&mut self.stage), sent) {
            (Stage::Start, Sent::Start(head, trailers)) => {
                self.begin(head, trailers);
                Poll::Ready(Ok(()))
            }
            (Stage::Head { head, trailers }, Sent::Body(body, more)) => {
                self.body(body, more, trailers)?;
                self.head(head)?;
                self.flush(cx)
            }
            (Stage::Body { trailers }, Sent::Body(body, more)) => {
                self.body(body, more, trailers)?;
                self.flush(cx)
            }
            (Stage::Trailers(mut trailers), Sent::Trailers(fields, more)) => {
                trailers.extend(fields);
                self.stage = if more { Stage::Trailers(trailers) } else { Stage::Ending(Some(trailers)) };
                self.flush(cx)
            }
            (stage, sent) => {
                let refusal = stage.refuse(sent.kind());
                self.stage = stage;
                Poll::Ready(Err(refusal))
            }
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        match ready!(self.poll_flush(cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_lost) => {
                self.leave();
                Poll::Ready(Err(Refusal::Gone))
            }
        }
    }

    fn returned(&mut self) -> Option<&'static str> {
        let complaint = match self.stage {
            Stage::Over | Stage::Ending(_) => return None,
            _ if self.gone => return None,
            Stage::Start => "ASGI callable returned without starting response.",
            _ => "ASGI callable returned without completing response.",
        };
        self.fail();
        Some(complaint)
    }

    fn fail(&mut self) {
        if let Some(respond) = self.respond.take()
            && !self.gone
        {
            refuse(respond, self.head_only);
        }
        if let Some(send) = &mut self.send {
            send.fail();
        }
        self.leave();
    }

    fn leave(&mut self) {
        self.gone = true;
        (self.respond, self.receive, self.send) = (None, None, None);
        self.outbox.clear();
    }

    fn news(&mut self) -> bool {
        self.gone || matches!(self.stage, Stage::Over)
    }

    fn raised(&mut self, py: Python<'_>, error: &PyErr) -> bool {
        let expected = self.gone && speaks_of_leaving(py, error);
        self.fail();
        !expected
    }
}

impl Stage {
    fn refuse(&self, sent: &str) -> Refusal {
        let expected = match self {
            Self::Start => "http.response.start",
            Self::Head { .. } | Self::Body { .. } => "http.response.body",
            Self::Trailers(_) => "http.response.trailers",
            Self::Ending(_) | Self::Over => {
                return Refusal::Order(format!(
                    "Unexpected ASGI message '{sent}' sent, after response already completed."
                ));
            }
        };
        Refusal::Order(format!("Expected ASGI message '{expected}', but got '{sent}'."))
    }
}

/// Answers without a body.
pub(super) fn answer(mut respond: Respond, status: StatusCode) {
    let mut response = Response::new(());
    *response.status_mut() = status;
    // Whoever is gone needs no answer.
    let _gone = respond.head(response, true);
}

/// Answers 500; a caller that has no credit for the problem document is reset instead.
pub(super) fn refuse(mut respond: Respond, head_only: bool) {
    let error = Error::new(Code::Internal, Side::Upstream, "the application failed")
        .hint("the worker's log says more");
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    let mut body = serde_json::to_vec(&error.problem()).unwrap_or_default().into();
    if let Ok(Some(mut send)) = respond.head(response, head_only) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _sent = send.poll_send_last(&mut cx, &mut body);
    }
}
