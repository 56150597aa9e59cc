//! Workers that fail a request.

use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use serde_json::json;

use crate::{
    client::{get, whole},
    world::{World, eventually},
};

/// A world with two workers, and the one of them that has the request.
async fn two(
    method: Method,
) -> (World, Vec<crate::worker::Script>, tokio::task::JoinHandle<(u16, String)>, usize) {
    let world = World::plain().await;
    let workers = vec![world.worker("one").await, world.worker("two").await];
    let client = world.http1();
    let body = if method == Method::POST { Bytes::from_static(b"order") } else { Bytes::new() };
    let body = Full::new(body).map_err(|never| match never {}).boxed();
    let request = Request::builder().method(method).uri("/wait").body(body).unwrap();
    let asking = tokio::spawn(async move { whole(client.send(request).await).await });
    eventually(|| workers.iter().any(|worker| worker.requests() == 1)).await;
    let busy = workers.iter().position(|worker| worker.requests() == 1).unwrap();
    (world, workers, asking, busy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_safe_to_repeat_is_repeated_when_a_worker_dies() {
    for method in [Method::GET, Method::OPTIONS, Method::PUT, Method::DELETE] {
        let (_world, workers, asking, busy) = two(method.clone()).await;
        workers[busy].close.cancel();
        let other = &workers[1 - busy];
        eventually(|| other.requests() == 1).await;
        other.log.go.add_permits(1);
        assert_eq!(asking.await.unwrap().0, 200, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_safe_is_not_repeated() {
    let (_world, workers, asking, busy) = two(Method::POST).await;
    workers[busy].close.cancel();
    let (status, body) = asking.await.unwrap();
    assert_eq!(status, 502, "{body}");
    assert_eq!(workers[1 - busy].requests(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_gives_up_on_a_request_is_not_asked_again() {
    let world = World::plain().await;
    let workers = [world.worker("one").await, world.worker("two").await];
    assert_eq!(world.http1().get("/reset").await.0, 502);
    assert_eq!(workers.iter().map(crate::worker::Script::requests).sum::<usize>(), 1);
    // The link lives on.
    assert_eq!(world.links(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_bounded() {
    let world = World::start(json!({}), json!({"retries": 1, "wait_milliseconds": 100})).await;
    let workers = [world.worker("one").await, world.worker("two").await, world.worker("three").await];
    let client = world.http1();
    let asking = tokio::spawn(async move { whole(client.send(get("/wait")).await).await });
    for attempt in 0..2 {
        let busy = || workers.iter().find(|worker| worker.requests() == 1 && !worker.close.is_cancelled());
        eventually(|| busy().is_some()).await;
        busy().unwrap().close.cancel();
        assert!(attempt == 1 || !asking.is_finished());
    }
    assert_eq!(asking.await.unwrap().0, 502);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_worker_loses_nothing() {
    let world = World::start(json!({}), json!({"wait_milliseconds": 15_000})).await;
    let first = world.worker("one").await;
    let busy = tokio::spawn(world.http1().get("/wait"));
    eventually(|| first.requests() == 1).await;
    first.drain.cancel();
    // GOAWAY is on its way; whenever it comes, every request finds a worker, whatever its method.
    let second = world.worker("two").await;
    for _ in 0..20 {
        assert_eq!(world.http1().post("/", "order").await.0, 200);
    }
    eventually(|| second.requests() > 0).await;
    first.log.go.add_permits(1);
    assert_eq!(busy.await.unwrap(), (200, "at last".into()));
    world.until(|workers| workers.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_under_load_loses_no_request_that_was_safe_to_retry() {
    let world = World::plain().await;
    let mut workers = vec![world.worker("one").await, world.worker("two").await];
    let client = world.http1();
    let asking: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(async move {
                for _ in 0..40 {
                    let (status, body) = client.get("/").await;
                    assert_eq!(status, 200, "{body}");
                }
            })
        })
        .collect();
    let total = |workers: &[crate::worker::Script]| -> usize {
        workers.iter().map(|worker| worker.log.requests.load(SeqCst)).sum()
    };
    for round in 1..4 {
        let before = total(&workers);
        eventually(|| total(&workers) > before + 20).await;
        let fresh = world.worker(&format!("fresh-{round}")).await;
        // Dropped, it is cut.
        workers[0] = fresh;
    }
    for each in asking {
        each.await.unwrap();
    }
}
