//! What applications say: the events that `send` takes.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use pyo3::{
    Bound, PyAny, PyErr, PyResult, Python,
    exceptions::{PyRuntimeError, PyTypeError, PyValueError},
    intern,
    pybacked::PyBackedBytes,
    types::{
        PyAnyMethods as _, PyByteArray, PyBytes, PyBytesMethods as _, PyDict, PyDictMethods as _,
        PyMemoryView, PyString, PyStringMethods as _, PyTypeMethods as _,
    },
};
use tokio_tungstenite::tungstenite::Message;

/// Bodies from this size on are not copied: their `bytes` object lives until they have left.
const SHARED: usize = 64 * 1024;

/// An event of an HTTP response.
pub(super) enum Sent {
    /// `http.response.start`; whether trailers will follow the body.
    Start(Response<()>, bool),
    /// `http.response.body`; whether there is more.
    Body(Bytes, bool),
    /// `http.response.trailers`; whether there are more.
    Trailers(HeaderMap, bool),
    /// Something else.
    Other(String),
}

impl Sent {
    pub(super) fn kind(&self) -> &str {
        match self {
            Self::Start(..) => "http.response.start",
            Self::Body(..) => "http.response.body",
            Self::Trailers(..) => "http.response.trailers",
            Self::Other(kind) => kind,
        }
    }

    /// Reads an event.
    pub(super) fn read(event: &Event<'_>) -> PyResult<Self> {
        Self::of_kind(event.kind()?.to_str()?, event)
    }

    fn of_kind(kind: &str, event: &Event<'_>) -> PyResult<Self> {
        Ok(match kind {
            "http.response.start" => Self::Start(event.head()?, event.flag(intern!(event.py(), "trailers"))?),
            "http.response.body" => Self::Body(event.body()?, event.flag(intern!(event.py(), "more_body"))?),
            "http.response.trailers" => {
                Self::Trailers(event.headers()?, event.flag(intern!(event.py(), "more_trailers"))?)
            }
            other => Self::Other(other.to_owned()),
        })
    }
}

/// An event of a websocket.
pub(super) enum Said {
    /// `websocket.accept`
    Accept(Response<()>),
    /// `websocket.send`
    Message(Message),
    /// `websocket.close`; the code and the reason.
    Close(u16, String),
    /// `websocket.http.response.…`
    Response(Sent),
    /// Something else.
    Other(String),
}

impl Said {
    pub(super) fn kind(&self) -> &str {
        match self {
            Self::Accept(_) => "websocket.accept",
            Self::Message(_) => "websocket.send",
            Self::Close(..) => "websocket.close",
            Self::Response(sent) => sent.kind(),
            Self::Other(kind) => kind,
        }
    }

    /// Reads an event.
    pub(super) fn read(event: &Event<'_>) -> PyResult<Self> {
        let kind = event.kind()?;
        Ok(match kind.to_str()? {
            "websocket.accept" => Self::Accept(event.accept()?),
            "websocket.send" => Self::Message(event.message()?),
            "websocket.close" => {
                let code = event.get(intern!(event.py(), "code"))?.map_or(Ok(1000), |code| code.extract())?;
                Self::Close(code, event.text("reason")?.unwrap_or_default())
            }
            other => match other.strip_prefix("websocket.").filter(|kind| kind.starts_with("http.")) {
                Some(kind) => Self::Response(Sent::of_kind(kind, event)?),
                None => Self::Other(other.to_owned()),
            },
        })
    }
}

/// An event as Python has it.
pub(super) struct Event<'py>(pub(super) &'py Bound<'py, PyDict>);

impl<'py> Event<'py> {
    fn py(&self) -> Python<'py> {
        self.0.py()
    }

    /// Its type.
    pub(super) fn kind(&self) -> PyResult<Bound<'py, PyString>> {
        let kind = self.0.get_item(intern!(self.py(), "type"))?;
        let kind = kind.ok_or_else(|| PyValueError::new_err("an ASGI event needs a type"))?;
        kind.cast_into().map_err(PyErr::from)
    }

    /// A value that is there and not `None`.
    pub(super) fn get(&self, name: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.0.get_item(name)?.filter(|value| !value.is_none()))
    }

    /// A text that is there.
    pub(super) fn text(&self, name: &str) -> PyResult<Option<String>> {
        self.get(&PyString::new(self.py(), name))?.map(|text| text.extract()).transpose()
    }

    fn flag(&self, name: &Bound<'py, PyString>) -> PyResult<bool> {
        self.0.get_item(name)?.map_or(Ok(false), |value| value.is_truthy())
    }

    /// Status and headers of a response.
    fn head(&self) -> PyResult<Response<()>> {
        let status = self.0.get_item(intern!(self.py(), "status"))?;
        let status = status.ok_or_else(|| PyValueError::new_err("a response needs a status"))?.extract()?;
        let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_informational());
        let mut response = Response::new(());
        *response.status_mut() =
            status.ok_or_else(|| PyValueError::new_err("a response's status is 200 to 999"))?;
        *response.headers_mut() = self.headers()?;
        penstock_http::headers::strip_hop_by_hop(response.headers_mut());
        Ok(response)
    }

    /// The head that accepts a websocket.
    fn accept(&self) -> PyResult<Response<()>> {
        let mut response = Response::new(());
        *response.headers_mut() = self.headers()?;
        penstock_http::headers::strip_hop_by_hop(response.headers_mut());
        if let Some(subprotocol) = self.text("subprotocol")? {
            let subprotocol = HeaderValue::try_from(subprotocol)
                .map_err(|_| PyValueError::new_err("the subprotocol is not a token"))?;
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        Ok(response)
    }

    /// A message: bytes or text.
    fn message(&self) -> PyResult<Message> {
        if let Some(bytes) = self.get(intern!(self.py(), "bytes"))? {
            return Ok(Message::Binary(read_bytes(&bytes)?));
        }
        match self.get(intern!(self.py(), "text"))? {
            Some(text) => Ok(Message::text(text.cast::<PyString>()?.to_str()?)),
            None => Err(PyValueError::new_err("a websocket message has bytes or text")),
        }
    }

    /// Header fields: pairs of bytes.
    fn headers(&self) -> PyResult<HeaderMap> {
        let mut headers = HeaderMap::new();
        let Some(fields) = self.get(intern!(self.py(), "headers"))? else { return Ok(headers) };
        for field in fields.try_iter()? {
            let field = field?;
            let (name, value) = (field.get_item(0)?, field.get_item(1)?);
            let name = HeaderName::from_bytes(name.cast::<PyBytes>()?.as_bytes());
            let value = HeaderValue::from_bytes(value.cast::<PyBytes>()?.as_bytes());
            match (name, value) {
                (Ok(name), Ok(value)) => headers.append(name, value),
                (Err(_), _) => return Err(PyRuntimeError::new_err("Invalid HTTP header name.")),
                (_, Err(_)) => return Err(PyRuntimeError::new_err("Invalid HTTP header value.")),
            };
        }
        Ok(headers)
    }

    /// A part of a body.
    fn body(&self) -> PyResult<Bytes> {
        self.get(intern!(self.py(), "body"))?.map_or_else(|| Ok(Bytes::new()), |body| read_bytes(&body))
    }
}

/// Bytes of whatever holds bytes.
fn read_bytes(value: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        let data = bytes.as_bytes();
        return Ok(if data.len() < SHARED {
            Bytes::copy_from_slice(data)
        } else {
            Bytes::from_owner(PyBackedBytes::from(bytes.clone()))
        });
    }
    if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        let copied = value.py().get_type::<PyBytes>().call1((value,))?;
        return read_bytes(&copied);
    }
    Err(PyTypeError::new_err(format!("an ASGI event carries bytes, not {}", value.get_type().name()?)))
}
