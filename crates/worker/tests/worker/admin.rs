//! What a worker tells of itself.

use penstock_worker::Worker;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};

use crate::{
    application::Application,
    exchanges::get,
    proxy::{Proxy, soon},
};

async fn asked(address: &str, path: &str) -> String {
    let mut tcp = soon(TcpStream::connect(address)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(tcp.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_port_tells_of_links_and_requests_and_no_secret() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let proxy = Proxy::begin().await;
    let config = proxy.config("h2", json!({"admin_listen": free}));
    let worker = Worker::start(&config, Application::new().0, &Handle::current()).unwrap();
    assert!(asked(&free, "/ready").await.starts_with("HTTP/1.1 503"));
    let link = proxy.link().await;
    soon(worker.ready()).await;
    get(&link, "/hello").await;
    assert!(asked(&free, "/ready").await.starts_with("HTTP/1.1 200"));
    let metrics = asked(&free, "/metrics").await;
    assert!(metrics.contains("penstock_worker_links 1"), "{metrics}");
    assert!(metrics.contains("penstock_worker_requests_total 1"), "{metrics}");
    let stats = asked(&free, "/stats").await;
    let stats: Value = serde_json::from_str(stats.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&stats["requests"], &stats["state"]["streams"]), (&json!(1), &json!(0)));
    let config = asked(&free, "/config_dump").await;
    assert!(config.contains(&proxy.address()) && !config.contains("PRIVATE KEY"), "{config}");
}
