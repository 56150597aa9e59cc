//! Workers that pass requests on to upstreams.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use penstock_http::upstream::{Options, Upstream};
use penstock_link::{Link, Protocol};
use penstock_worker::{Forward, Worker};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    exchanges::{bytes, get, request},
    proxy::{FLAVOURS, Proxy, soon},
    server::Server,
};

/// A worker in front of an upstream, and the proxy's link to it.
struct Path {
    proxy: Proxy,
    worker: Worker,
    link: Link,
}

impl Path {
    async fn to(flavour: &str, url: &str, options: Options) -> Self {
        let proxy = Proxy::begin().await;
        Self::through(proxy, flavour, url, options).await
    }

    async fn through(proxy: Proxy, flavour: &str, url: &str, options: Options) -> Self {
        let worker = proxy.worker(flavour, Forward::new(Upstream::parse(url, options).unwrap()));
        let link = proxy.link().await;
        Self { proxy, worker, link }
    }

    async fn seen(&self, request: Request<()>) -> Value {
        let exchange = soon(self.link.request(request, true)).await.unwrap();
        let mut body = soon(exchange.answer.head()).await.unwrap().into_body();
        serde_json::from_slice(&soon(body.chunk()).await.unwrap().unwrap()).unwrap()
    }

    async fn echoed(&self, sent: Bytes) -> (Bytes, Option<HeaderMap>) {
        let mut upload = request(Method::POST, "/echo");
        upload.headers_mut().insert("trailer", "x-sum".parse().unwrap());
        upload.headers_mut().insert("te", "trailers".parse().unwrap());
        let exchange = soon(self.link.request(upload, false)).await.unwrap();
        let mut send = exchange.send.unwrap();
        let sending = tokio::spawn(async move {
            send.send(sent).await.unwrap();
            send.trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())])).unwrap();
        });
        let mut body = soon(exchange.answer.head()).await.unwrap().into_body();
        let mut all = Vec::new();
        while let Some(chunk) = soon(body.chunk()).await.unwrap() {
            all.extend_from_slice(&chunk);
        }
        soon(sending).await.unwrap();
        (all.into(), soon(body.trailers()).await.unwrap())
    }
}

fn fields(seen: &Value) -> Vec<(&str, &str)> {
    let pairs = seen["fields"].as_array().unwrap().iter();
    pairs.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scheme_carries_bodies_and_trailers_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, proxy) = (folder.path().join("app.sock"), Proxy::begin().await);
    let (plain, secure) = (Server::plain().await, Server::tls(&proxy.authority.issue("127.0.0.1")).await);
    Server::unix(&socket);
    let ca_pem = Some(proxy.authority.pem());
    for (url, version) in [
        (format!("http://{}", plain.address), "HTTP/1.1"),
        (format!("unix:{}", socket.display()), "HTTP/1.1"),
        (format!("h2c://{}", plain.address), "HTTP/2.0"),
        (format!("https://{}", secure.address), "HTTP/2.0"),
    ] {
        for flavour in FLAVOURS {
            let path =
                Path::to(flavour, &url, Options { ca_pem: ca_pem.clone(), ..Options::default() }).await;
            assert_eq!(path.seen(request(Method::GET, "/seen")).await["version"], version, "{url}");
            let sent = bytes(3 << 20);
            let (received, trailers) = path.echoed(sent.clone()).await;
            assert!(received == sent, "{url}: {} of {} bytes", received.len(), sent.len());
            assert_eq!(trailers.unwrap()["x-sum"], "7", "{url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_request_arrives_as_it_was_asked() {
    let server = Server::plain().await;
    for scheme in ["http", "h2c"] {
        let path = Path::to("h2", &format!("{scheme}://{}", server.address), Options::default()).await;
        let mut asked = request(Method::PATCH, "/seen?x=1&y=%2f");
        for (name, value) in
            [("x-forwarded-for", "192.0.2.1"), ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")]
        {
            asked.headers_mut().append(name, value.parse().unwrap());
        }
        let seen = path.seen(asked).await;
        assert_eq!(seen["method"], "PATCH");
        let found = fields(&seen);
        assert!(found.contains(&("x-forwarded-for", "192.0.2.1")), "{found:?}");
        if scheme == "http" {
            assert_eq!(seen["uri"], "/seen?x=1&y=%2f");
            assert!(found.contains(&("host", "a")) && found.contains(&("cookie", "a=1; b=2")), "{found:?}");
            assert!(
                found.contains(&("connection", "te")) && found.contains(&("te", "trailers")),
                "{found:?}"
            );
        } else {
            assert_eq!(seen["uri"], "https://a/seen?x=1&y=%2f");
            assert!(found.contains(&("te", "trailers")), "{found:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_one_hop_does_not_come_back() {
    let server = Server::plain().await;
    let path = Path::to("h2", &format!("http://{}", server.address), Options::default()).await;
    let answer = get(&path.link, "/hop-by-hop").await;
    assert_eq!((&answer.body()[..], &answer.headers()["x-kept"]), (&b"kept"[..], &"1".parse().unwrap()));
    for name in ["connection", "x-secret", "keep-alive", "transfer-encoding"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_kept_and_shared() {
    let server = Server::plain().await;
    for (scheme, most) in [("http", 1), ("h2c", 2)] {
        let path = Path::to("h2", &format!("{scheme}://{}", server.address), Options::default()).await;
        for _ in 0..50 {
            assert_eq!(get(&path.link, "/").await.body(), "hello");
        }
        assert!(server.connections() <= most + 2, "{} connections", server.connections());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_before_the_body_is_told_to_go_on() {
    let server = Server::plain().await;
    let path = Path::to("h2", &format!("http://{}", server.address), Options::default()).await;
    let mut expecting = request(Method::POST, "/echo");
    expecting.headers_mut().insert("expect", "100-continue".parse().unwrap());
    let exchange = soon(path.link.request(expecting, false)).await.unwrap();
    let mut send = exchange.send.unwrap();
    send.send_last(Bytes::from_static(b"now")).await.unwrap();
    let mut answer = soon(exchange.answer.head()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(soon(answer.body_mut().chunk()).await.unwrap().unwrap(), "now");
    let mut asked = request(Method::GET, "/seen");
    asked.headers_mut().insert("expect", "100-continue".parse().unwrap());
    assert!(!fields(&path.seen(asked).await).iter().any(|(name, _)| *name == "expect"));
}

/// Answers one request on each connection, and closes when the next one comes.
async fn forgetful() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let mut tcp = listener.accept().await.unwrap().0;
            tokio::spawn(async move {
                let mut buffer = [0u8; 4096];
                assert!(tcp.read(&mut buffer).await.unwrap() > 0);
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                let _next = tcp.read(&mut buffer).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_that_turns_out_closed_costs_no_request_that_may_be_repeated() {
    let path = Path::to("h2", &format!("http://{}", forgetful().await), Options::default()).await;
    for _ in 0..20 {
        assert_eq!(get(&path.link, "/").await.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_repeated_is_not() {
    let path = Path::to("h2", &format!("http://{}", forgetful().await), Options::default()).await;
    let mut answered = Vec::new();
    while !answered.contains(&StatusCode::BAD_GATEWAY) && answered.len() < 20 {
        let exchange = soon(path.link.request(request(Method::POST, "/"), true)).await.unwrap();
        answered.push(soon(exchange.answer.head()).await.unwrap().status());
    }
    assert!(answered.contains(&StatusCode::BAD_GATEWAY), "{answered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_cut_is_reset_and_not_ended() {
    let server = Server::plain().await;
    for scheme in ["http", "h2c"] {
        let upstream =
            Upstream::parse(&format!("{scheme}://{}", server.address), Options::default()).unwrap();
        let proxy = Proxy::begin().await;
        let _worker = proxy.worker("h2", Forward::new(upstream));
        let client = proxy.client(65_535).await;
        let (answer, mut asked) =
            soon(client.ready()).await.unwrap().send_request(request(Method::POST, "/cut"), false).unwrap();
        let mut body = soon(answer).await.unwrap().into_body();
        assert_eq!(soon(body.data()).await.unwrap().unwrap(), "half");
        // What came before the cut is here: it overtakes nothing.
        asked.send_data(Bytes::new(), true).unwrap();
        let error = soon(body.data()).await.expect("it does not end in order").unwrap_err();
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{scheme}");
    }
}

fn problem(answer: &Response<Bytes>) -> Value {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    serde_json::from_slice(answer.body()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_not_there_is_a_problem_with_a_hint() {
    let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for url in [format!("http://{vacant}"), format!("h2c://{vacant}"), "unix:/nowhere/app.sock".into()] {
        let path = Path::to("h2", &url, Options::default()).await;
        let answer = get(&path.link, "/").await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        let problem = problem(&answer);
        assert_eq!(problem["code"], "upstream-unreachable");
        assert!(problem["hint"].as_str().unwrap().contains("running"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_nobody_vouches_for_is_a_problem() {
    let proxy = Proxy::begin().await;
    let server = Server::tls(&proxy.authority.issue("127.0.0.1")).await;
    let path = Path::through(proxy, "h2", &format!("https://{}", server.address), Options::default()).await;
    let answer = get(&path.link, "/").await;
    assert_eq!(
        (answer.status(), &problem(&answer)["code"]),
        (StatusCode::BAD_GATEWAY, &json!("upstream-tls"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_does_not_answer_is_given_up() {
    let server = Server::plain().await;
    for scheme in ["http", "h2c"] {
        let options = Options { answer: Duration::from_millis(50), ..Options::default() };
        let path = Path::to("h2", &format!("{scheme}://{}", server.address), options).await;
        let answer = get(&path.link, "/never").await;
        let code = problem(&answer)["code"].clone();
        assert_eq!((answer.status(), code), (StatusCode::GATEWAY_TIMEOUT, json!("upstream-timeout")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_the_answer_does_not_wait_for_ends() {
    let server = Server::plain().await;
    for scheme in ["http", "h2c"] {
        let path = Path::to("h2", &format!("{scheme}://{}", server.address), Options::default()).await;
        let exchange = soon(path.link.request(request(Method::POST, "/early"), false)).await.unwrap();
        let mut send = exchange.send.unwrap();
        let mut body = soon(exchange.answer.head()).await.unwrap();
        assert_eq!(body.status(), StatusCode::PAYLOAD_TOO_LARGE);
        while soon(body.body_mut().chunk()).await.is_ok_and(|chunk| chunk.is_some()) {}
        soon(send.gone()).await;
        assert_eq!(get(&path.link, "/").await.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_of_the_proxys_ends_the_exchange_with_the_upstream() {
    let server = Server::plain().await;
    let path = Path::to("h2", &format!("http://{}", server.address), Options::default()).await;
    let exchange = soon(path.link.request(request(Method::GET, "/never"), true)).await.unwrap();
    drop(exchange);
    // The worker has nothing left to wait for.
    assert!(soon(path.worker.shutdown(Duration::from_secs(20))).await);
    drop(path.proxy);
}

fn extended(path: &str, protocol: &'static str) -> Request<()> {
    let mut request = request(Method::CONNECT, path);
    request.extensions_mut().insert(Protocol::from_static(protocol));
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_carry_bytes_both_ways_and_half_closes() {
    let server = Server::plain().await;
    for (flavour, protocol, key) in
        [("h2", "websocket", "yes"), ("rh2", "websocket", "yes"), ("h2", "chat", "no")]
    {
        let path = Path::to(flavour, &format!("http://{}", server.address), Options::default()).await;
        let exchange = soon(path.link.request(extended("/upgrade", protocol), false)).await.unwrap();
        let (answer, mut body) = soon(exchange.answer.head()).await.unwrap().into_parts();
        assert_eq!((answer.status, &answer.headers["x-had-key"]), (StatusCode::OK, &key.parse().unwrap()));
        assert!(!answer.headers.contains_key("upgrade"));
        let mut send = exchange.send.unwrap();
        for _ in 0..3 {
            soon(send.send(Bytes::from_static(b"ping"))).await.unwrap();
            assert_eq!(soon(body.chunk()).await.unwrap().unwrap(), "PING");
        }
        send.finish().unwrap();
        assert_eq!(soon(body.chunk()).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_that_is_not_granted_is_not_a_tunnel() {
    let server = Server::plain().await;
    let path = Path::to("h2", &format!("http://{}", server.address), Options::default()).await;
    for (place, status) in [("/denied", StatusCode::FORBIDDEN), ("/", StatusCode::BAD_GATEWAY)] {
        let exchange = soon(path.link.request(extended(place, "websocket"), false)).await.unwrap();
        assert_eq!(soon(exchange.answer.head()).await.unwrap().status(), status, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_opens_no_tunnels() {
    let server = Server::plain().await;
    let path = Path::to("h2", &format!("http://{}", server.address), Options::default()).await;
    let connect = Request::connect("db.internal:5432").body(()).unwrap();
    let exchange = soon(path.link.request(connect, false)).await.unwrap();
    assert_eq!(soon(exchange.answer.head()).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(server.connections(), 0);
}
