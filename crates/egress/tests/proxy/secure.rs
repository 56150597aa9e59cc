//! TLS on either side, HTTP/2, and what a ClientHello must say.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::{BodyExt, Empty, StreamBody, combinators::BoxBody};
use hyper::{body::Frame, body::Incoming, client::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use penstock_link::tls::{Connector, Identity, Trust, acceptor};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::world::{LIMIT, Origin, World, field};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca() -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(ca: &Ca, name: &str) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, format!("{name} (common)"));
    let leaf = params.signed_by(&key, ca).unwrap();
    Identity { chain_pem: leaf.pem(), key_pem: key.serialize_pem() }
}

fn listener(ca: &Ca, clients: Option<&Ca>) -> Value {
    let Identity { chain_pem, key_pem } = issue(ca, "proxy.test");
    json!([{"address": "127.0.0.1:0", "connect": true,
            "tls": {"cert_pem": chain_pem, "key_pem": key_pem, "client_ca_pem": clients.map(|ca| ca.pem())}}])
}

/// TLS to the proxy.
async fn dial(
    world: &World,
    ca: &Ca,
    alpn: &[&[u8]],
    identity: Option<&Identity>,
) -> impl AsyncRead + AsyncWrite + Unpin + Send + 'static {
    let connector = Connector::new(&Trust::Roots(ca.pem()), None, alpn, identity).unwrap();
    connector.connect("proxy.test", TcpStream::connect(world.proxy).await.unwrap()).await.unwrap()
}

async fn ask<IO: AsyncRead + AsyncWrite + Unpin>(io: &mut IO, request: &str) -> String {
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _end = timeout(LIMIT, io.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// An origin that speaks TLS and answers with the request as it came.
async fn secure_origin(ca: &Ca, name: &str) -> Origin {
    let Identity { chain_pem, key_pem } = issue(ca, name);
    let acceptor = acceptor(&chain_pem, &key_pem).unwrap();
    Origin::new(move |tcp| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            serve(tls).await;
        }
    })
    .await
}

type Echo = BoxBody<Bytes, hyper::Error>;

/// Serves HTTP/1.1 or HTTP/2: the body comes back, then trailers that say the version.
async fn serve(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let echo = service_fn(|request: Request<Incoming>| async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-version", format!("{:?}", request.version()).parse().unwrap());
        trailers.insert("x-te", request.headers().get("te").map_or("none".parse().unwrap(), Clone::clone));
        let version = request.version();
        let body = request.into_body().map_frame(|frame| frame);
        let tail = futures_util::stream::iter([Ok(Frame::trailers(trailers))]);
        let frames = futures_util::StreamExt::chain(http_body_util::BodyStream::new(body), tail);
        let mut response = Response::new(BodyExt::boxed(StreamBody::new(frames)));
        response.headers_mut().insert("x-seen", format!("{version:?}").parse().unwrap());
        Ok::<Response<Echo>, hyper::Error>(response)
    });
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    let _ended = builder.serve_connection(TokioIo::new(io), echo).await;
}

/// An HTTP/2 client of the proxy.
pub async fn http2<B>(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> http2::SendRequest<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn callers_are_known_by_their_certificates() {
    let (ours, theirs) = (ca(), ca());
    let world = World::new(json!({
        "listeners": listener(&ours, Some(&theirs)), "default_action": "deny",
        "callers": {"anonymous": false, "list": [{"name": "robot", "certificates": ["robot.test"]},
                                                 {"name": "human", "certificates": ["human.test (common)"]}]},
        "profiles": [{"name": "p", "principals": ["robot", "human"], "rules": [{"name": "all", "action": "allow"}]}]
    }))
    .await;
    let origin = Origin::echo().await;
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", origin.url("/"));
    for (name, status) in [("robot.test", "200"), ("human.test", "200"), ("stranger.test", "407")] {
        let identity = issue(&theirs, name);
        let answer = ask(&mut dial(&world, &ours, &[b"http/1.1"], Some(&identity)).await, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {answer}");
    }
    let answer = ask(&mut dial(&world, &ours, &[b"http/1.1"], None).await, &request).await;
    assert!(answer.starts_with("HTTP/1.1 407"), "{answer}");
    let forged = issue(&ours, "robot.test");
    let mut refused = dial(&world, &ours, &[b"http/1.1"], Some(&forged)).await;
    assert!(refused.read_u8().await.is_err(), "another CA's certificate ends the handshake");
    let log = world.log(4).await;
    assert_eq!((&log[0]["principal"], &log[1]["principal"]), (&json!("robot"), &json!("human")));
}

#[tokio::test]
async fn tunnels_and_requests_share_an_http2_connection() {
    let ours = ca();
    let world = World::new(json!({"listeners": listener(&ours, None)})).await;
    let (mirror, echo) = (Origin::mirror().await, Origin::echo().await);
    let mut sender = http2::<Empty<Bytes>>(dial(&world, &ours, &[b"h2"], None).await).await;
    let request = Request::builder().uri(echo.url("/x")).body(Empty::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let seen = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&seen).starts_with("GET /x HTTP/1.1"));
    let connect =
        Request::builder().method(Method::CONNECT).uri(mirror.authority()).body(Empty::new()).unwrap();
    let response = sender.send_request(connect).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    tunnel.write_all(b"through").await.unwrap();
    tunnel.shutdown().await.unwrap();
    let mut back = String::new();
    tunnel.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "through");
    let log = world.log(2).await;
    assert_eq!((&log[1]["kind"], &log[1]["sent_bytes"]), (&json!("tunnel"), &json!(7)));
}

#[tokio::test]
async fn grpc_passes_with_its_trailers() {
    let world = World::new(json!({})).await;
    let origin = Origin::new(serve).await;
    let mut sender = http2::<Echo>(TcpStream::connect(world.proxy).await.unwrap()).await;
    let body = http_body_util::Full::new(Bytes::from_static(b"message")).map_err(|never| match never {});
    let request = Request::builder()
        .method("POST")
        .uri(origin.url("/service/Method"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(BodyExt::boxed(body))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["x-seen"], "HTTP/2.0");
    let whole = response.into_body().collect().await.unwrap();
    let trailers = whole.trailers().unwrap().clone();
    assert_eq!(
        (&trailers["x-version"], &trailers["x-te"]),
        (&"HTTP/2.0".parse().unwrap(), &"trailers".parse().unwrap())
    );
    assert_eq!(whole.to_bytes(), "message");
}

#[tokio::test]
async fn https_in_absolute_form_is_verified_by_name() {
    let (trusted, other) = (ca(), ca());
    let world = World::new(json!({"upstream_tls": {"roots_pem": trusted.pem()}})).await;
    let origin = secure_origin(&trusted, "origin.test").await;
    let answer = world.get(&format!("https://origin.test:{}/", origin.address.port())).await;
    assert!(answer.starts_with("HTTP/1.1 200") && field(&answer, "x-seen") == Some("HTTP/2.0"), "{answer}");
    let answer = world.get(&format!("https://other.test:{}/", origin.address.port())).await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("upstream-tls"), "{answer}");
    let strange = secure_origin(&other, "origin.test").await;
    let answer = world.get(&format!("https://origin.test:{}/", strange.address.port())).await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("upstream_tls"), "{answer}");
}

#[tokio::test]
async fn a_tunnel_must_name_its_target_if_the_rule_says_so() {
    let trusted = ca();
    let world = World::new(json!({"connect": {"require_tls_name": true}})).await;
    let origin = secure_origin(&trusted, "origin.test").await;
    let connector = |name: &str| {
        Connector::new(&Trust::Roots(trusted.pem()), Some(name.to_owned()), &[b"http/1.1"], None).unwrap()
    };
    let tunnel = world.connect(&origin.authority()).await;
    let mut tls = connector("origin.test").connect("x", tunnel).await.unwrap();
    let answer = ask(&mut tls, "GET / HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(tls);
    let tunnel = world.connect(&origin.authority()).await;
    let error = connector("evil.test").connect("x", tunnel).await.unwrap_err();
    assert!(error.message.contains("UnrecognisedName") || error.message.contains("alert"), "{error}");
    let mut plain = world.connect(&origin.authority()).await;
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut alert = Vec::new();
    timeout(LIMIT, plain.read_to_end(&mut alert)).await.unwrap().unwrap();
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
    drop(plain);
    let log = world.log(3).await;
    let by_name = |name: &str| log.iter().find(|line| line["sni"] == name).unwrap();
    assert_eq!(by_name("origin.test")["verdict"], "allowed");
    assert_eq!(by_name("evil.test")["verdict"], "denied");
    world.until("cluster.egress.upstream_cx_active", 0).await;
}

#[tokio::test]
async fn the_name_in_a_tunnel_is_logged() {
    let trusted = ca();
    let (world, origin) = (World::new(json!({})).await, secure_origin(&trusted, "origin.test").await);
    let tunnel = world.connect(&origin.authority()).await;
    let connector = Connector::new(&Trust::Roots(trusted.pem()), None, &[b"h2"], None).unwrap();
    drop(connector.connect("origin.test", tunnel).await.unwrap());
    assert_eq!(world.log(1).await[0]["sni"], "origin.test");
}

#[tokio::test]
async fn websockets_come_from_http2_too() {
    // What holds for tunnels does not hold for them: their first request can be seen.
    let world = World::new(json!({"connect": {"ports": []}, "routes": [
        {"name": "ws", "match": {"path": {"prefix": "/ws"}, "methods": ["GET"]}, "act": {"kind": "forward"}}]}))
    .await;
    let origin = Origin::new(|mut tcp| async move {
        let head = crate::world::read_head(&mut tcp).await;
        assert!(
            head.starts_with("GET /ws HTTP/1.1") && field(&head, "sec-websocket-key").is_some(),
            "{head}"
        );
        tcp.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .await
        .unwrap();
        let (mut reader, mut writer) = tcp.split();
        let _copied = tokio::io::copy(&mut reader, &mut writer).await;
    })
    .await;
    let mut sender = http2::<Empty<Bytes>>(TcpStream::connect(world.proxy).await.unwrap()).await;
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(origin.url("/ws"))
        .version(Version::HTTP_2)
        .body(Empty::new())
        .unwrap();
    request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
    // The server's settings say that it may.
    sender.ready().await.unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    tunnel.write_all(b"frame").await.unwrap();
    let mut back = [0; 5];
    tunnel.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"frame");
}
