//! Streams of HTTP/2 that stand still, beside others that do not.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    secure::http2,
    world::{LIMIT, Origin, World, read_head},
};

#[tokio::test]
async fn a_silent_stream_is_ended_alone() {
    let world = World::new(json!({"timeouts": {"idle_ms": 600}})).await;
    let origin = Origin::new(|mut tcp| async move {
        let head = read_head(&mut tcp).await;
        let _head = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc").await;
        while head.starts_with("GET /dripping") && tcp.write_all(b"x").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let _caller = tcp.read_u8().await;
    })
    .await;
    let mut sender = http2::<Empty<Bytes>>(TcpStream::connect(world.proxy).await.unwrap()).await;
    let mut ask = async |path: &str| {
        let request = Request::get(origin.url(path)).body(Empty::<Bytes>::new()).unwrap();
        timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap().into_body()
    };
    let mut dripping = ask("/dripping").await;
    let mut silent = ask("/silent").await;
    let ended = async { while silent.frame().await.unwrap().is_ok() {} };
    let dripped = async { while dripping.frame().await.unwrap().is_ok() {} };
    tokio::select! {
        ended = timeout(LIMIT, ended) => ended.unwrap(),
        () = dripped => panic!("a neighbour's silence ended it"),
    }
    assert!(timeout(LIMIT, dripping.frame()).await.unwrap().unwrap().is_ok());
    let log = world.log(1).await;
    assert_eq!(log[0]["path"], "/silent");
    assert!(log[0]["error"].as_str().unwrap().contains("no byte moved"), "{log:?}");
}

#[tokio::test]
async fn a_stream_that_nobody_reads_ends_with_its_connection() {
    let world = World::new(json!({"timeouts": {"idle_ms": 300}})).await;
    let origin = Origin::new(|mut tcp| async move {
        read_head(&mut tcp).await;
        let _head = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
        while tcp.write_all(&[0; 65_536]).await.is_ok() {}
    })
    .await;
    let mut sender = http2::<Empty<Bytes>>(TcpStream::connect(world.proxy).await.unwrap()).await;
    let request = Request::get(origin.url("/")).body(Empty::new()).unwrap();
    let answer = timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap();
    assert_eq!(world.log(1).await[0]["verdict"], "cut");
    world.until("cluster.egress.upstream_cx_active", 0).await;
    drop(answer);
}
