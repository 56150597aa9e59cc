//! Sessions of type `tcp`, and what every port answers.

use std::time::{Duration, Instant};

use penstock_domain::{Code, Status};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::world::{self, Refusals, World};

async fn echoed(stream: &mut TcpStream, text: &[u8]) {
    stream.write_all(text).await.unwrap();
    let mut back = vec![0u8; text.len()];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(back, text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_pass_and_the_end_is_recorded() {
    let world = World::start(Refusals::None).await;
    let mut stream = world.connect("echo").await;
    echoed(&mut stream, &vec![7u8; 1 << 20]).await;
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0u8; 1]).await.unwrap(), 0, "the half-close came back");
    let ended = world.ended().await;
    assert_eq!((ended.status, ended.reason), (Status::Closed, None));
    assert_eq!((ended.client_bytes, ended.upstream_bytes), (1 << 20, 1 << 20));
    let report = world.verify(&ended.session, &ended.head);
    assert!(report.ok, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_session_is_cut_within_a_second() {
    let world = World::start(Refusals::None).await;
    let mut stream = world.connect("echo").await;
    echoed(&mut stream, b"hello").await;
    let session = world.gateway.sessions().keys().next().unwrap().clone();
    let killed = Instant::now();
    assert!(world.gateway.kill(&session, Status::Killed, "enough"));
    let cut = stream.read(&mut [0u8; 1]).await;
    assert!(killed.elapsed() < Duration::from_secs(1));
    assert!(cut.is_err(), "a killed stream looked complete: {cut:?}");
    let ended = world.ended().await;
    assert_eq!((ended.status, ended.reason.as_deref()), (Status::Killed, Some("enough")));
    world.idle().await;
    assert!(!world.gateway.kill(&session, Status::Killed, "again"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reader_can_be_killed_too() {
    let world = World::start(Refusals::None).await;
    let mut stream = world.connect("flood").await;
    stream.read_exact(&mut [0u8; 1024]).await.unwrap();
    let session = world.gateway.sessions().keys().next().unwrap().clone();
    assert!(world.gateway.kill(&session, Status::Killed, "enough"));
    assert_eq!(world.ended().await.status, Status::Killed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_its_sessions_and_links() {
    let world = World::start(Refusals::None).await;
    let mut stream = world.connect("echo").await;
    echoed(&mut stream, b"hello").await;
    assert_eq!(world.gateway.end_token("another"), 0);
    assert_eq!(world.gateway.end_token("token-1"), 1);
    assert!(stream.read(&mut [0u8; 1]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_agent_cuts_its_sessions() {
    let world = World::start(Refusals::None).await;
    let mut stream = world.connect("echo").await;
    echoed(&mut stream, b"hello").await;
    assert_eq!(world.gateway.end_agent("agent"), 2);
    assert!(stream.read(&mut [0u8; 1]).await.is_err());
    assert_eq!(world.ended().await.status, Status::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_reach_the_client_with_their_codes() {
    let world = World::start(Refusals::None).await;
    assert_eq!(world.refusal("unknown").await.code, Code::NotFound);
    let world = World::start(Refusals::Tokens).await;
    let error = world.refusal("echo").await;
    assert_eq!(error.code, Code::Unauthenticated);
    assert!(error.hint.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_decided_is_denied() {
    let world = World::start(Refusals::Silence).await;
    let error = world.refusal("echo").await;
    assert_eq!(error.code, Code::Internal);
    assert!(error.message.contains("no decision"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_waits_for_sessions_then_ends_them() {
    let world = World::start(Refusals::None).await;
    let mut stream = world.connect("echo").await;
    echoed(&mut stream, b"hello").await;
    world.gateway.shutdown(Duration::from_millis(200)).await;
    let ended = world.ended().await;
    let reason = ended.reason.unwrap();
    assert!(reason.starts_with("terminating connection: the gateway is shutting down"), "{reason}");
    assert!(world.verify(&ended.session, &ended.head).ok);
}

async fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_follows_readiness() {
    let world = World::start(Refusals::None).await;
    let get = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let grpc = world.gateway.addresses().grpc.clone();
    let admin = world.gateway.addresses().admin.clone().unwrap();
    let ready = get.replace("/ ", "/ready ");
    assert!(ask(&grpc, get).await.starts_with("HTTP/1.1 200"));
    assert!(ask(&admin, &ready).await.starts_with("HTTP/1.1 200"));
    let metrics = ask(&admin, &get.replace("/ ", "/metrics ")).await;
    assert!(metrics.contains("penstock_ready 1"), "{metrics}");
    world.gateway.ready(false);
    assert!(ask(&grpc, get).await.starts_with("HTTP/1.1 503"));
    assert!(ask(&admin, &ready).await.starts_with("HTTP/1.1 503"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_silence_end_and_others_still_connect() {
    let world = World::start(Refusals::None).await;
    let grpc = &world.gateway.addresses().grpc;
    let mut silent = TcpStream::connect(grpc).await.unwrap();
    for garbage in
        [&b"\x00\xff\x00\xff garbage\r\n\r\n"[..], b"\x16\x03\x01\x00\x05hello", b"PRI * HTTP/2.0\r\n\r\nXX"]
    {
        let mut stream = TcpStream::connect(grpc).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        // Closed or reset: either is an end.
        let _end = stream.read_to_end(&mut rest).await;
    }
    assert_eq!(silent.read(&mut [0u8; 1]).await.unwrap_or(0), 0);
    let mut stream = world.connect("echo").await;
    echoed(&mut stream, b"still here").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_header_fields_are_refused() {
    let world = World::start(Refusals::None).await;
    for (fields, status) in [(90, "200"), (120, "431")] {
        let fields: String = (0..fields).map(|number| format!("X-{number}: x\r\n")).collect();
        let get = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
        let answer = ask(&world.gateway.addresses().grpc, &get).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_end_the_connection() {
    let world = World::start(Refusals::Silence).await;
    let tcp = TcpStream::connect(&world.gateway.addresses().grpc).await.unwrap();
    let (mut requests, mut connection) = h2::client::handshake(tcp).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let ended = tokio::spawn(connection);
    // Never answered: the decider keeps silent. Each is reset once the gateway has it.
    for _ in 0..=world::RESETS_PER_MINUTE {
        let request = http::Request::post("http://x/protobuf.Transport/Connect")
            .header("content-type", "application/grpc")
            .header("authorization", "Bearer t")
            .body(())
            .unwrap();
        requests = requests.ready().await.unwrap();
        let (_response, mut stream) = requests.send_request(request, false).unwrap();
        pings.ping(h2::Ping::opaque()).await.unwrap();
        stream.send_reset(h2::Reason::CANCEL);
    }
    // Closed in the middle of HTTP/2: an error, or an end without a word.
    let _end = ended.await.unwrap();
    let mut stream = world.connect("echo").await;
    stream.write_all(b"others still connect").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_recording_that_is_required_there_is_no_session() {
    let world = World::start(Refusals::None).await;
    assert!(world.is_cut(world::UNWRITABLE).await, "a session without its recording");
    assert!(world.gateway.sessions().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_that_is_not_required_leaves_a_gap_that_is_told() {
    let world = World::start(Refusals::None).await;
    let mut stream = world.connect(world::UNRECORDED).await;
    echoed(&mut stream, b"hello").await;
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0u8; 1]).await.unwrap(), 0);
    let ended = world.ended().await;
    let gap = ended.gap.unwrap();
    assert_eq!((ended.status, ended.head.as_str(), gap.events), (Status::Closed, "", 3));
    assert!(gap.reason.contains("cannot be written"), "{gap:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_did_not_come_to_be_is_recorded_as_that() {
    let world = World::start(Refusals::None).await;
    assert!(world.is_cut(world::REVOKED).await);
    let summary = world.summary("session-0");
    assert_eq!(
        (summary.status, summary.reason.as_deref()),
        (Some(Status::Failed), Some("revoked meanwhile"))
    );
    assert_eq!(summary.statements, 0);
}
