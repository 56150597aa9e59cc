//! A gatekeeper before the requests: who passes, with what, and until when.

use std::{net::SocketAddr, sync::Arc};

use http::{HeaderValue, Response, StatusCode, request::Parts};
use http_body_util::BodyExt as _;
use penstock_http::{Accepting, Acceptor, Body, Limits, Listener, Peer, Ports, Server, body};
use penstock_ingress::{Gatekeeper, Passage, Public, Route};
use serde_json::json;
use tokio::{io::AsyncReadExt as _, runtime::Handle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, get, raw_kept},
    world::{PATIENCE, World, eventually},
};

/// Refuses one path, and says who everybody else is until `over`.
#[derive(Clone, Default)]
struct Keeper {
    over: CancellationToken,
}

impl Gatekeeper for Keeper {
    async fn admit(
        &self,
        route: &Route,
        head: &mut Parts,
        _peer: &Arc<Peer>,
    ) -> Result<Passage, Response<Body>> {
        if head.uri.path() == "/refused" {
            return Err(body::text(StatusCode::PAYMENT_REQUIRED, "not you\n"));
        }
        head.headers.insert("x-user", HeaderValue::from_static("ada"));
        head.headers.insert("x-group", route.group.name().parse().unwrap());
        let over = self.over.clone().cancelled_owned();
        Ok(Passage { user: Some("ada".into()), over: Some(Box::pin(over)) })
    }
}

/// A public port of its own, where the gatekeeper stands.
async fn guarded(world: &World, keeper: &Keeper) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1:0", "TEST").await.unwrap();
    let address = listener.address().parse().unwrap();
    let (ports, token) = (Ports::default(), CancellationToken::new());
    let acceptor = Acceptor::either(None);
    let (limits, drain) = (Limits::default(), token.clone());
    let server = Server::new("test", acceptor, limits, ports.clone(), 65_536, drain, token.clone());
    let lanes = Handle::current().into();
    let accepting = Accepting { port: "test", connections: 100, lanes, ports, stop: token };
    let public = Public::with(world.proxy.ingress().clone(), keeper.clone());
    tokio::spawn(listener.serve(accepting, move |tcp, peer| server.clone().serve(public.clone(), tcp, peer)));
    address
}

async fn world() -> World {
    World::start(json!({}), json!({"access_log": true})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_reaches_no_worker() {
    let (world, keeper) = (world().await, Keeper::default());
    let worker = world.worker("one").await;
    let client = Client::http1(guarded(&world, &keeper).await);
    assert_eq!(client.get("/refused").await, (402, "not you\n".into()));
    assert_eq!(worker.requests(), 0);
    let (status, head) = client.get("/head").await;
    assert_eq!(status, 200);
    assert!(head.contains("x-user: ada\n") && head.contains("x-group: default\n"), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_ends_when_its_caller_may_stay_no_longer() {
    let (world, keeper) = (world().await, Keeper::default());
    let worker = world.worker("one").await;
    let address = guarded(&world, &keeper).await;
    let waiting = tokio::spawn(Client::http1(address).get("/wait"));
    let endless = Client::http2(address).send(get("/endless")).await;
    assert_eq!(endless.status(), 200);
    let upgrade = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let (mut tcp, answer) = raw_kept(address, upgrade.as_bytes(), |answer| answer.contains("\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    eventually(|| worker.requests() == 3).await;

    keeper.over.cancel();
    let (status, problem) = waiting.await.unwrap();
    assert_eq!(status, 403);
    assert!(problem.contains("the login ended"), "{problem}");
    let cut = timeout(PATIENCE, endless.into_body().collect()).await.expect("it went on");
    assert!(cut.is_err());
    let over = timeout(PATIENCE, tcp.read(&mut [0; 8])).await.expect("it went on");
    assert!(matches!(over, Ok(0) | Err(_)));
    eventually(|| worker.log.resets.load(std::sync::atomic::Ordering::SeqCst) == 2).await;
    eventually(|| world.proxy.ingress().in_flight() == 0).await;
}
