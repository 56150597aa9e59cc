//! Both roles of a link over an in-memory carrier.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::time::Duration;

use bytes::Bytes;
use penstock_domain::{Code, Error, Side, Target};
use penstock_link::{Incoming, Keepalive, Link, Open, Pool, Serve, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    runtime::Builder,
};
use tokio_util::sync::CancellationToken;

const KEEPALIVE: Keepalive =
    Keepalive { interval: Duration::from_millis(50), timeout: Duration::from_millis(50) };

fn target(address: &str) -> Open {
    Open::Target(Target::Tcp(address.into()))
}

/// Echoes what it is sent; refuses `denied:1`; resets `cut:1` after the first chunk.
async fn echo(incoming: Incoming) {
    match incoming.open.clone() {
        Some(Open::Target(Target::Tcp(address))) if address == "denied:1" => {
            incoming.refuse(&Error::new(Code::TargetDenied, Side::Agent, "not here").hint("ask"));
        }
        Some(Open::Target(Target::Tcp(address))) if address == "cut:1" => {
            let mut stream = incoming.accept().unwrap();
            let chunk = stream.receive.chunk().await.unwrap().unwrap();
            stream.send.send(chunk).await.unwrap();
        }
        _ => {
            let mut stream = incoming.accept().unwrap();
            while let Some(chunk) = stream.receive.chunk().await.unwrap_or(None) {
                stream.send.send(chunk).await.unwrap();
            }
            stream.send.finish().unwrap();
        }
    }
}

struct Pair {
    link: Link,
    drain: CancellationToken,
    server: tokio::task::JoinHandle<Result<(), String>>,
}

async fn pair() -> Pair {
    pair_for(100).await
}

/// A link on which so many streams are admitted.
async fn pair_for(streams: u32) -> Pair {
    let (near, far) = duplex(1 << 16);
    let drain = CancellationToken::new();
    let mut options = Serve::new(drain.clone(), CancellationToken::new());
    options.streams = streams;
    let server = tokio::spawn(serve(far, options, echo));
    let link = Link::start(near, Keepalive::default()).await.unwrap();
    Pair { link, drain, server }
}

#[tokio::test]
async fn bytes_come_back_and_half_close_passes() {
    let pair = pair().await;
    let mut stream = pair.link.open(target("db:5432")).await.unwrap();
    assert_eq!(pair.link.in_flight(), 1);
    let sent = Bytes::from(vec![7u8; 3 << 20]);
    let (mut receive, mut send) = (stream.receive, stream.send);
    let (sending, received) = tokio::join!(
        async {
            send.send(sent.clone()).await.unwrap();
            send.finish().unwrap();
        },
        async {
            let mut all = Vec::new();
            while let Some(chunk) = receive.chunk().await.unwrap() {
                all.extend_from_slice(&chunk);
            }
            all
        }
    );
    assert_eq!(((), received.len()), (sending, sent.len()));
    drop((receive, send));
    assert_eq!(pair.link.in_flight(), 0);
    stream = pair.link.open(Open::Session("x".into())).await.unwrap();
    stream.write_all(b"over io").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "over io");
}

#[tokio::test]
async fn a_refusal_carries_its_problem() {
    let error = pair().await.link.open(target("denied:1")).await.unwrap_err();
    assert_eq!((error.code, error.hint.as_deref()), (Code::TargetDenied, Some("ask")));
}

#[tokio::test]
async fn a_stream_that_is_dropped_unfinished_is_reset_not_ended() {
    let pair = pair().await;
    let mut stream = pair.link.open(target("cut:1")).await.unwrap();
    stream.send.send(Bytes::from_static(b"x")).await.unwrap();
    let mut outcome = Ok(Some(Bytes::new()));
    while matches!(outcome, Ok(Some(_))) {
        outcome = stream.receive.chunk().await;
    }
    assert_eq!(outcome.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_silent_peer_is_found_and_its_streams_break() {
    let (near, far) = duplex(1 << 16);
    let link = Link::start(near, KEEPALIVE).await.unwrap();
    let opening = link.open(target("db:5432"));
    let mut swallowed = swallow(far);
    tokio::select! {
        answer = opening => assert_eq!(answer.unwrap_err().code, Code::Lost),
        _ = &mut swallowed => unreachable!("the peer stays"),
    }
    link.lost().await;
    assert!(link.is_lost());
}

/// Reads for ever and never answers: a frozen peer.
fn swallow(mut far: DuplexStream) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let mut buffer = [0u8; 1024];
        while far.read(&mut buffer).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
}

#[tokio::test]
async fn the_serving_side_finds_a_silent_peer_too() {
    let (mut near, far) = duplex(1 << 16);
    let mut options = Serve::new(CancellationToken::new(), CancellationToken::new());
    options.keepalive = KEEPALIVE;
    near.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let why = serve(far, options, echo).await.unwrap_err();
    assert!(why.contains("PING"), "{why}");
}

#[tokio::test]
async fn silence_instead_of_a_preface_is_bounded() {
    let (_near, far) = duplex(1 << 16);
    let mut options = Serve::new(CancellationToken::new(), CancellationToken::new());
    options.handshake = Duration::from_millis(20);
    assert_eq!(serve(far, options, echo).await.unwrap_err(), "no HTTP/2 preface in time");
}

#[tokio::test]
async fn draining_lets_streams_finish_and_takes_no_more() {
    let pair = pair().await;
    let mut stream = pair.link.open(target("db:5432")).await.unwrap();
    pair.drain.cancel();
    stream.send.send(Bytes::from_static(b"still here")).await.unwrap();
    assert_eq!(stream.receive.chunk().await.unwrap().unwrap(), "still here");
    stream.send.finish().unwrap();
    assert_eq!(stream.receive.chunk().await.unwrap(), None);
    drop(stream);
    pair.server.await.unwrap().unwrap();
    assert_eq!(pair.link.open(target("db:5432")).await.unwrap_err().code, Code::Lost);
}

#[tokio::test]
async fn a_pool_spreads_streams_and_forgets_lost_links() {
    let pool = Pool::default();
    let (first, second) = (pair().await, pair().await);
    pool.add(first.link.clone());
    pool.add(second.link.clone());
    let open = target("db:5432");
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(pool.open(&open).await.unwrap());
    }
    // The first eight share the oldest link.
    assert_eq!((first.link.in_flight(), second.link.in_flight(), pool.streams()), (8, 2, 10));
    first.link.close();
    first.link.lost().await;
    assert_eq!(pool.links(), 1);
    assert!(pool.open(&open).await.is_ok());
    pool.close();
    second.link.lost().await;
    assert_eq!(pool.open(&open).await.unwrap_err().code, Code::AgentOffline);
    drop(streams);
}

#[test]
fn a_pool_prefers_the_callers_runtime_while_its_links_have_room() {
    let runtime = || Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (here, there) = (runtime(), runtime());
    let pool = Pool::default();
    let (far, near) = (there.block_on(pair_for(9)), here.block_on(pair_for(9)));
    pool.add(far.link.clone());
    pool.add(near.link.clone());
    here.block_on(async {
        let mut streams = Vec::new();
        for _ in 0..9 {
            streams.push(pool.open(&target("db:5432")).await.unwrap());
        }
        assert_eq!((near.link.in_flight(), far.link.in_flight()), (9, 0));
        streams.push(pool.open(&target("db:5432")).await.unwrap());
        assert_eq!((near.link.in_flight(), far.link.in_flight()), (9, 1));
    });
}

#[tokio::test]
async fn a_stalled_stream_does_not_stall_its_neighbours() {
    let pair = pair().await;
    let mut stalled = pair.link.open(target("db:5432")).await.unwrap();
    // More than the stream's window: nobody reads it.
    let flood = async { stalled.send.send(Bytes::from(vec![0u8; 8 << 20])).await };
    tokio::select! {
        _ = flood => unreachable!("the window is smaller than that"),
        () = async {
            let mut stream = pair.link.open(target("db:5432")).await.unwrap();
            for _ in 0..1000 {
                stream.send.send(Bytes::from_static(b"ping")).await.unwrap();
                let mut back = 0;
                while back < 4 {
                    back += stream.receive.chunk().await.unwrap().unwrap().len();
                }
            }
        } => {}
    }
}

#[tokio::test]
async fn a_peer_that_resets_too_much_loses_its_link() {
    let (near, far) = duplex(1 << 16);
    let mut options = Serve::new(CancellationToken::new(), CancellationToken::new());
    options.resets_per_minute = 5;
    let server = tokio::spawn(serve(far, options, echo));
    let link = Link::start(near, Keepalive::default()).await.unwrap();
    for _ in 0..5 {
        drop(link.open(target("db:5432")).await.unwrap());
    }
    assert!(link.open(target("db:5432")).await.is_ok(), "as many as are allowed");
    let why = server.await.unwrap().unwrap_err();
    assert!(why.contains("resets"), "{why}");
    link.lost().await;
}

#[tokio::test]
async fn whoever_requests_can_ask_for_another_link_and_goes_on_with_this_one() {
    let (near, far) = duplex(1 << 16);
    let options = Serve::new(CancellationToken::new(), CancellationToken::new());
    let asked = options.going_away.clone();
    let server = tokio::spawn(serve(far, options, echo));
    let link = Link::start(near, Keepalive::default()).await.unwrap();
    let mut open = link.open(target("db:5432")).await.unwrap();
    link.go_away();
    asked.cancelled().await;
    // More can be opened while something is, a cancel request for one.
    let mut more = link.open(target("db:5432")).await.unwrap();
    for stream in [&mut open, &mut more] {
        stream.send.send(Bytes::from_static(b"still here")).await.unwrap();
        assert_eq!(stream.receive.chunk().await.unwrap().unwrap(), "still here");
    }
    drop((open, more));
    server.await.unwrap().unwrap();
    link.lost().await;
}

#[tokio::test]
async fn a_link_whose_peer_goes_away_takes_no_streams_and_keeps_its_own() {
    let pair = pair().await;
    let pool = Pool::default();
    pool.add(pair.link.clone());
    let mut open = pool.open(&target("db:5432")).await.unwrap();
    pair.drain.cancel();
    pair.link.going().await;
    assert!(pair.link.is_going_away() && !pair.link.is_lost());
    assert_eq!((pool.links(), pool.is_empty()), (0, false));
    assert_eq!(pool.open(&target("db:5432")).await.unwrap_err().code, Code::AgentOffline);
    open.send.send(Bytes::from_static(b"still here")).await.unwrap();
    assert_eq!(open.receive.chunk().await.unwrap().unwrap(), "still here");
    drop(open);
    pair.server.await.unwrap().unwrap();
}
