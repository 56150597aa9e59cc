//! One websocket of an event loop, and its worker's end of it.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::{Response, response::Parts};
use penstock_http::Body;
use penstock_ingress::{Held, Opened};
use penstock_link::Stream;
use pyo3::{
    IntoPyObject as _, Py, PyAny, PyResult, Python,
    pybacked::{PyBackedBytes, PyBackedStr},
    pyclass, pymethods,
    types::PyBytes,
};
use tokio::runtime::Handle;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::exchange::{cut, over, pairs};
use crate::asgi::{Awaitable, Bell, Operation};

// Close codes of RFC 6455, section 7.4.1.
const NO_STATUS: u16 = 1005;
const ABNORMAL: u16 = 1006;

type Opening = Pin<Box<dyn Future<Output = Result<Opened, Response<Body>>> + std::marker::Send>>;

/// A websocket on its way.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Websocket(Arc<Way>);

struct Way {
    stage: Mutex<Stage>,
    message_bytes: usize,
    bell: Arc<Bell>,
    runtime: Handle,
}

enum Stage {
    Asked(Opening),
    Open(Box<WebSocketStream<Stream>>, Held),
    Over,
}

impl Websocket {
    pub(super) fn new(opening: Opening, message_bytes: usize, bell: Arc<Bell>, runtime: Handle) -> Self {
        Self(Arc::new(Way { stage: Mutex::new(Stage::Asked(opening)), message_bytes, bell, runtime }))
    }

    fn operation(&self, operation: impl Operation + 'static) -> Awaitable {
        Awaitable::new(operation, Arc::clone(&self.0.bell))
    }

    fn send(&self, message: Message) -> Awaitable {
        self.operation(Send(Arc::clone(&self.0), Mutex::new(Some(message))))
    }
}

#[pymethods]
impl Websocket {
    /// Resolves with whether the worker accepts it, the status and the headers of its answer.
    fn open(&self) -> Awaitable {
        self.operation(Open(Arc::clone(&self.0)))
    }

    /// Resolves with the next message, text or bytes, or with the code and the reason of its end.
    fn receive(&self) -> Awaitable {
        self.operation(Receive(Arc::clone(&self.0)))
    }

    /// Resolves when the text has gone out.
    fn send_text(&self, text: PyBackedStr) -> Awaitable {
        self.send(Message::text(text.to_string()))
    }

    /// Resolves when the bytes have gone out.
    fn send_bytes(&self, data: PyBackedBytes) -> Awaitable {
        self.send(Message::binary(bytes::Bytes::from_owner(data)))
    }

    /// Resolves when the worker was told that there is no more.
    fn send_close(&self, code: u16, reason: PyBackedStr) -> Awaitable {
        let frame = CloseFrame { code: code.into(), reason: reason.to_string().into() };
        // The codes that stand for the lack of one are not for sending.
        self.send(Message::Close((!matches!(code, NO_STATUS | ABNORMAL)).then_some(frame)))
    }

    /// Gives it up.
    fn close(&self) {
        let gone = std::mem::replace(&mut *self.0.stage(), Stage::Over);
        let _inside = self.0.runtime.enter();
        drop(gone);
        self.0.bell.ring();
    }
}

impl Way {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self, opened: Opened) -> (Parts, Stage) {
        let Opened { head, stream, held } = opened;
        let config = WebSocketConfig::default()
            .max_message_size(Some(self.message_bytes))
            .max_frame_size(Some(self.message_bytes));
        // It only looks like a future.
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).now_or_never();
        (head, socket.map_or(Stage::Over, |socket| Stage::Open(Box::new(socket), held)))
    }
}

struct Open(Arc<Way>);

impl Operation for Open {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let _inside = self.0.runtime.enter();
        let mut stage = self.0.stage();
        let Stage::Asked(opening) = &mut *stage else { return Poll::Ready(Err(over())) };
        let (accepted, head) = match ready!(opening.as_mut().poll(cx)) {
            Ok(opened) => {
                let (head, open) = self.0.opened(opened);
                *stage = open;
                (true, head)
            }
            Err(answer) => {
                *stage = Stage::Over;
                (false, answer.into_parts().0)
            }
        };
        let told = pairs(py, &head.headers).map(|headers| (accepted, head.status.as_u16(), headers));
        Poll::Ready(told.and_then(|told| Ok(told.into_pyobject(py)?.into_any().unbind())))
    }
}

struct Receive(Arc<Way>);

impl Operation for Receive {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let _inside = self.0.runtime.enter();
        let mut stage = self.0.stage();
        let Stage::Open(socket, held) = &mut *stage else { return Poll::Ready(Err(over())) };
        if held.poll_over(cx).is_ready() {
            return Poll::Ready(Err(over()));
        }
        loop {
            let message = match ready!(socket.poll_next_unpin(cx)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Poll::Ready(Err(cut(&error.to_string()))),
                None => Message::Close(None),
            };
            held.sent(message.len());
            return Poll::Ready(match message {
                Message::Text(text) => Ok(text.as_str().into_pyobject(py)?.into_any().unbind()),
                Message::Binary(bytes) => Ok(PyBytes::new(py, &bytes).into_any().unbind()),
                Message::Close(frame) => {
                    // The answer to it goes out as far as it can; after the last word nobody waits for more.
                    let _answer = socket.poll_flush_unpin(cx);
                    let (code, reason) = frame.map_or((NO_STATUS, String::new()), |frame| {
                        (frame.code.into(), frame.reason.as_str().to_owned())
                    });
                    Ok((code, reason).into_pyobject(py)?.into_any().unbind())
                }
                // They are answered below us.
                _ => continue,
            });
        }
    }
}

struct Send(Arc<Way>, Mutex<Option<Message>>);

impl Operation for Send {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let _inside = self.0.runtime.enter();
        let mut stage = self.0.stage();
        let Stage::Open(socket, _) = &mut *stage else { return Poll::Ready(Err(over())) };
        let mut message = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if message.is_some() {
            if let Err(error) = ready!(socket.poll_ready_unpin(cx)) {
                return Poll::Ready(Err(cut(&error.to_string())));
            }
            if let Some(Err(error)) = message.take().map(|message| socket.start_send_unpin(message)) {
                return Poll::Ready(Err(cut(&error.to_string())));
            }
        }
        match ready!(socket.poll_flush_unpin(cx)) {
            Ok(()) => Poll::Ready(Ok(py.None())),
            Err(error) => Poll::Ready(Err(cut(&error.to_string()))),
        }
    }
}
