//! Which worker is chosen.

use std::{collections::HashSet, sync::Arc};

use http::{Request, request::Parts};
use penstock_ingress::{Hooks, Select, Unwatched, WorkerState};
use serde_json::{Value, json};

use crate::{
    client::{empty, whole},
    worker::Script,
    world::{World, eventually},
};

async fn three(selector: Value, hooks: Hooks) -> (World, Vec<Script>) {
    let table = json!({"groups": [{"name": "default", "selector": selector}]});
    let world = World::with(json!({"table": table}), hooks).await;
    let mut workers = Vec::new();
    for name in ["one", "two", "three"] {
        workers.push(world.worker(name).await);
    }
    (world, workers)
}

async fn ask(world: &World, header: Option<(&str, &str)>) -> (String, Option<String>) {
    let mut request = Request::get("/").body(empty()).unwrap();
    if let Some((name, value)) = header {
        request.headers_mut().insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let response = world.http1().send(request).await;
    let cookie = response.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
    (whole(response).await.1, cookie)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn least_in_flight_fills_the_emptiest() {
    let (world, workers) = three(json!({"kind": "least-in-flight"}), Hooks::default()).await;
    let asking: Vec<_> = (1..=6).map(|_| tokio::spawn(world.http1().get("/wait"))).collect();
    eventually(|| workers.iter().all(|worker| worker.requests() == 2)).await;
    workers.iter().for_each(|worker| worker.log.go.add_permits(2));
    for each in asking {
        assert_eq!(each.await.unwrap().0, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn round_robin_goes_round() {
    let (world, _workers) = three(json!({"kind": "round-robin"}), Hooks::default()).await;
    let mut names = Vec::new();
    for _ in 0..6 {
        names.push(ask(&world, None).await.0);
    }
    assert_eq!(names[..3], names[3..]);
    assert_eq!(names[..3].iter().collect::<HashSet<_>>().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_of_two_uses_them_all() {
    let (world, workers) = three(json!({"kind": "power-of-two"}), Hooks::default()).await;
    for _ in 0..100 {
        assert!(!ask(&world, None).await.0.is_empty());
    }
    assert!(workers.iter().all(|worker| worker.requests() > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_keeps_a_caller_until_its_worker_goes() {
    let (world, mut workers) = three(json!({"kind": "cookie", "name": "seat"}), Hooks::default()).await;
    let (name, cookie) = ask(&world, None).await;
    let cookie = cookie.unwrap().split_once(';').unwrap().0.to_owned();
    for _ in 0..5 {
        assert_eq!(ask(&world, Some(("cookie", &cookie))).await, (name.clone(), None));
    }
    let at = ["one", "two", "three"].iter().position(|each| **each == name).unwrap();
    drop(workers.remove(at));
    world.until(|workers| workers.len() == 2).await;
    let (moved, _) = ask(&world, Some(("cookie", &cookie))).await;
    assert_ne!(moved, name);
    assert_eq!(ask(&world, Some(("cookie", &cookie))).await.0, moved);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_keeps_its_callers_together() {
    let (world, _workers) = three(json!({"kind": "header", "name": "x-tenant"}), Hooks::default()).await;
    let mut all = HashSet::new();
    for tenant in 0..20 {
        let tenant = format!("tenant-{tenant}");
        let (name, cookie) = ask(&world, Some(("x-tenant", &tenant))).await;
        assert_eq!(cookie, None);
        assert_eq!(ask(&world, Some(("x-tenant", &tenant))).await.0, name);
        all.insert(name);
    }
    assert_eq!(all.len(), 3);
}

struct ByTenant;

#[async_trait::async_trait]
impl Select for ByTenant {
    async fn select(&self, head: &Parts, workers: &[WorkerState]) -> Option<usize> {
        let tenant = head.headers.get("x-tenant")?.to_str().ok()?;
        workers.iter().position(|worker| worker.name == tenant)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selector_of_ones_own() {
    let hooks = Hooks { watch: Arc::new(Unwatched), select: Some(Arc::new(ByTenant)) };
    let (world, _workers) = three(json!({"kind": "custom"}), hooks).await;
    for name in ["one", "two", "three"] {
        assert_eq!(ask(&world, Some(("x-tenant", name))).await.0, name);
    }
    let (refusal, _) = ask(&world, Some(("x-tenant", "nobody"))).await;
    assert!(refusal.contains("no worker serves this"), "{refusal}");
}
