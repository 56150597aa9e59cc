//! The end of a proxy.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_finishes() {
    let world = World::plain().await;
    let worker = world.worker("one").await;
    let asking = [tokio::spawn(world.http1().get("/wait")), tokio::spawn(world.http2().get("/wait"))];
    eventually(|| worker.requests() == 2).await;
    let (public, tunnel) = (world.public(), world.tunnel());
    let ending = tokio::spawn(async move { world.proxy.shutdown(Duration::from_secs(20)).await });
    // New connections are not taken any more.
    for address in [public, tunnel] {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(!ending.is_finished());
    worker.log.go.add_permits(2);
    for each in asking {
        assert_eq!(each.await.unwrap(), (200, "at last".into()));
    }
    ending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_finish_is_ended() {
    let world = World::plain().await;
    let worker = world.worker("one").await;
    let asking = tokio::spawn(world.http1().try_send(crate::client::get("/wait")));
    eventually(|| worker.requests() == 1).await;
    world.proxy.shutdown(Duration::from_millis(50)).await;
    assert!(asking.await.unwrap().is_err());
    eventually(|| worker.log.resets.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    assert!(world.workers().is_empty());
}
