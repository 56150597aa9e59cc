//! The proxy as an ASGI application, seen from the core: requests come from Python and go out over the workers' links.
//!
//! What Python awaits is polled where its event loop runs, as with an application that a worker serves.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use penstock_domain::{Code, Error, Side};
use penstock_http::Peer;
use penstock_ingress::Public;
use pyo3::{
    Bound, Py, PyAny, PyErr, PyResult, Python,
    pybacked::{PyBackedBytes, PyBackedStr},
    pyclass, pymethods,
    types::PyAnyMethods as _,
};
use tokio::runtime::Handle;

use crate::{
    asgi::{Bell, Item, Queue},
    error::raise,
};

use super::{
    exchange::Exchange,
    inbox::{Inbox, Taken},
    websocket::Websocket,
};

/// The proxy on one event loop. All methods are for the loop's thread.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Mount {
    public: Public,
    queue: Arc<Queue>,
    runtime: Handle,
    event_loop: Py<PyAny>,
}

impl Mount {
    pub(super) fn new(public: Public, runtime: Handle, event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let create_future = event_loop.getattr("create_future")?.unbind();
        let queue = Queue::new(0, create_future).map_err(|error| {
            raise(&Error::new(Code::Internal, Side::Gateway, format!("no pipe for the event loop: {error}")))
        })?;
        Ok(Self { public, queue: Arc::new(queue), runtime, event_loop: event_loop.clone().unbind() })
    }
}

#[pymethods]
impl Mount {
    /// Begins to listen on the loop.
    fn listen(this: &Bound<'_, Self>) -> PyResult<()> {
        let (py, own) = (this.py(), this.get());
        own.event_loop
            .call_method1(py, "add_reader", (own.queue.descriptor(), this.getattr("drain")?))
            .map(drop)
    }

    /// Resumes whoever waits. The loop calls it.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        self.queue.take()?.into_iter().try_for_each(|item| match item {
            Item::Rung(bell) => bell.answer(py),
            // Nobody offers one here.
            Item::Request(_) => Ok(()),
        })
    }

    /// Listens no more.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.queue.close();
        self.event_loop.call_method1(py, "remove_reader", (self.queue.descriptor(),)).map(drop)
    }

    /// Passes a request on. With `whole` it has no body.
    #[pyo3(signature = (method, target, headers, *, tls, client, whole))]
    fn request(
        &self,
        method: &str,
        target: &[u8],
        headers: Vec<(PyBackedBytes, PyBackedBytes)>,
        tls: bool,
        client: Option<(PyBackedStr, u16)>,
        whole: bool,
    ) -> PyResult<Exchange> {
        let inbox = if whole { Inbox::empty() } else { Inbox::default() };
        let request = head(method, target, headers)?.map(|()| Taken(inbox.clone()));
        let (public, peer) = (self.public.clone(), Arc::new(peer(client, tls)));
        let serving = async move { public.serve(request, &peer).await };
        Ok(Exchange::new(Box::pin(serving), inbox, Bell::new(&self.queue), self.runtime.clone()))
    }

    /// Opens a websocket, whose messages may be so big.
    #[pyo3(signature = (target, headers, *, tls, client, message_bytes))]
    fn websocket(
        &self,
        target: &[u8],
        headers: Vec<(PyBackedBytes, PyBackedBytes)>,
        tls: bool,
        client: Option<(PyBackedStr, u16)>,
        message_bytes: usize,
    ) -> PyResult<Websocket> {
        let (head, ()) = head("GET", target, headers)?.into_parts();
        let (public, peer) = (self.public.clone(), Arc::new(peer(client, tls)));
        let opening =
            async move { public.open(head, penstock_link::Protocol::from_static("websocket"), &peer).await };
        let bell = Bell::new(&self.queue);
        Ok(Websocket::new(Box::pin(opening), message_bytes, bell, self.runtime.clone()))
    }
}

fn head(method: &str, target: &[u8], headers: Vec<(PyBackedBytes, PyBackedBytes)>) -> PyResult<Request<()>> {
    let mut fields = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        fields.append(
            HeaderName::from_bytes(&name).map_err(|_| malformed("the name of a header"))?,
            HeaderValue::from_bytes(&value).map_err(|_| malformed("the value of a header"))?,
        );
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| malformed("the method"))?;
    *request.uri_mut() = Uri::try_from(target).map_err(|_| malformed("the target"))?;
    // What this hop is about was settled by the server that calls us: nothing here is an upgrade.
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = fields;
    Ok(request)
}

fn peer(client: Option<(PyBackedStr, u16)>, tls: bool) -> Peer {
    let address = client.and_then(|(host, port)| Some(SocketAddr::new(host.parse().ok()?, port)));
    let address = address.unwrap_or_else(|| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0));
    Peer { address, tls, server_name: None, certificate: None, host: None }
}

fn malformed(what: &str) -> PyErr {
    raise(&Error::new(Code::Malformed, Side::Client, format!("{what} cannot be passed on")))
}
