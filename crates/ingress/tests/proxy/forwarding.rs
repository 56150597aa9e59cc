//! Ordinary requests.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use penstock_link::carrier::tls::Flavour;
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    client::{Body, get, raw, whole},
    world::{PATIENCE, World, eventually, issue},
};

/// A body that is fed by hand.
fn fed() -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (feed, mut frames) = mpsc::channel::<Frame<Bytes>>(4);
    let stream = futures_util::stream::poll_fn(move |cx| frames.poll_recv(cx).map(|frame| frame.map(Ok)));
    (feed, StreamBody::new(stream).boxed())
}

fn data(bytes: impl Into<Bytes>) -> Frame<Bytes> {
    Frame::data(bytes.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_flavours_and_both_versions_carry_requests() {
    for flavour in [Flavour::Swap, Flavour::Rh2] {
        let world = World::plain().await;
        let _worker = world.worker_of(&issue(&world.ca, "one"), "one", flavour).await;
        for client in [world.http1(), world.http2()] {
            assert_eq!(client.get("/").await, (200, "one".into()));
            assert_eq!(client.post("/echo", "sent back").await, (200, "sent back".into()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_intact_both_ways() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    let sent: String = (0..200_000).map(|each| format!("{each:08x}")).collect();
    for client in [world.http1(), world.http2()] {
        let (status, back) = client.post("/echo", sent.clone()).await;
        assert_eq!(status, 200);
        assert!(back == sent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_pass_one_by_one_both_ways() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    for client in [world.http1(), world.http2()] {
        let (feed, body) = fed();
        feed.send(data("0")).await.unwrap();
        let response = client.send(Request::post("/echo").body(body).unwrap()).await;
        let mut answer = response.into_body();
        for each in 0..5 {
            let frame = timeout(PATIENCE, answer.frame()).await.expect("held back").unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), each.to_string());
            feed.send(data((each + 1).to_string())).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_pass_both_ways() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    let (feed, body) = fed();
    let request = Request::post("/echo").header("te", "trailers").body(body).unwrap();
    let trailers = http::HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
    feed.send(data("grpc")).await.unwrap();
    feed.send(Frame::trailers(trailers)).await.unwrap();
    drop(feed);
    let collected = world.http2().send(request).await.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap().get("x-sum").unwrap(), "7");
    assert_eq!(collected.to_bytes(), "grpc");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_is_delivered_and_the_upload_ends() {
    let world = World::plain().await;
    let worker = world.worker("one").await;
    for client in [world.http1(), world.http2()] {
        let (feed, body) = fed();
        feed.send(data(vec![0; 1000])).await.unwrap();
        let response = client.send(Request::post("/early").body(body).unwrap()).await;
        assert_eq!(whole(response).await, (413, "enough".into()));
        // Nobody takes the rest.
        let flooding = async { while feed.send(data(vec![0; 64 * 1024])).await.is_ok() {} };
        timeout(PATIENCE, flooding).await.expect("the upload goes on");
    }
    eventually(|| world.proxy.ingress().in_flight() == 0).await;
    assert_eq!(world.http1().get("/").await.0, 200);
    assert_eq!(worker.requests(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_is_whole_though_its_stream_was_reset() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    for client in [world.http1(), world.http2()] {
        let (feed, body) = fed();
        feed.send(data("x")).await.unwrap();
        let response = client.send(Request::post("/early-large").body(body).unwrap()).await;
        // What comes after it on the link has come: the reset has, too.
        assert_eq!(world.http1().get("/").await.0, 200);
        let answer = response.into_body().collect().await.expect("cut").to_bytes();
        assert_eq!(answer.len(), 300_000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_resets_the_stream() {
    let world = World::plain().await;
    let worker = world.worker("one").await;
    for (path, client) in [("/wait", world.http1()), ("/wait", world.http2())] {
        let before = worker.log.resets.load(SeqCst);
        let asking = tokio::spawn(client.try_send(get(path)));
        let seen = worker.requests();
        eventually(|| worker.requests() > seen || seen > before).await;
        asking.abort();
        eventually(|| worker.log.resets.load(SeqCst) > before).await;
    }
    let response = world.http2().send(get("/endless")).await;
    drop(response);
    eventually(|| worker.log.resets.load(SeqCst) == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_stalls_nobody() {
    let world = World::plain().await;
    let worker = world.worker("one").await;
    let stalled: Vec<_> =
        futures_util::future::join_all((0..20).map(|_| world.http1().send(get("/endless")))).await;
    for _ in 0..50 {
        assert_eq!(world.http1().get("/").await.0, 200);
    }
    drop(stalled);
    eventually(|| worker.log.resets.load(SeqCst) == 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_answer_never_looks_whole() {
    let world = World::plain().await;
    let worker = world.worker("one").await;
    for client in [world.http1(), world.http2()] {
        let response = client.send(get("/cut")).await;
        worker.log.go.add_permits(1);
        assert!(response.into_body().collect().await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_cleaned_and_say_where_the_request_came_from() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    let request = "GET /head?q=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\
        X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nTE: gzip\r\nExpect: 100-continue\r\n\
        Proxy-Authorization: Basic x\r\nCookie: a=1\r\n\r\n";
    let answer = raw(world.public(), request.as_bytes(), |_| false).await;
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    for line in [
        "GET http://shop.example/head?q=1",
        "cookie: a=1",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: shop.example",
        "x-forwarded-proto: http",
    ] {
        assert!(body.contains(&format!("{line}\n")), "{line} in {body}");
    }
    for name in ["\nhost:", "x-hop", "10.0.0.1", "\nte:", "expect", "proxy-", "connection", "\nforwarded:"] {
        assert!(!body.contains(name), "{name} in {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_behind_tls_says_so() {
    let public = json!([{"listen": "127.0.0.1:0", "behind_tls": true}]);
    let world = World::with(json!({"public": public}), <_>::default()).await;
    let _worker = world.worker("one").await;
    let (_, head) = world.http1().get("/head").await;
    assert!(head.contains("x-forwarded-proto: https\n") && head.starts_with("GET https://shop.example/head"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_callers_100_is_sent_before_its_body() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let answer = raw(world.public(), head, |answer| answer.contains("\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_a_body_have_none() {
    let world = World::plain().await;
    let _worker = world.worker("one").await;
    let head =
        raw(world.public(), b"HEAD /length HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", |_| false)
            .await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-length: 5\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let none =
        raw(world.public(), b"GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", |_| false).await;
    assert!(none.starts_with("HTTP/1.1 204") && none.ends_with("\r\n\r\n"), "{none}");
    assert!(!none.contains("transfer-encoding") && !none.contains("content-length"), "{none}");
    let length = raw(world.public(), b"GET /length HTTP/1.0\r\n\r\n", |_| false).await;
    assert!(length.contains("content-length: 5\r\n") && length.ends_with("\r\n\r\n12345"), "{length}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_lead_to_groups() {
    let table = json!({"routes": [
        {"host": "shop.example", "group": "shop"},
        {"host": "shop.example", "path": "/cart", "group": "cart"},
        {"host": "*.example", "group": "other"},
    ]});
    let tunnel = json!({"allow": [
        {"name": "shop-*", "group": "shop"}, {"name": "cart.common", "group": "cart"}, {"name": "o", "group": "other"},
    ]});
    let world = World::with(json!({"table": table, "tunnel": tunnel}), <_>::default()).await;
    let mut workers = Vec::new();
    for name in ["shop-1", "cart", "o"] {
        workers.push(world.worker(name).await);
    }
    for (host, path, wanted) in [
        ("shop.example", "/", "shop-1"),
        ("SHOP.example:8080", "/carts", "shop-1"),
        ("shop.example", "/cart/1?x=/", "cart"),
        ("a.b.example", "/cart", "o"),
    ] {
        let request = Request::get(path).header("host", host).body(crate::client::empty()).unwrap();
        assert_eq!(whole(world.http1().send(request).await).await.1, wanted, "{host}{path}");
    }
    let request = Request::get("/").header("host", "example").body(crate::client::empty()).unwrap();
    let response = world.http1().send(request).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_late_is_a_504() {
    let world = World::start(json!({}), json!({"head_seconds": 1})).await;
    let worker = world.worker("one").await;
    let (status, body) = world.http1().get("/wait").await;
    assert_eq!(status, 504, "{body}");
    eventually(|| worker.log.resets.load(SeqCst) == 1).await;
    // An upload that moves is not late.
    let (feed, body) = fed();
    let feeding = tokio::spawn(async move {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            feed.send(data("x")).await.unwrap();
        }
    });
    let response = world.http1().send(Request::post("/").body(body).unwrap()).await;
    assert_eq!(whole(response).await, (200, "one".into()));
    feeding.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_answer_is_given_up() {
    let world = World::start(json!({}), json!({"idle_seconds": 1})).await;
    let _worker = world.worker("one").await;
    let response = world.http1().send(get("/cut")).await;
    assert!(response.into_body().collect().await.is_err());
}
