//! Workers that come and go.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use penstock_ingress::{Hooks, Watch, WorkerState};
use penstock_link::carrier::tls::Flavour;
use rcgen::CertificateParams;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::get,
    world::{PATIENCE, World, ca, eventually, issue, sign},
};

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Watch for Heard {
    fn attached(&self, worker: &WorkerState) {
        self.0.lock().unwrap().push(format!("+{}", worker.name));
    }

    fn detached(&self, worker: &WorkerState) {
        self.0.lock().unwrap().push(format!("-{}", worker.name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_comes_with_its_first_link_and_goes_with_its_last() {
    let heard = Arc::new(Heard::default());
    let world = World::with(json!({}), Hooks { watch: Arc::clone(&heard) as _, select: None }).await;
    let identity = issue(&world.ca, "one");
    let first = world.worker_of(&identity, "one", Flavour::Swap).await;
    let second = world.worker_of(&identity, "one", Flavour::Rh2).await;
    let [worker] = world.workers().try_into().unwrap();
    assert_eq!((worker.links, worker.name.as_str(), worker.group.as_str()), (2, "one", "default"));
    assert_eq!(worker.common_name.as_deref(), Some("one.common"));
    assert_eq!(worker.fingerprint.len(), 64);
    drop(first);
    world.until(|workers| workers[0].links == 1).await;
    drop(second);
    world.until(<[_]>::is_empty).await;
    assert_eq!(*heard.0.lock().unwrap(), ["+one", "-one"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_where_they_are() {
    let world = World::plain().await;
    let worker = world.worker("one").await;
    let asking = tokio::spawn(world.http1().get("/wait"));
    world.until(|workers| workers[0].in_flight == 1).await;
    assert_eq!(world.proxy.ingress().in_flight(), 1);
    worker.log.go.add_permits(1);
    assert_eq!(asking.await.unwrap().0, 200);
    world.until(|workers| workers[0].in_flight == 0 && workers[0].requests == 1).await;
    eventually(|| world.proxy.ingress().in_flight() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_worker_is_gone_at_once_and_does_not_come_back() {
    let world = World::plain().await;
    for by_name in [true, false] {
        let identity = issue(&world.ca, "one");
        let _worker = world.worker_of(&identity, "one", Flavour::Swap).await;
        let who = if by_name { "one".into() } else { world.workers()[0].fingerprint.clone() };
        let asking = tokio::spawn(world.http1().get("/wait"));
        world.until(|workers| workers[0].in_flight == 1).await;
        assert_eq!(world.proxy.ingress().revoke("somebody else"), 0);
        assert_eq!(world.proxy.ingress().revoke(&who), 1);
        world.until(<[_]>::is_empty).await;
        // Dialled, and let go.
        let mut again = world.dialler(&identity, Flavour::Rh2).dial().await.unwrap();
        again.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let mut heard = Vec::new();
        assert!(timeout(PATIENCE, again.read_to_end(&mut heard)).await.is_ok(), "still there");
        assert!(world.workers().is_empty());
        asking.abort();
        assert!(world.proxy.ingress().restore(&who));
        assert!(!world.proxy.ingress().restore(&who));
    }
    let _worker = world.worker("one").await;
    assert_eq!(world.http1().get("/").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_do_not_attach() {
    let tunnel = json!({"allow": [{"name": "one"}], "flavours": ["swap"]});
    let world = World::with(json!({"tunnel": tunnel}), Hooks::default()).await;
    let mut expired = CertificateParams::new(["one".to_owned()]).unwrap();
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    expired.not_before = rcgen::date_time_ymd(2000, 1, 1);
    let strangers = [
        (issue(&ca(), "one"), Flavour::Swap),
        (sign(&world.ca, expired), Flavour::Swap),
        (issue(&world.ca, "two"), Flavour::Swap),
        (issue(&world.ca, "one"), Flavour::Rh2),
    ];
    for (identity, flavour) in strangers {
        if let Ok(mut bytes) = world.dialler(&identity, flavour).dial().await {
            let mut heard = Vec::new();
            assert!(timeout(PATIENCE, bytes.read_to_end(&mut heard)).await.is_ok(), "still there");
        }
        assert!(world.workers().is_empty());
    }
    let _worker = world.worker("one").await;
    assert_eq!(world.http1().get("/").await, (200, "one".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_connects_is_no_worker() {
    let world = World::start(json!({}), json!({"handshake_seconds": 1})).await;
    let mut tcp = TcpStream::connect(world.tunnel()).await.unwrap();
    let mut tls = world.dialler(&issue(&world.ca, "mute"), Flavour::Rh2).dial().await.unwrap();
    let ended = timeout(PATIENCE, tcp.read(&mut [0; 64])).await.expect("TCP alone is held for ever");
    assert!(matches!(ended, Ok(0) | Err(_)));
    // Ours is the preface; then nothing comes from there.
    let mut heard = Vec::new();
    let ended = timeout(PATIENCE, tls.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "a mute worker is held for ever");
    assert!(world.workers().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_handshakes_keep_nobody_out() {
    let world = World::plain().await;
    let mut stalled = Vec::new();
    for _ in 0..300 {
        stalled.push(TcpStream::connect(world.tunnel()).await.unwrap());
    }
    let _worker = world.worker("one").await;
    assert_eq!(world.http1().get("/").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_waits_for_a_worker_for_a_while() {
    let world = World::start(json!({}), json!({"wait_milliseconds": 15_000, "waiting": 2})).await;
    let waiting: Vec<_> = (0..2).map(|_| tokio::spawn(world.http1().get("/"))).collect();
    eventually(|| world.proxy.ingress().in_flight() == 2).await;
    // The places are taken.
    let refused = world.http1().send(get("/")).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers().get("retry-after").unwrap(), "2");
    let _worker = world.worker("one").await;
    for each in waiting {
        assert_eq!(each.await.unwrap(), (200, "one".into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_worker_the_answer_is_a_503() {
    let world = World::start(json!({}), json!({"wait_milliseconds": 50})).await;
    let (status, body) = timeout(Duration::from_secs(5), world.http1().get("/")).await.unwrap();
    assert_eq!(status, 503);
    assert!(body.contains("no worker serves this"), "{body}");
}
