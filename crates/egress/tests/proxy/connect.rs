//! Tunnels.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::world::{LIMIT, Origin, World};

#[tokio::test]
async fn bytes_and_half_closes_pass() {
    let (world, origin) = (World::new(json!({})).await, Origin::mirror().await);
    let mut tcp = world.connect(&origin.authority()).await;
    let sent: Vec<u8> = (0..2_000_000_u32).map(|number| (number % 253) as u8).collect();
    let (mut reader, mut writer) = tcp.split();
    let mut received = Vec::new();
    let (written, read) = tokio::join!(
        async {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await
        },
        reader.read_to_end(&mut received)
    );
    written.unwrap();
    read.unwrap();
    assert!(received == sent);
    let log = world.log(1).await;
    assert_eq!((&log[0]["kind"], &log[0]["verdict"]), (&json!("tunnel"), &json!("allowed")));
    assert_eq!((&log[0]["sent_bytes"], &log[0]["received_bytes"]), (&json!(2_000_000), &json!(2_000_000)));
    assert_eq!(log[0]["requested"], json!(origin.authority()));
    world.until("http.egress.downstream_tunnels_active", 0).await;
    assert_eq!(world.stat("cluster.egress.upstream_cx_active"), 0);
}

#[tokio::test]
async fn connect_must_be_enabled_and_terminated_and_its_port_allowed() {
    let origin = Origin::mirror().await;
    let off = World::new(json!({"listeners": [{"address": "127.0.0.1:0"}]})).await;
    let (_, head) = off.try_connect(&origin.authority(), "").await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let route = json!({"name": "plain", "act": {"kind": "forward"}});
    let plain = World::new(json!({"routes": [route]})).await;
    let (_, head) = plain.try_connect(&origin.authority(), "").await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let ports = World::new(json!({"connect": {"ports": [{"first": 443, "last": 443}]}})).await;
    let (_, head) = ports.try_connect(&origin.authority(), "").await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn a_reset_reaches_the_other_side() {
    let world = World::new(json!({})).await;
    let origin = Origin::new(|mut tcp| async move {
        let _read = tcp.read_u8().await;
        tcp.set_zero_linger().unwrap();
    })
    .await;
    let mut tcp = world.connect(&origin.authority()).await;
    tcp.write_all(b"x").await.unwrap();
    let read = timeout(LIMIT, tcp.read_u8()).await.unwrap();
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(world.log(1).await[0]["verdict"], "cut");
}

#[tokio::test]
async fn idle_tunnels_are_ended() {
    let world = World::new(json!({"timeouts": {"tunnel_idle_ms": 50}})).await;
    let origin = Origin::mirror().await;
    let mut tcp = world.connect(&origin.authority()).await;
    assert!(timeout(LIMIT, tcp.read_u8()).await.unwrap().is_err());
    assert_eq!(world.log(1).await[0]["verdict"], "cut");
}

#[tokio::test]
async fn a_change_drops_no_tunnel_and_a_bad_one_changes_nothing() {
    let mut world = World::new(json!({})).await;
    let origin = Origin::mirror().await;
    let mut tcp = world.connect(&origin.authority()).await;
    world.change(json!({"default_action": "deny"})).await.unwrap();
    tcp.write_all(b"x").await.unwrap();
    assert_eq!(tcp.read_u8().await.unwrap(), b'x');
    let (_, head) = world.try_connect(&origin.authority(), "").await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let error = world
        .change(json!({"default_action": "allow", "routes": [{"name": "r", "match": {"domains": ["a b"]},
        "act": {"kind": "forward"}}]}))
        .await
        .unwrap_err();
    assert!(error.message.contains("a b"), "{error}");
    let (_, head) = world.try_connect(&origin.authority(), "").await;
    assert!(head.starts_with("HTTP/1.1 403"), "the old one is in force: {head}");
}

#[tokio::test]
async fn shutting_down_lets_tunnels_finish_and_cuts_what_stays() {
    let world = World::new(json!({})).await;
    let origin = Origin::mirror().await;
    let mut finishing = world.connect(&origin.authority()).await;
    let mut staying = world.connect(&origin.authority()).await;
    let stopping = async {
        world.egress.shutdown(std::time::Duration::from_millis(300)).await;
    };
    let finish = async {
        finishing.write_all(b"x").await.unwrap();
        assert_eq!(finishing.read_u8().await.unwrap(), b'x');
        drop(finishing);
        assert!(timeout(LIMIT, staying.read_u8()).await.unwrap().is_err());
    };
    tokio::join!(stopping, finish);
    assert!(tokio::net::TcpStream::connect(world.proxy).await.is_err());
    assert_eq!(world.log(2).await.len(), 2);
}

#[tokio::test]
async fn breakers_open_and_close() {
    let world = World::new(json!({"breakers": {"destination": {"connections": 2}}})).await;
    let origin = Origin::mirror().await;
    let tunnels = [world.connect(&origin.authority()).await, world.connect(&origin.authority()).await];
    let (_, head) = world.try_connect(&origin.authority(), "").await;
    assert!(head.starts_with("HTTP/1.1 503") && head.to_lowercase().contains("x-envoy-overloaded"), "{head}");
    let name = format!("cluster.egress.destination.{}", origin.authority());
    assert_eq!(world.stat(&format!("{name}.upstream_cx_overflow")), 1);
    assert_eq!(world.stat(&format!("{name}.circuit_breakers.default.cx_open")), 1);
    drop(tunnels);
    world.until(&format!("{name}.upstream_cx_active"), 0).await;
    world.connect(&origin.authority()).await;
    assert!(world.log(1).await.iter().any(|line| line["fired"] == "breaker destination connections"));
}
