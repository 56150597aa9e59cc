//! Ordinary requests: out to a worker, and its answer back.

use std::future::poll_fn;

use bytes::Bytes;
use http::{Response, header};
use http_body::Body as HttpBody;
use penstock_domain::Error;
use penstock_http::{Body, body, headers};
use tokio_util::task::AbortOnDropHandle;

use super::{
    answer::Download,
    attempt::{Answered, attempt},
    errand::Errand,
    flight::Flight,
    source::Source,
};
use crate::worker::Lease;

/// Passes a request on, to one worker after the other while that is safe.
pub(super) async fn forward<B>(
    mut errand: Errand,
    body: B,
    mut flight: Flight,
) -> Result<Response<Body>, Error>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<body::BoxError>,
{
    let mut source = Source::new(body);
    let answered = tokio::select! {
        answered = exchange(&mut errand, &mut source) => answered,
        error = flight.over() => Err(error),
    };
    let (lease, (response, rest)) = match answered {
        Ok(answered) => answered,
        Err(error) => {
            flight.refused(&error);
            return Err(error);
        }
    };
    // The answer may come before the request's body has gone out: the rest goes beside it.
    let rest = rest.map(|mut send| {
        AbortOnDropHandle::new(tokio::spawn(async move {
            // Why it was cut is seen in the answer; the caller of a cut upload is gone.
            let _cut = poll_fn(|cx| source.poll(cx, &mut send)).await;
        }))
    });
    flight.answered(response.status(), Some(lease.worker.name()));
    let (mut parts, receive) = response.into_parts();
    headers::strip_hop_by_hop(&mut parts.headers);
    if let Some(cookie) = errand.cookie() {
        parts.headers.append(header::SET_COOKIE, cookie);
    }
    let mut answer =
        Response::new(body::any(Download::new(receive, rest, errand.inner.settings.idle(), lease, flight)));
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = parts.headers;
    Ok(answer)
}

async fn exchange<B>(errand: &mut Errand, source: &mut Source<B>) -> Result<(Lease, Answered), Error>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<body::BoxError>,
{
    loop {
        let lease = errand.lease().await?;
        match attempt(&lease, errand.request(), source, errand.patience()).await {
            Ok(answered) => return Ok((lease, answered)),
            Err(fault) => errand.again(&lease, fault, source.rewind())?,
        }
    }
}
