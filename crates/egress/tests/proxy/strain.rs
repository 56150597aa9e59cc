//! Slow peers, many peers, and name servers that misbehave.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hickory_resolver::proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, Record, RecordType},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use crate::world::{LIMIT, Origin, World, read_head};

/// What a name server does with the question of that number; the addresses are those of an answer to `A`.
#[derive(Clone, Debug)]
pub enum Says {
    Addresses(Vec<Ipv4Addr>, u32),
    Code(ResponseCode),
    Silence,
    /// First an answer with the wrong identifier, then one to another question, then the right one.
    Lies(Ipv4Addr, Ipv4Addr),
}

/// A name server on loopback, and how often it was asked for an `A`.
pub async fn name_server(says: impl Fn(&str, usize) -> Says + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let query = question.queries[0].clone();
            if query.query_type() != RecordType::A {
                let _sent =
                    socket.send_to(&answer(&question, &Says::Code(ResponseCode::NoError)), from).await;
                continue;
            }
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let name = query.name().to_ascii().to_lowercase();
            match says(name.trim_end_matches('.'), number) {
                Says::Silence => {}
                Says::Lies(lie, truth) => {
                    let mut forged = question.clone();
                    forged.metadata.id = question.metadata.id.wrapping_add(1);
                    let _sent = socket.send_to(&answer(&forged, &Says::Addresses(vec![lie], 60)), from).await;
                    let _sent =
                        socket.send_to(&answer(&question, &Says::Addresses(vec![truth], 60)), from).await;
                }
                other => {
                    let _sent = socket.send_to(&answer(&question, &other), from).await;
                }
            }
        }
    });
    (address, asked)
}

fn answer(question: &Message, says: &Says) -> Vec<u8> {
    let mut message = question.clone();
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    match says {
        Says::Addresses(addresses, ttl) => {
            let name = question.queries[0].name().clone();
            for address in addresses {
                message.add_answer(Record::from_rdata(name.clone(), *ttl, RData::A((*address).into())));
            }
        }
        Says::Code(code) => message.metadata.response_code = *code,
        Says::Silence | Says::Lies(..) => unreachable!("nothing is sent"),
    }
    message.to_vec().unwrap()
}

async fn world(server: &str, allow: &[&str]) -> World {
    World::new(json!({
        "guard": {"allow": allow},
        "dns": {"resolvers": [{"address": server}], "query_timeout_ms": 600, "min_refresh_ms": 60_000, "negative_ttl_ms": 60_000,
                "failure_backoff": {"base_ms": 60_000, "max_ms": 60_000}}
    }))
    .await
}

#[tokio::test]
async fn names_are_asked_for_once_and_absent_ones_are_remembered() {
    let (server, asked) = name_server(|name, _| match name {
        "here.example" => Says::Addresses(vec![Ipv4Addr::LOCALHOST], 0),
        _ => Says::Code(ResponseCode::NXDomain),
    })
    .await;
    let (world, origin) = (world(&server, &["127.0.0.0/8"]).await, Origin::echo().await);
    for _ in 0..3 {
        let answer = world.get(&format!("http://HERE.example.:{}/", origin.address.port())).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let missing = world.get("http://missing.example/").await;
        assert!(missing.starts_with("HTTP/1.1 502") && missing.contains("has no address"), "{missing}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(
        (world.stat("dns_cache.egress.num_hosts"), world.stat("dns_cache.egress.dns_query_failure")),
        (1, 1)
    );
    assert_eq!(world.log(6).await[0]["resolved"], json!(["127.0.0.1"]));
}

#[tokio::test]
async fn rebinding_wins_nothing() {
    // The first answer is mixed, every later one is private.
    let (server, _) = name_server(|_, number| match number {
        1 => Says::Addresses(vec![Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)], 0),
        _ => Says::Addresses(vec![Ipv4Addr::new(169, 254, 169, 254)], 0),
    })
    .await;
    let world = world(&server, &["127.0.0.2/32"]).await;
    let answer = world.get("http://flips.example:1/").await;
    assert!(
        answer.starts_with("HTTP/1.1 502"),
        "only the allowed address is dialled, and it refuses: {answer}"
    );
    assert_eq!(
        world.stat("dns_cache.egress.dns_address_filter_out"),
        2,
        "the first attempt and its repetition"
    );
    let (_, head) = world.try_connect("flips2.example:443", "").await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
}

#[tokio::test]
async fn name_servers_that_fail_are_told_apart() {
    let (server, asked) = name_server(|name, _| match name {
        "silent.example" => Says::Silence,
        "broken.example" => Says::Code(ResponseCode::ServFail),
        _ => Says::Lies(Ipv4Addr::new(127, 0, 0, 9), Ipv4Addr::LOCALHOST),
    })
    .await;
    let (world, origin) = (world(&server, &["127.0.0.0/8"]).await, Origin::echo().await);
    let answer = world.get("http://silent.example/").await;
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("name server"), "{answer}");
    let answer = world.get("http://broken.example/").await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    let before = asked.load(Ordering::SeqCst);
    assert!(world.get("http://broken.example/").await.starts_with("HTTP/1.1 502"));
    assert_eq!(asked.load(Ordering::SeqCst), before, "a failure is not asked for again at once");
    let answer = world.get(&format!("http://lied-about.example:{}/", origin.address.port())).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(world.log(4).await[3]["resolved"], json!(["127.0.0.1"]));
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_ended() {
    let world = World::new(json!({"timeouts": {"idle_ms": 300}})).await;
    let origin = Origin::new(|mut tcp| async move {
        read_head(&mut tcp).await;
        let _head = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
        while tcp.write_all(&[0; 65_536]).await.is_ok() {}
    })
    .await;
    let mut tcp = TcpStream::connect(world.proxy).await.unwrap();
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", origin.url("/"));
    tcp.write_all(request.as_bytes()).await.unwrap();
    let log = world.log(1).await;
    assert_eq!((&log[0]["verdict"], &log[0]["status"]), (&json!("cut"), &json!(200)));
    world.until("cluster.egress.upstream_cx_active", 0).await;
}

#[tokio::test]
async fn an_origin_that_stops_in_the_middle_is_ended() {
    let world = World::new(json!({"timeouts": {"idle_ms": 300}})).await;
    let origin = Origin::new(|mut tcp| async move {
        read_head(&mut tcp).await;
        let _head = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
        let _caller = tcp.read_u8().await;
    })
    .await;
    let answer = world.get(&origin.url("/")).await;
    assert!(answer.ends_with("abc"), "{answer}");
    assert_eq!(world.log(1).await[0]["verdict"], "cut");
}

#[tokio::test]
async fn a_request_as_a_whole_is_bounded() {
    let world = World::new(json!({"timeouts": {"request_ms": 300}})).await;
    let dripping = Origin::new(|mut tcp| async move {
        read_head(&mut tcp).await;
        let _head = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
        while tcp.write_all(b"x").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(world.get(&dripping.url("/")).await.starts_with("HTTP/1.1 200"));
    let silent = Origin::new(|tcp| async move {
        std::future::pending::<()>().await;
        drop(tcp);
    })
    .await;
    let answer = world.get(&silent.url("/")).await;
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("timeouts.request_ms"), "{answer}");
    let log = world.log(2).await;
    assert!(log[0]["error"].as_str().unwrap().contains("timeouts.request_ms"), "{log:?}");
}

#[tokio::test]
async fn many_idle_tunnels_live_side_by_side() {
    let world =
        World::new(json!({"breakers": {"overall": {"connections": 5000, "requests": 5000, "pending": 5000},
        "destination": {"connections": 5000, "requests": 5000, "pending": 5000}}}))
        .await;
    let origin = Origin::mirror().await;
    let mut tunnels = Vec::new();
    for _ in 0..200 {
        tunnels.push(world.connect(&origin.authority()).await);
    }
    world.until("http.egress.downstream_tunnels_active", 200).await;
    for tunnel in &mut tunnels {
        tunnel.write_all(b"x").await.unwrap();
        assert_eq!(timeout(LIMIT, tunnel.read_u8()).await.unwrap().unwrap(), b'x');
    }
    drop(tunnels);
    world.until("http.egress.downstream_tunnels_active", 0).await;
    assert_eq!(world.log(200).await.len(), 200);
}

#[tokio::test]
async fn uploads_go_on_while_the_answer_is_not_read() {
    let world = World::new(json!({})).await;
    // It answers at once and at length, and counts what it is sent.
    let (sender, counted) = tokio::sync::oneshot::channel();
    let sender = Arc::new(std::sync::Mutex::new(Some(sender)));
    let origin = Origin::new(move |mut tcp| {
        let sender = Arc::clone(&sender);
        async move {
            read_head(&mut tcp).await;
            let (mut reader, mut writer) = tcp.split();
            let answering = async {
                let _head = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
                while writer.write_all(&[0; 65_536]).await.is_ok() {}
            };
            let counting = async {
                let mut body = vec![0; 50_000_000];
                if reader.read_exact(&mut body).await.is_ok()
                    && let Some(sender) = sender.lock().unwrap().take()
                {
                    let _told = sender.send(());
                }
            };
            tokio::join!(answering, counting);
        }
    })
    .await;
    let mut tcp = TcpStream::connect(world.proxy).await.unwrap();
    let head = format!("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n", origin.url("/"));
    tcp.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![0; 1_000_000];
    for _ in 0..50 {
        timeout(LIMIT, tcp.write_all(&chunk)).await.expect("the upload goes on").unwrap();
    }
    timeout(LIMIT, counted).await.expect("all of it arrives").unwrap();
}
