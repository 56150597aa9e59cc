//! A scripted worker: what it answers is told by the path.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use penstock_link::{Incoming, Protocol, Receive, Respond, Serve, carrier::tls::Dialler, serve};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// One link of a worker that does as it is told.
pub struct Script {
    pub drain: CancellationToken,
    pub close: CancellationToken,
    pub log: Arc<Log>,
}

/// What a worker has seen, and what it waits for.
pub struct Log {
    name: String,
    pub requests: AtomicUsize,
    pub resets: AtomicUsize,
    /// What `/wait` takes one of.
    pub go: Semaphore,
}

impl Script {
    pub async fn dial(dialler: Dialler, name: &str) -> Self {
        let io = dialler.dial().await.unwrap();
        let (drain, close) = (CancellationToken::new(), CancellationToken::new());
        let log = Arc::new(Log {
            name: name.to_owned(),
            requests: AtomicUsize::new(0),
            resets: AtomicUsize::new(0),
            go: Semaphore::new(0),
        });
        let (options, seen) = (Serve::new(drain.clone(), close.clone()), Arc::clone(&log));
        tokio::spawn(serve(io, options, move |incoming| answer(incoming, Arc::clone(&seen))));
        Self { drain, close, log }
    }

    pub fn requests(&self) -> usize {
        self.log.requests.load(SeqCst)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.close.cancel();
    }
}

async fn answer(incoming: Incoming, log: Arc<Log>) {
    log.requests.fetch_add(1, SeqCst);
    let (request, mut respond) = incoming.exchange();
    let (head, mut body) = request.into_parts();
    let head = Request::from_parts(head, ());
    if head.extensions().get::<Protocol>().is_some() || head.method() == http::Method::CONNECT {
        return upgraded(&head, body, respond).await;
    }
    match head.uri().path() {
        "/echo" => echo(&head, body, respond).await,
        "/early" => {
            text(&mut respond, StatusCode::PAYLOAD_TOO_LARGE, "enough");
        }
        "/early-large" => text(&mut respond, StatusCode::OK, &"x".repeat(300_000)),
        "/wait" => {
            tokio::select! {
                permit = log.go.acquire() => {
                    permit.unwrap().forget();
                    text(&mut respond, StatusCode::OK, "at last");
                }
                () = respond.gone() => { log.resets.fetch_add(1, SeqCst); }
            }
        }
        "/endless" => endless(respond, &log).await,
        "/reset" => respond.fail(),
        "/none" => drop(respond.head(response(StatusCode::NO_CONTENT), true)),
        "/length" => {
            let mut response = response(StatusCode::OK);
            response.headers_mut().insert("content-length", HeaderValue::from_static("5"));
            if head.method() == http::Method::HEAD {
                drop(respond.head(response, true));
            } else {
                respond.head(response, false).unwrap().unwrap().send_last("12345".into()).await.unwrap();
            }
        }
        "/cut" => {
            let mut send = respond.head(response(StatusCode::OK), false).unwrap().unwrap();
            send.send("half of it".into()).await.unwrap();
            log.go.acquire().await.unwrap().forget();
            send.fail();
        }
        "/head" => {
            let mut lines: Vec<_> = head
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
                .collect();
            lines.sort();
            lines.insert(0, format!("{} {}\n", head.method(), head.uri()));
            text(&mut respond, StatusCode::OK, &lines.concat());
        }
        _ => {
            // Read, so that the stream ends in order.
            while let Ok(Some(_)) = body.chunk().await {}
            text(&mut respond, StatusCode::OK, &log.name);
        }
    }
}

fn response(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}

fn text(respond: &mut Respond, status: StatusCode, text: &str) {
    if let Ok(Some(mut send)) = respond.head(response(status), false) {
        let text = Bytes::copy_from_slice(text.as_bytes());
        tokio::spawn(async move { send.send_last(text).await });
    }
}

/// Sends back what comes, chunk by chunk, and the trailers.
async fn echo(head: &Request<()>, mut body: Receive, mut respond: Respond) {
    let mut response = response(StatusCode::OK);
    if let Some(kind) = head.headers().get("content-type") {
        response.headers_mut().insert("content-type", kind.clone());
    }
    let mut send = respond.head(response, false).unwrap().unwrap();
    while let Ok(Some(chunk)) = body.chunk().await {
        if send.send(chunk).await.is_err() {
            return;
        }
    }
    match body.trailers().await {
        Ok(Some(trailers)) => send.trailers(trailers).unwrap(),
        Ok(None) => {
            let status = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
            send.trailers(status).unwrap();
        }
        // The caller has gone: dropped, it is reset.
        Err(_) => {}
    }
}

async fn endless(mut respond: Respond, log: &Log) {
    let mut send = respond.head(response(StatusCode::OK), false).unwrap().unwrap();
    while send.send(Bytes::from_static(&[b'x'; 16 * 1024])).await.is_ok() {}
    log.resets.fetch_add(1, SeqCst);
}

/// Accepts `echo` and `websocket` and every CONNECT to a host that has `allowed` in its name; echoes bytes.
async fn upgraded(head: &Request<()>, mut body: Receive, mut respond: Respond) {
    let protocol = head.extensions().get::<Protocol>().map_or("", Protocol::as_str);
    let accepted = matches!(protocol, "echo" | "websocket")
        || (protocol.is_empty() && head.uri().host().is_some_and(|host| host.contains("allowed")));
    if !accepted {
        return text(&mut respond, StatusCode::FORBIDDEN, "not this");
    }
    let mut response = response(StatusCode::OK);
    response.headers_mut().insert("x-path", HeaderValue::try_from(head.uri().to_string()).unwrap());
    let mut send = respond.head(response, false).unwrap().unwrap();
    while let Ok(Some(chunk)) = body.chunk().await {
        if send.send(chunk).await.is_err() {
            return;
        }
    }
    // The end of a websocket's stream.
    let _gone = send.finish();
}
