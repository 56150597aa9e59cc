//! Requests that are passed on: sent, repeated where that is safe, answered.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use penstock_domain::{Code, Error, Side};
use tokio::time::{sleep, timeout};

use super::{
    Exchange, Granted,
    outgoing::Outgoing,
    reach::unreachable,
    response::{Answered, Outcome},
    upgrade::Switch,
};
use crate::{
    access::ms,
    breakers::Resource,
    destinations::Destination,
    refusal::Refusal,
    routes::To,
    upstream::{Connection, Transport, Unsent, Upload},
};

/// A connection that rested so long may be closed by the destination at the moment that it is used.
const RESTED: Duration = Duration::from_millis(500);

impl Granted<'_> {
    /// Sends a request and waits for the head of its answer.
    pub(super) async fn forward(
        &self,
        request: Request<Incoming>,
        read: Option<Bytes>,
        exchange: &mut Exchange,
    ) -> Result<Outcome, Refusal> {
        let destination = self.enter(exchange)?;
        let (mut head, body) = request.into_parts();
        let caller = head.extensions.remove::<hyper::upgrade::OnUpgrade>();
        let https = self.scheme == crate::config::Scheme::Https;
        let outgoing = Outgoing::new(&mut head, &self.authority(https), https, &exchange.shared.via)?;
        for (name, value) in &self.forward.set_headers {
            head.headers.insert(name.clone(), value.clone());
        }
        let upload = match read {
            Some(read) => Upload::whole(read),
            None => {
                let (upload, sent) = Upload::new(body, &exchange.line, &exchange.meter);
                exchange.sent = sent;
                upload
            }
        };
        let request = Request::from_parts(head, upload);
        let transport = self.transport(&request, outgoing.is_upgrade());
        let (response, connection) =
            self.attempts(request, &outgoing, transport, &destination, exchange).await?;
        self.outcome(&outgoing, caller, response, connection, &destination)
    }

    fn outcome(
        &self,
        outgoing: &Outgoing,
        caller: Option<hyper::upgrade::OnUpgrade>,
        mut response: Response<Incoming>,
        mut connection: Connection,
        destination: &Arc<Destination>,
    ) -> Result<Outcome, Refusal> {
        let status = response.status().as_u16();
        destination.count(|traffic| traffic.answered(status));
        self.note(destination, connection.address, matches!(status, 502..=504));
        let switched = outgoing.read(&mut response)?;
        match caller.filter(|_| switched) {
            Some(caller) => {
                connection.detach();
                let idle_ms = self.snapshot.config.timeouts.tunnel_idle_ms;
                let longest = self.judged.decision.rule.as_ref().and_then(|rule| rule.tunnel);
                Ok(Outcome::Switch(Box::new(Switch { caller, response, connection, idle_ms, longest })))
            }
            None if switched => {
                Err(unreachable(destination, "it switched protocols, which the caller cannot"))
            }
            None => {
                let config = &self.snapshot.config;
                Ok(Outcome::Answer(Box::new(Answered {
                    response,
                    connection,
                    destination: Arc::clone(destination),
                    pool: config.limits.pool_idle_connections,
                    request_ms: config.timeouts.request_ms,
                })))
            }
        }
    }

    async fn attempts(
        &self,
        mut request: Request<Upload>,
        outgoing: &Outgoing,
        transport: Transport,
        destination: &Arc<Destination>,
        exchange: &mut Exchange,
    ) -> Result<(Response<Incoming>, Connection), Refusal> {
        let mut retry = None;
        loop {
            let mut connection = match self.resting(destination, transport) {
                Some(resting) => {
                    exchange.access.reused = true;
                    exchange.access.address = Some(resting.address);
                    resting
                }
                // What is rare is kept out of the way: every request would carry the room for it.
                None => match Box::pin(self.connect(destination, transport, exchange)).await {
                    Ok(connection) => connection,
                    // Nothing was sent yet, so any request may be sent again.
                    Err(refusal) if refusal.error.code == Code::UpstreamUnreachable => {
                        retry = Some(Box::pin(self.again(destination, exchange, refusal)).await?);
                        continue;
                    }
                    Err(refusal) => return Err(refusal),
                },
            };
            outgoing.fit(&mut request, connection.is_http2())?;
            let spare = spare(&connection, &request);
            let since = Instant::now();
            let sent = self.in_time(connection.send(request), destination, exchange).await?;
            exchange.access.timings.response = Some(ms(since));
            let unsent = match sent {
                Ok(response) => {
                    if retry.is_some() {
                        destination.count(|traffic| traffic.retries_that_helped.add(1));
                    }
                    return Ok((response, connection));
                }
                Err(unsent) => unsent,
            };
            let (kept, address) = (connection.rested.is_some(), connection.address);
            drop(connection);
            if !kept {
                self.note(destination, address, true);
            }
            let again = self.unsent(unsent, spare, kept, destination, exchange, &mut retry);
            request = Box::pin(again).await?;
        }
    }

    /// The request to send again, if that is safe and allowed.
    async fn unsent(
        &self,
        unsent: Unsent,
        spare: Option<Request<Upload>>,
        kept: bool,
        destination: &Arc<Destination>,
        exchange: &mut Exchange,
        retry: &mut Option<crate::breakers::Place>,
    ) -> Result<Request<Upload>, Refusal> {
        let why = unreachable(destination, &format!("it gave no answer: {}", unsent.why));
        match (unsent.request, spare) {
            // It was never written: a connection that had been kept was closed meanwhile.
            (Some(request), _) if kept => Ok(request),
            (None, Some(spare)) if kept && unsent.closed => Ok(spare),
            (Some(request), _) | (None, Some(request)) if unsent.closed => {
                *retry = Some(self.again(destination, exchange, why).await?);
                Ok(request)
            }
            _ => Err(why),
        }
    }

    /// Waits before a repetition, with full jitter; `why` is given back if there is none.
    async fn again(
        &self,
        destination: &Arc<Destination>,
        exchange: &mut Exchange,
        why: Refusal,
    ) -> Result<crate::breakers::Place, Refusal> {
        let retries = &self.snapshot.config.retries;
        if exchange.access.retries >= retries.attempts {
            return Err(why);
        }
        let Ok(place) = self.place(destination, Resource::Retry) else { return Err(why) };
        let longest =
            retries.base_ms.saturating_mul(1 << exchange.access.retries.min(20)).min(retries.max_ms);
        sleep(Duration::from_millis(rand::random_range(0..=longest))).await;
        exchange.access.retries += 1;
        destination.count(|traffic| traffic.retries.add(1));
        Ok(place)
    }

    /// Waits for the head of the answer; the clock runs from the request's last byte.
    async fn in_time<F: Future>(
        &self,
        sent: F,
        destination: &Destination,
        exchange: &Exchange,
    ) -> Result<F::Output, Refusal> {
        let limit = self.forward.timeout_ms.unwrap_or(self.snapshot.config.timeouts.response_ms);
        if limit == 0 {
            return Ok(sent.await);
        }
        let limit = Duration::from_millis(limit);
        let mut rest = limit;
        tokio::pin!(sent);
        loop {
            if let Ok(output) = timeout(rest, &mut sent).await {
                return Ok(output);
            }
            let uploading = exchange.sent.as_ref().is_some_and(|sent| !sent.is_done());
            let silence = exchange.line.silence();
            if !uploading || silence >= limit {
                destination.count(|traffic| traffic.timeouts.add(1));
                let what = format!("{} did not answer within {} ms", destination.name, limit.as_millis());
                let error = Error::new(Code::UpstreamTimeout, Side::Upstream, what);
                return Err(error.hint("is it overloaded? the limit is timeouts.response_ms").into());
            }
            rest = limit - silence;
        }
    }

    /// The `Host` that the destination sees.
    fn authority(&self, https: bool) -> String {
        let port = if https { 443 } else { 80 };
        match &self.forward.to {
            To::Fixed(_, Some(host)) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
            To::Fixed(_, None) => self.host.authority(port),
            _ => self.target.authority(port),
        }
    }
}

/// A copy, to be sent if the connection breaks before any answer (RFC 9110 §9.2.2). Connections that are in
/// steady use do not break often enough to copy for.
fn spare(connection: &Connection, request: &Request<Upload>) -> Option<Request<Upload>> {
    let busy = connection.rested.is_some_and(|rested| rested.elapsed() < RESTED);
    if busy || !request.method().is_idempotent() {
        return None;
    }
    let mut copy = Request::new(request.body().again()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

/// Reads a whole body of at most so many bytes.
pub(super) async fn read_whole(body: &mut Incoming, most: usize) -> Result<Bytes, Refusal> {
    let mut limited = Limited::new(body, most);
    let mut whole = BytesMut::new();
    while let Some(frame) = limited.frame().await {
        match frame {
            Ok(frame) => whole.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                let what = format!("the route looks into the body, and it is longer than {most} bytes");
                let error = Error::new(Code::Malformed, Side::Client, what);
                let mut refusal = Refusal::from(error.hint("send less, or raise body_bytes of the route"));
                refusal.status = http::StatusCode::PAYLOAD_TOO_LARGE;
                return Err(refusal);
            }
            Err(error) => {
                let what = format!("the body was cut: {error}");
                return Err(Error::new(Code::Malformed, Side::Client, what).into());
            }
        }
    }
    Ok(whole.freeze())
}
