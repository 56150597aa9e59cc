//! Many names, and what statistics show of what is left.

use std::{net::Ipv4Addr, sync::atomic::Ordering};

use futures_util::StreamExt as _;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::{
    strain::{Says, name_server},
    world::{Origin, World},
};

#[tokio::test]
async fn thousands_of_names_take_turns_in_the_cache() {
    const NAMES: u64 = 3_000;
    const KEPT: u64 = 256;
    let (server, asked) = name_server(|_, _| Says::Addresses(vec![Ipv4Addr::LOCALHOST], 600)).await;
    let world = World::new(json!({
        "dns": {"resolvers": [{"address": server}], "query_timeout_ms": 10_000, "max_hosts": KEPT, "family": "V4_ONLY"},
        "breakers": {"overall": {"connections": 5000}},
    }))
    .await;
    let port = Origin::mirror().await.address.port();
    let ask = async |number: u64| {
        let (_tunnel, head) = world.try_connect(&format!("h{number}.example:{port}"), "").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    };
    futures_util::stream::iter(0..NAMES).for_each_concurrent(16, ask).await;
    let counts = ["num_hosts", "host_added", "host_removed", "host_overflow", "dns_query_attempt"]
        .map(|name| world.stat(&format!("dns_cache.egress.{name}")));
    assert_eq!(counts, [KEPT, NAMES, NAMES - KEPT, 0, NAMES]);
    let before = asked.load(Ordering::SeqCst);
    ask(NAMES - 1).await;
    assert_eq!(asked.load(Ordering::SeqCst), before, "the newest is kept");
    ask(0).await;
    assert!(asked.load(Ordering::SeqCst) > before, "the oldest made room");
    assert_eq!(world.stat("dns_cache.egress.num_hosts"), KEPT);
}

#[tokio::test]
async fn statistics_show_what_remains_where_that_is_asked_for() {
    let thresholds = json!({"connections": 5, "requests": 7, "track_remaining": true});
    let world = World::new(json!({"breakers": {"overall": thresholds}})).await;
    let origin = Origin::mirror().await;
    let cx = "cluster.egress.circuit_breakers.default.remaining_cx";
    let rq = "cluster.egress.circuit_breakers.default.remaining_rq";
    assert_eq!((world.stat(cx), world.stat(rq)), (5, 7));
    let mut tunnels = [world.connect(&origin.authority()).await, world.connect(&origin.authority()).await];
    assert_eq!((world.stat(cx), world.stat(rq)), (3, 5));
    for tunnel in &mut tunnels {
        tunnel.shutdown().await.unwrap();
    }
    world.until(cx, 5).await;
    world.until(rq, 7).await;
    let untold = World::new(json!({})).await;
    assert!(untold.egress.stats().get(cx).is_none());
}

#[tokio::test]
async fn resting_connections_make_room_for_others() {
    let thresholds = json!({"connections": 2});
    for breakers in [json!({"overall": thresholds}), json!({"destination": thresholds})] {
        let world = World::new(json!({"breakers": breakers})).await;
        let origin = Origin::echo().await;
        let others = [Origin::echo().await, Origin::echo().await, Origin::mirror().await];
        assert!(world.get(&origin.url("/")).await.starts_with("HTTP/1.1 200"));
        for other in &others[..2] {
            assert!(world.get(&other.url("/")).await.starts_with("HTTP/1.1 200"));
        }
        let tunnels =
            [world.connect(&others[2].authority()).await, world.connect(&others[2].authority()).await];
        let (_, refused) = world.try_connect(&others[2].authority(), "").await;
        assert!(refused.starts_with("HTTP/1.1 503"), "what is in use makes no room: {refused}");
        drop(tunnels);
    }
}
