//! Callers and workers that mean no good.

use crate::{
    client::raw,
    world::{World, eventually},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_can_be_read_in_two_ways_reach_no_worker() {
    let world = World::plain().await;
    let worker = world.worker("one").await;
    for (request, status) in [
        ("GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /a/..%2fb HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /a/..\\b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: me@a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "400"),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
    ] {
        let head = |answer: &str| answer.contains("\r\n\r\n");
        let answer = raw(world.public(), request.as_bytes(), head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {answer}");
    }
    assert_eq!(worker.requests(), 0);
    // Chunked wins (RFC 9112 §6.3), and nothing may follow it on the connection.
    let smuggled = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n\
        0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = raw(world.public(), smuggled.as_bytes(), |_| false).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert_eq!(worker.requests(), 1);
    // The authority of the target wins over Host, and Host does not travel.
    let request = b"GET http://real.example/head HTTP/1.1\r\nHost: fake.example\r\nConnection: close\r\n\r\n";
    let answer = raw(world.public(), request, |_| false).await;
    assert!(answer.contains("GET http://real.example/head") && !answer.contains("fake"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_leave_leave_nothing() {
    let world = World::plain().await;
    let worker = world.worker("one").await;
    for round in 0..20 {
        let asking = tokio::spawn(world.http2().try_send(crate::client::get("/wait")));
        eventually(|| worker.requests() > round).await;
        asking.abort();
    }
    eventually(|| world.proxy.ingress().in_flight() == 0).await;
    world.until(|workers| workers[0].in_flight == 0 && workers[0].links == 1).await;
    assert_eq!(world.http1().get("/").await.0, 200);
}
