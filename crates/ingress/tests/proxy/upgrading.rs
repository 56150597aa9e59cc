//! Requests that become byte streams.

use http::{Method, Request};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{empty, raw_kept},
    world::{PATIENCE, World, eventually},
};

fn upgrade(token: &str) -> String {
    format!(
        "GET /ws?x=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {token}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

fn head_over(answer: &str) -> bool {
    answer.contains("\r\n\r\n")
}

async fn echoes(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin)) {
    for size in [1, 1000, 200_000] {
        let sent = vec![b'a'; size];
        let mut back = vec![0; size];
        let (mut reader, mut writer) = tokio::io::split(&mut *stream);
        let both = async { tokio::try_join!(writer.write_all(&sent), reader.read_exact(&mut back)) };
        timeout(PATIENCE, both).await.expect("no echo").unwrap();
        assert!(back == sent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_and_other_upgrades_of_http1() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    for (token, accept) in [("websocket", true), ("echo", false)] {
        let (mut tcp, answer) = raw_kept(world.public(), upgrade(token).as_bytes(), head_over).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        assert_eq!(
            answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            accept,
            "{answer}"
        );
        assert!(
            answer.contains(&format!("upgrade: {token}\r\n")) && answer.contains("connection: upgrade\r\n")
        );
        assert!(answer.contains("x-path: http://shop.example/ws?x=1\r\n"), "{answer}");
        echoes(&mut tcp).await;
        // A half-close goes there and comes back.
        tcp.shutdown().await.unwrap();
        assert_eq!(timeout(PATIENCE, tcp.read(&mut [0; 8])).await.expect("no end").unwrap(), 0);
    }
    eventually(|| world.proxy.ingress().in_flight() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    let enough = |answer: &str| answer.contains("not this");
    let (_, answer) = raw_kept(world.public(), upgrade("unknown").as_bytes(), enough).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_of_one_hop_are_passed_over() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    let (_, answer) =
        raw_kept(world.public(), upgrade("h2c").as_bytes(), |answer| answer.contains("one")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_without_a_key_is_refused() {
    let world = World::plain().await;
    let worker = world.worker("one").await;
    let request = upgrade("websocket").replace("dGhlIHNhbXBsZSBub25jZQ==", "short");
    let (_, answer) = raw_kept(world.public(), request.as_bytes(), head_over).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(worker.requests(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extended_connect_of_http2() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    let io = TokioIo::new(TcpStream::connect(world.public()).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    // The settings say that it is spoken; they have come with the first answer.
    let first = Request::get("http://shop.example/").body(empty()).unwrap();
    sender.send_request(first).await.unwrap().into_body().collect().await.unwrap();
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://shop.example/ws")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(empty())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().get("x-path").unwrap(), "http://shop.example/ws");
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    echoes(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_connect_passes_where_the_route_lets_it() {
    let table = json!({"routes": [
        {"host": "*.allowed.example", "group": "default", "connect": true}, {"host": "*", "group": "default"},
    ]});
    let world = World::start(table, json!({})).await;
    let worker = world.worker("one").await;
    let connect = |host: &str| format!("CONNECT {host}:5432 HTTP/1.1\r\nHost: {host}:5432\r\n\r\n");
    let (mut tcp, answer) =
        raw_kept(world.public(), connect("db.allowed.example").as_bytes(), head_over).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-path: db.allowed.example:5432\r\n"), "{answer}");
    echoes(&mut tcp).await;
    let (_, answer) = raw_kept(world.public(), connect("other.example").as_bytes(), head_over).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(worker.requests(), 1);
}
