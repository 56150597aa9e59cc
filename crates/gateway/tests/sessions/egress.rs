//! Tunnels through the forward proxy, as the store is told of them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use penstock_domain::{Code, Decider, Error, Passage, Question, Side, Status, Verdict};
use penstock_gateway::{Config, Gateway};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Handle,
    time::timeout,
};

use super::world::echo;

/// What waits for a store that does not listen; must be that of the gateway.
const MOST_UNHEARD: usize = 4_096;

/// A store that hears of passages, when it listens.
#[derive(Default)]
struct Store {
    deaf: AtomicBool,
    /// Whether everything that is open must end.
    revoking: AtomicBool,
    heard: Mutex<HashMap<String, Passage>>,
}

#[async_trait::async_trait]
impl Decider for Store {
    async fn decide(&self, question: Question) -> Verdict {
        let deny = |what| Verdict::Deny(Error::new(Code::Internal, Side::Gateway, what));
        let Question::Passages { passages } = question else { return deny("not expected") };
        if self.deaf.load(Ordering::SeqCst) {
            return deny("the store does not answer");
        }
        let open = passages.iter().filter(|passage| passage.end.is_none());
        let open: Vec<_> = open.map(|passage| passage.session.clone()).collect();
        let heard = passages.into_iter().map(|passage| (passage.session.clone(), passage));
        self.heard.lock().unwrap().extend(heard);
        if self.revoking.load(Ordering::SeqCst) { Verdict::Revoked(open) } else { Verdict::Noted }
    }
}

struct House {
    gateway: Gateway,
    store: Arc<Store>,
    echo: String,
    _folder: TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config: Config = serde_json::from_value(json!({
            "http_listen": "127.0.0.1:0",
            "grpc_listen": "127.0.0.1:0",
            "api_socket": folder.path().join("api.sock"),
            "egress": {
                "listeners": [{"address": "127.0.0.1:0", "connect": true}],
                "default_action": "allow",
                "callers": {"anonymous": true},
                "guard": {"allow": ["127.0.0.0/8"]},
                "connect": {"ports": [{"first": 1, "last": 65535}]},
                "dns": {"hosts_file": false, "resolvers": [{"address": "127.0.0.1:9"}]},
                "access_log": {"path": folder.path().join("access.log")},
            },
        }))
        .unwrap();
        let store = Arc::new(Store::default());
        let decider = Arc::clone(&store) as Arc<dyn Decider>;
        let gateway =
            Gateway::start(config, decider, Handle::current().into(), &Handle::current()).await.unwrap();
        Self { gateway, store, echo: echo().await, _folder: folder }
    }

    async fn tunnel(&self) -> TcpStream {
        let mut tcp = TcpStream::connect(&self.gateway.addresses().egress[0]).await.unwrap();
        let echo = &self.echo;
        tcp.write_all(format!("CONNECT {echo} HTTP/1.1\r\nhost: {echo}\r\n\r\n").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 200"));
        tcp
    }

    /// One that carries a byte there and back, and has ended in order.
    async fn short(&self) {
        let mut tcp = self.tunnel().await;
        tcp.write_all(b"x").await.unwrap();
        tcp.shutdown().await.unwrap();
        assert_eq!(tcp.read_to_end(&mut Vec::new()).await.unwrap(), 1);
    }

    async fn until(&self, what: impl Fn(&Self) -> bool) {
        let so = async {
            while !what(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), so).await.unwrap();
    }

    fn heard(&self) -> Vec<Passage> {
        self.store.heard.lock().unwrap().values().cloned().collect()
    }
}

#[tokio::test]
async fn a_flood_is_bounded_while_the_store_is_deaf() {
    let house = House::new().await;
    house.store.deaf.store(true, Ordering::SeqCst);
    let long = house.tunnel().await;
    let flood = MOST_UNHEARD + 600;
    let shorts = futures_util::stream::iter(0..flood).for_each_concurrent(32, |_| house.short());
    timeout(Duration::from_secs(90), shorts).await.unwrap();
    let waiting = house.gateway.sessions().len();
    // A few more were in the batch that was told last, and a few may not be over yet.
    assert!((MOST_UNHEARD..MOST_UNHEARD + 400).contains(&waiting), "{waiting}");
    house.store.deaf.store(false, Ordering::SeqCst);
    house.until(|house| house.gateway.sessions().len() == 1).await;
    let over = house.heard().into_iter().filter(|passage| passage.end.is_some()).count();
    assert!((MOST_UNHEARD..flood).contains(&over), "{over}");
    drop(long);
    house.until(|house| house.gateway.sessions().is_empty()).await;
    assert_eq!(house.heard().iter().filter(|passage| passage.end.is_some()).count(), over + 1);
    assert!(house.heard().iter().all(|passage| passage.end.is_some()));
}

#[tokio::test]
async fn what_lives_by_a_revoked_token_ends_when_the_store_says_so() {
    let house = House::new().await;
    house.store.revoking.store(true, Ordering::SeqCst);
    let mut tunnel = house.tunnel().await;
    let read = timeout(Duration::from_secs(20), tunnel.read(&mut [0; 1])).await.unwrap();
    assert!(read.is_err(), "a cut must not look like an end");
    house.until(|house| house.gateway.sessions().is_empty()).await;
    let heard = house.heard().remove(0);
    assert_eq!((heard.target, heard.verdict), (house.echo.clone(), "cut"));
    let end = heard.end.unwrap();
    assert!(matches!(end.status, Status::Killed) && end.reason.unwrap().contains("revoked"));
}

#[tokio::test]
async fn a_shutdown_notes_every_end_before_it_is_over() {
    let house = House::new().await;
    let tunnel = house.tunnel().await;
    house.until(|house| house.heard().len() == 1).await;
    assert!(!house.gateway.kill("nobody", Status::Killed, "why"));
    house.gateway.shutdown(Duration::ZERO).await;
    let end = house.heard().remove(0).end.unwrap();
    assert!(matches!(end.status, Status::Closed) && end.reason.unwrap().contains("shut down"));
    drop(tunnel);
}
