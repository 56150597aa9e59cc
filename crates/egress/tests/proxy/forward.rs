//! Ordinary requests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::world::{Origin, World, body, field, ok, read_head};

#[tokio::test]
async fn absolute_form_goes_to_its_url_whatever_host_says() {
    let (world, origin) = (World::new(json!({})).await, Origin::echo().await);
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: evil.test\r\nProxy-Connection: keep-alive\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\
         Proxy-Authorization: Basic eDp5\r\nX-Kept: 1\r\n\r\n",
        origin.url("/a/../b?c=%20")
    );
    // Anonymous callers may be; wrong credentials may not.
    assert!(world.raw(&request).await.starts_with("HTTP/1.1 407"));
    let request = request.replace("Proxy-Authorization: Basic eDp5\r\n", "");
    let answer = world.raw(&request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = body(&answer);
    assert!(seen.starts_with("GET /a/../b?c=%20 HTTP/1.1\r\n"), "{seen}");
    assert_eq!(field(seen, "host"), Some(origin.authority().as_str()));
    assert_eq!(field(seen, "x-kept"), Some("1"));
    assert!(field(seen, "via").unwrap().starts_with("1.1 penstock-"));
    for gone in ["proxy-connection", "connection", "x-hop", "proxy-authorization"] {
        assert_eq!(field(seen, gone), None, "{gone} in {seen}");
    }
}

#[tokio::test]
async fn origin_form_goes_to_host_and_connections_are_used_again() {
    let (world, origin) = (World::new(json!({})).await, Origin::echo().await);
    let mut tcp = TcpStream::connect(world.proxy).await.unwrap();
    for number in 0..5 {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: {}\r\n\r\n", origin.authority());
        tcp.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut tcp).await;
        let length: usize = field(&head, "content-length").unwrap().parse().unwrap();
        let mut seen = vec![0; length];
        tokio::io::AsyncReadExt::read_exact(&mut tcp, &mut seen).await.unwrap();
        assert!(seen.starts_with(format!("GET /{number} ").as_bytes()));
    }
    assert_eq!(origin.count(), 1);
    let log = world.log(5).await;
    assert_eq!((&log[0]["reused"], &log[4]["reused"]), (&json!(null), &json!(true)));
    assert_eq!((&log[4]["verdict"], &log[4]["status"]), (&json!("allowed"), &json!(200)));
    assert_eq!(log[4]["address"], json!(origin.address.to_string()));
    assert_eq!(world.stat("cluster.egress.upstream_cx_total"), 1);
    assert_eq!(world.stat("cluster.egress.upstream_rq_2xx"), 5);
    let own = format!("cluster.egress.destination.{}.upstream_rq_total", origin.authority());
    assert_eq!(world.stat(&own), 5);
}

#[tokio::test]
async fn bodies_pass_both_ways() {
    let (world, origin) = (World::new(json!({})).await, Origin::echo().await);
    let sent = "x".repeat(300_000);
    let answer = world
        .raw(&format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{sent}",
            origin.url("/"),
            sent.len()
        ))
        .await;
    assert!(answer.ends_with(&sent));
    let log = world.log(1).await;
    assert_eq!(log[0]["sent_bytes"], 300_000);
    assert!(log[0]["received_bytes"].as_u64().unwrap() > 300_000);
}

#[tokio::test]
async fn an_answer_that_is_cut_does_not_look_whole() {
    let world = World::new(json!({})).await;
    let origin = Origin::new(|mut tcp| async move {
        read_head(&mut tcp).await;
        tcp.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await.unwrap();
    })
    .await;
    let answer = world.get(&origin.url("/")).await;
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(world.log(1).await[0]["verdict"], "cut");
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_costs_no_request() {
    let world = World::new(json!({})).await;
    let origin = Origin::new(|mut tcp| async move {
        read_head(&mut tcp).await;
        tcp.write_all(ok("once").as_bytes()).await.unwrap();
    })
    .await;
    for _ in 0..20 {
        let answer = world.get(&origin.url("/")).await;
        assert!(answer.ends_with("once"), "{answer}");
    }
}

#[tokio::test]
async fn what_fails_is_named_and_what_is_safe_is_repeated() {
    let world = World::new(json!({"timeouts": {"response_ms": 300}, "retries": {"attempts": 2}})).await;
    let closed = Origin::echo().await.address.port();
    let silent = Origin::new(|tcp| async move {
        std::future::pending::<()>().await;
        drop(tcp);
    })
    .await;
    let resetting = Origin::new(|mut tcp| async move {
        read_head(&mut tcp).await;
        tcp.set_zero_linger().unwrap();
    })
    .await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_ne!(closed, free);
    let answer = world.get(&format!("http://origin.test:{free}/")).await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("refused"), "{answer}");
    let answer = world.get(&silent.url("/")).await;
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("timeouts.response_ms"), "{answer}");
    let answer = world.get(&resetting.url("/")).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(resetting.count(), 3, "a GET is repeated");
    let post = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        resetting.url("/")
    );
    assert!(world.raw(&post).await.starts_with("HTTP/1.1 502"));
    assert_eq!(resetting.count(), 4, "a POST is not");
    let missing = world.get("http://missing.test/").await;
    assert!(
        missing.starts_with("HTTP/1.1 50") && missing.contains("Proxy-Status: penstock; error=dns")
            || missing.contains("proxy-status: penstock; error=dns"),
        "{missing}"
    );
}

#[tokio::test]
async fn smuggling_shapes_reach_no_origin_as_two_requests() {
    let world = World::new(json!({})).await;
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    // It counts what it is sent, however that is framed.
    let origin = Origin::http(move |head, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        ok(if head.contains("smuggled") { "SMUGGLED" } else { "one" })
    })
    .await;
    let host = origin.authority();
    let url = origin.url("/");
    for shape in [
        format!(
            "POST {url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ),
        format!(
            "POST {url} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
        ),
        format!("POST {url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        format!("POST {url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: +1\r\n\r\na"),
        format!("POST {url} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!(
            "POST {url} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"
        ),
        format!("POST {url} HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nHost: evil\r\n\r\n"),
        format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nX: a\r\n b\r\n\r\n"),
        format!("GET {url} HTTP/1.1\r\nHost : {host}\r\n\r\n"),
        format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nX: a\rb\r\n\r\n"),
        format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nX: a\0b\r\n\r\n"),
    ] {
        let before = seen.load(Ordering::SeqCst);
        let answer = world.raw(&shape).await;
        let passed = seen.load(Ordering::SeqCst) - before;
        let refused = answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400");
        assert!(refused || passed == 1, "{shape:?} passed {passed} and got {answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{shape:?} got {answer}");
        assert!(!answer.contains("SMUGGLED"), "{shape:?} got {answer}");
    }
}

#[tokio::test]
async fn an_upgrade_that_the_origin_ignores_lets_nothing_through() {
    let (world, origin) = (World::new(json!({})).await, Origin::echo().await);
    let answer = world
        .raw(&format!(
            "GET {0} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\
             GET http://127.0.0.1:1/second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            origin.url("/first")
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("GET /first"), "{answer}");
    assert!(answer.contains("HTTP/1.1 502"), "the second is a request of its own: {answer}");
    assert!(!answer.contains("GET /second"));
}

#[tokio::test]
async fn upgrades_that_are_granted_pass_bytes() {
    let world = World::new(json!({})).await;
    let origin = Origin::new(|mut tcp| async move {
        let head = read_head(&mut tcp).await;
        assert_eq!(field(&head, "upgrade"), Some("echo"));
        tcp.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello",
        )
        .await
        .unwrap();
        let (mut reader, mut writer) = tcp.split();
        let _copied = tokio::io::copy(&mut reader, &mut writer).await;
    })
    .await;
    let mut tcp = TcpStream::connect(world.proxy).await.unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
        origin.url("/")
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut tcp).await;
    assert!(head.starts_with("HTTP/1.1 101") && field(&head, "upgrade") == Some("echo"), "{head}");
    tcp.write_all(b" world").await.unwrap();
    tcp.shutdown().await.unwrap();
    let mut rest = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut tcp, &mut rest).await.unwrap();
    assert_eq!(rest, "hello world");
    let log = world.log(1).await;
    assert_eq!(
        (&log[0]["kind"], &log[0]["status"], &log[0]["received_bytes"]),
        (&json!("upgrade"), &json!(101), &json!(11))
    );
}

#[tokio::test]
async fn expectations_are_met_before_the_body_is_sent() {
    let (world, origin) = (World::new(json!({})).await, Origin::echo().await);
    let mut tcp = TcpStream::connect(world.proxy).await.unwrap();
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        origin.url("/")
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    assert!(read_head(&mut tcp).await.starts_with("HTTP/1.1 100"));
    tcp.write_all(b"ok").await.unwrap();
    assert!(read_head(&mut tcp).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn header_bombs_are_refused() {
    let world = World::new(json!({"limits": {"header_fields": 20}})).await;
    let many: String = (0..30).map(|number| format!("X-{number}: 1\r\n")).collect();
    let answer = world.raw(&format!("GET http://origin.test:1/ HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = format!("X: {}\r\n", "a".repeat(200_000));
    let answer = world.raw(&format!("GET http://origin.test:1/ HTTP/1.1\r\nHost: x\r\n{long}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}
