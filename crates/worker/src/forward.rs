//! The application is an upstream.

use std::{future::Future, io, sync::Arc};

use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use penstock_domain::Error;
use penstock_http::{body, upstream::Upstream};
use penstock_link::{Incoming, Protocol, Receive, Respond, Stream};
use penstock_relay::{Meter, join};

use crate::App;

/// Passes every request on to one upstream.
#[derive(Clone, Debug)]
pub struct Forward(Arc<Upstream>);

impl Forward {
    /// To this one.
    #[must_use]
    pub fn new(upstream: Upstream) -> Self {
        Self(Arc::new(upstream))
    }
}

impl App for Forward {
    fn serve(&self, incoming: Incoming) -> impl Future<Output = ()> + Send + 'static {
        let upstream = Arc::clone(&self.0);
        async move {
            let (request, respond) = incoming.exchange();
            let stream = respond.stream_id();
            let upgrade = request.extensions().get::<Protocol>().cloned();
            let served = match upgrade {
                Some(protocol) => tunnel(&upstream, request, respond, &protocol).await,
                None => exchange(&upstream, request, respond).await,
            };
            if let Err(error) = served {
                tracing::debug!(target: "penstock::worker", stream, %error, "request cut");
            }
        }
    }
}

/// A request and its answer.
async fn exchange(
    upstream: &Upstream,
    mut request: Request<Receive>,
    mut respond: Respond,
) -> io::Result<()> {
    if request.headers_mut().remove(header::EXPECT).is_some() {
        // The body is streamed anyway, and the upstream's word for it would not come through.
        respond.go_on().map_err(io::Error::other)?;
    }
    let request = request.map(|receive| if receive.is_over() { body::empty() } else { body::any(receive) });
    let answer = tokio::select! {
        answer = upstream.send(request) => answer,
        () = respond.gone() => return Ok(()),
    };
    match answer {
        Ok(response) => deliver(respond, response).await,
        Err(error) => refuse(respond, &error).await,
    }
}

/// An upgrade: once it is granted, bytes both ways.
async fn tunnel(
    upstream: &Upstream,
    request: Request<Receive>,
    mut respond: Respond,
    protocol: &Protocol,
) -> io::Result<()> {
    let (mut head, receive) = request.into_parts();
    head.extensions.insert(hyper::ext::Protocol::from(protocol.as_str()));
    let answer = tokio::select! {
        answer = upstream.send(Request::from_parts(head, body::empty())) => answer,
        () = respond.gone() => return Ok(()),
    };
    let mut response = match answer {
        Ok(response) if response.status().is_success() => response,
        Ok(response) => return deliver(respond, response).await,
        Err(error) => return refuse(respond, &error).await,
    };
    let upgraded = hyper::upgrade::on(&mut response).await.map_err(io::Error::other)?;
    let granted = Response::from_parts(response.into_parts().0, ());
    let Some(send) = respond.head(granted, false).map_err(io::Error::other)? else { return Ok(()) };
    join(Stream { receive, send }, TokioIo::new(upgraded), &Meter::default()).await
}

async fn refuse(respond: Respond, error: &Error) -> io::Result<()> {
    tracing::warn!(
        target: "penstock::worker", %error, hint = error.hint.as_deref().unwrap_or_default(), "no answer"
    );
    deliver(respond, body::problem(error)).await
}

/// Sends an answer. If its body is cut, the stream is reset, so that it does not look complete.
async fn deliver<B>(mut respond: Respond, response: Response<B>) -> io::Result<()>
where
    B: http_body::Body<Data = bytes::Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let (head, mut body) = response.into_parts();
    let head = Response::from_parts(head, ());
    let Some(mut send) = respond.head(head, body.is_end_stream()).map_err(io::Error::other)? else {
        return Ok(());
    };
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = send.gone() => return Ok(()),
        };
        match frame.transpose() {
            Ok(None) => return send.finish(),
            Ok(Some(frame)) => match frame.into_data() {
                Ok(data) if body.is_end_stream() => return send.send_last(data).await,
                Ok(data) => send.send(data).await?,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return send.trailers(trailers);
                    }
                }
            },
            Err(error) => {
                let error = io::Error::other(format!("the upstream's answer was cut: {error}"));
                send.fail();
                return Err(error);
            }
        }
    }
}
