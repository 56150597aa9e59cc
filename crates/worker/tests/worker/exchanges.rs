//! Requests and answers.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, client::SendRequest};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use penstock_link::{Link, Receive};
use penstock_worker::Worker;
use serde_json::json;
use tokio::runtime::Handle;

use crate::{
    application::Application,
    proxy::{FLAVOURS, Proxy, soon},
    wire::{ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, HELLO, PING, Wire},
};

pub fn request(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("https://a{path}")).body(()).unwrap()
}

pub fn bytes(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// The whole answer to a request without a body.
pub async fn get(link: &Link, path: &str) -> Response<Bytes> {
    whole(soon(link.request(request(Method::GET, path), true)).await.unwrap().answer.head()).await
}

async fn whole<E: std::fmt::Debug>(
    head: impl Future<Output = Result<Response<Receive>, E>>,
) -> Response<Bytes> {
    let (head, mut body) = soon(head).await.unwrap().into_parts();
    let mut all = BytesMut::new();
    while let Some(chunk) = soon(body.chunk()).await.unwrap() {
        all.extend_from_slice(&chunk);
    }
    Response::from_parts(head, all.freeze())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_trip_in_both_flavours() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        let worker = proxy.worker(flavour, Application::new().0);
        let link = proxy.link().await;
        soon(worker.ready()).await;
        let answer = get(&link, "/hello").await;
        assert_eq!((answer.status(), &answer.body()[..]), (StatusCode::OK, &b"hello"[..]), "{flavour}");
        assert_eq!(answer.headers()["x-method"], "GET");
        assert_eq!(worker.state().links, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_and_trailers_pass_tiny_windows_both_ways() {
    for (flavour, window, length) in [("h2", 7, 10_000), ("rh2", 100, 300_000), ("h2", 65_535, 4 << 20)] {
        let proxy = Proxy::begin().await;
        let _worker = proxy.worker(flavour, Application::new().0);
        let client = proxy.client(window).await;
        let sent = bytes(length);
        let (answer, upload) =
            soon(client.ready()).await.unwrap().send_request(request(Method::POST, "/echo"), false).unwrap();
        let sending = tokio::spawn(upload_all(upload, sent.clone()));
        let body = soon(answer).await.unwrap().into_body();
        let (received, trailers) = soon(download_all(body)).await;
        soon(sending).await.unwrap();
        assert!(received == sent, "{flavour}: {} of {} bytes", received.len(), sent.len());
        assert_eq!(trailers.unwrap()["x-sum"], "7");
    }
}

async fn upload_all(mut upload: h2::SendStream<Bytes>, mut bytes: Bytes) {
    while !bytes.is_empty() {
        upload.reserve_capacity(bytes.len());
        let granted = soon(std::future::poll_fn(|cx| upload.poll_capacity(cx))).await.unwrap().unwrap();
        upload.send_data(bytes.split_to(granted), false).unwrap();
    }
    upload.send_trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())])).unwrap();
}

async fn download_all(mut body: RecvStream) -> (Bytes, Option<HeaderMap>) {
    let mut all = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        all.extend_from_slice(&chunk);
    }
    (all.freeze(), body.trailers().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_on_many_links_stay_apart() {
    let proxy = Proxy::begin().await;
    let config = proxy.config("h2", json!({"connections": 4}));
    let worker = Worker::start(&config, Application::new().0, &Handle::current()).unwrap();
    let mut exchanges = tokio::task::JoinSet::new();
    let mut links = Vec::new();
    for number in 0..4 {
        let client = proxy.client(65_535).await;
        for stream in 0..16 {
            exchanges.spawn(mirrored(client.clone(), (1 << 20) + number * 16 + stream));
        }
        links.push(client);
    }
    soon(worker.ready()).await;
    let mut finished = 0;
    while let Some(same) = soon(exchanges.join_next()).await {
        assert!(same.unwrap());
        finished += 1;
    }
    assert_eq!(finished, 64);
}

async fn mirrored(client: SendRequest<Bytes>, length: usize) -> bool {
    let (answer, upload) =
        soon(client.ready()).await.unwrap().send_request(request(Method::POST, "/echo"), false).unwrap();
    let sent = bytes(length);
    let sending = tokio::spawn(upload_all(upload, sent.clone()));
    let (received, _) = download_all(soon(answer).await.unwrap().into_body()).await;
    sending.await.unwrap();
    received == sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_chunk_leaves_at_once() {
    let proxy = Proxy::begin().await;
    let (application, _heard) = Application::new();
    let gate = application.gate.clone();
    let _worker = proxy.worker("h2", application);
    let link = proxy.link().await;
    let exchange = soon(link.request(request(Method::GET, "/steps"), true)).await.unwrap();
    let mut body = soon(exchange.answer.head()).await.unwrap().into_body();
    for step in ["one", "two", "three"] {
        gate.add_permits(1);
        assert_eq!(soon(body.chunk()).await.unwrap().unwrap(), step);
    }
    assert_eq!(soon(body.chunk()).await.unwrap(), None);
    assert_eq!(soon(body.trailers()).await.unwrap().unwrap()["x-sum"], "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_ends_the_upload_without_an_error() {
    let proxy = Proxy::begin().await;
    let _worker = proxy.worker("h2", Application::new().0);
    let client = proxy.client(65_535).await;
    let (answer, mut upload) =
        soon(client.ready()).await.unwrap().send_request(request(Method::POST, "/early"), false).unwrap();
    let (answer, mut body) = soon(answer).await.unwrap().into_parts();
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(soon(body.data()).await.is_none_or(|chunk| chunk.is_err()));
    let reason = soon(std::future::poll_fn(|cx| upload.poll_reset(cx))).await.unwrap();
    assert_eq!(reason, Reason::NO_ERROR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_answered_is_reset_and_the_link_lives_on() {
    let proxy = Proxy::begin().await;
    let _worker = proxy.worker("h2", Application::new().0);
    let link = proxy.link().await;
    let exchange = soon(link.request(request(Method::GET, "/nothing"), true)).await.unwrap();
    assert!(!soon(exchange.answer.head()).await.unwrap_err().unprocessed);
    assert_eq!(get(&link, "/hello").await.status(), StatusCode::OK);
    assert_eq!(link.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_are_answered_at_once() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        let _worker = proxy.worker(flavour, Application::new().0);
        let mut wire = Wire::accept(&proxy).await;
        wire.send(PING, 0, 0, b"12345678").await;
        let pong = wire.next(PING).await;
        assert_eq!((pong.flags, pong.payload.as_slice()), (ACK, &b"12345678"[..]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_in_pieces_is_put_together() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        let _worker = proxy.worker(flavour, Application::new().0);
        let mut wire = Wire::accept(&proxy).await;
        let (first, rest) = HELLO.split_at(3);
        let (second, third) = rest.split_at(4);
        wire.send(HEADERS, END_STREAM, 1, first).await;
        wire.send(CONTINUATION, 0, 1, second).await;
        wire.send(CONTINUATION, END_HEADERS, 1, third).await;
        let head = wire.next(HEADERS).await;
        assert_eq!((head.stream, head.flags & END_HEADERS), (1, END_HEADERS));
        let body = wire.next(DATA).await;
        assert_eq!((body.payload.as_slice(), body.flags & END_STREAM), (&b"hello"[..], END_STREAM));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_outlive_thousands_of_requests() {
    let proxy = Proxy::begin().await;
    let worker = proxy.worker("h2", Application::new().0);
    let link = proxy.link().await;
    for _ in 0..2000 {
        assert_eq!(get(&link, "/hello").await.status(), StatusCode::OK);
    }
    assert_eq!((link.in_flight(), link.is_lost()), (0, false));
    assert!(worker.shutdown(Duration::from_secs(30)).await);
}
