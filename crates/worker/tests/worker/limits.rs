//! What the worker tells of its limits, and what happens beyond them.

use http::{Method, StatusCode};
use penstock_worker::Worker;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::{
    application::Application,
    exchanges::{get, request},
    proxy::{FLAVOURS, Proxy, soon},
    wire::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, HELLO, HOLD, RST_STREAM, SETTINGS, Wire},
};

/// RFC 9113 §7.
const PROTOCOL_ERROR: u32 = 1;
const ENHANCE_YOUR_CALM: u32 = 11;

/// RFC 9113 §6.5.2 and RFC 8441 §3.
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const MAX_HEADER_LIST_SIZE: u16 = 6;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

fn settings(payload: &[u8]) -> Vec<(u16, u32)> {
    let pairs = payload.chunks_exact(6).map(|pair| {
        let (name, value) = pair.split_first_chunk::<2>().unwrap();
        (u16::from_be_bytes(*name), u32::from_be_bytes(*value.first_chunk().unwrap()))
    });
    pairs.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_settings_say_what_holds_and_the_limit_of_streams_comes_last() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        let config = proxy.config(flavour, json!({"streams": 7}));
        let _worker = Worker::start(&config, Application::new().0, &Handle::current()).unwrap();
        let mut wire = Wire::accept(&proxy).await;
        let first = settings(&wire.next(SETTINGS).await.payload);
        assert!(first.contains(&(MAX_HEADER_LIST_SIZE, 64 * 1024)), "{first:?}");
        assert!(first.contains(&(ENABLE_CONNECT_PROTOCOL, 1)), "{first:?}");
        assert!(!first.contains(&(ENABLE_PUSH, 1)), "{first:?}");
        // HAProxy heeds only what comes after the roles were reversed, which the first frame does.
        assert_eq!(settings(&wire.next(SETTINGS).await.payload), [(MAX_CONCURRENT_STREAMS, 7)]);
        // Both are acknowledged, and nothing is wrong with that.
        wire.send(SETTINGS, 1, 0, &[]).await;
        wire.send(SETTINGS, 1, 0, &[]).await;
        wire.send(HEADERS, END_HEADERS | END_STREAM, 1, HELLO).await;
        assert_eq!(wire.next(HEADERS).await.stream, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_proxy_heeds_the_limit() {
    let proxy = Proxy::begin().await;
    let config = proxy.config("rh2", json!({"streams": 7}));
    let _worker = Worker::start(&config, Application::new().0, &Handle::current()).unwrap();
    let link = proxy.link().await;
    assert_eq!(get(&link, "/hello").await.status(), StatusCode::OK);
    assert_eq!(link.most_streams(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_does_not_heed_it_is_answered_503_and_never_refused_below_http() {
    let proxy = Proxy::begin().await;
    let (application, mut heard) = Application::new();
    let config = proxy.config("h2", json!({"streams": 1}));
    let _worker = Worker::start(&config, application, &Handle::current()).unwrap();
    let mut wire = Wire::accept(&proxy).await;
    for stream in [1, 3] {
        wire.send(HEADERS, END_HEADERS, stream, HOLD).await;
        assert_eq!(soon(heard.recv()).await, Some("held"));
    }
    for stream in (5..=99).step_by(2) {
        wire.send(HEADERS, END_HEADERS | END_STREAM, stream, HELLO).await;
        let refusal = wire.next(DATA).await;
        let problem: Value = serde_json::from_slice(&refusal.payload).unwrap();
        assert_eq!((refusal.stream, &problem["status"]), (stream, &json!(503)), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_fields_are_refused() {
    let proxy = Proxy::begin().await;
    let _worker = proxy.worker("h2", Application::new().0);
    let link = proxy.link().await;
    let mut many = request(Method::GET, "/hello");
    for number in 0..101 {
        many.headers_mut().insert(
            http::HeaderName::try_from(format!("x-{number}")).unwrap(),
            http::HeaderValue::from(number),
        );
    }
    let exchange = soon(link.request(many, true)).await.unwrap();
    let answer = soon(exchange.answer.head()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_end_ends_the_link() {
    let proxy = Proxy::begin().await;
    let _worker = proxy.worker("h2", Application::new().0);
    let mut wire = Wire::accept(&proxy).await;
    wire.send(HEADERS, END_STREAM, 1, HELLO).await;
    // A field that is never indexed: `x: ` and sixteen thousand letters, again and again.
    let mut field = b"\x10\x01x\x7f\x81\x7c".to_vec();
    field.extend([b'a'; 16_000]);
    for _ in 0..1000 {
        if wire.try_send(CONTINUATION, 0, 1, &field).await.is_err() {
            break;
        }
    }
    assert!(matches!(wire.end().await, None | Some(ENHANCE_YOUR_CALM | PROTOCOL_ERROR)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_frame_between_the_pieces_of_a_head_is_a_fault() {
    let proxy = Proxy::begin().await;
    let _worker = proxy.worker("h2", Application::new().0);
    let mut wire = Wire::accept(&proxy).await;
    wire.send(HEADERS, END_STREAM, 1, HELLO).await;
    wire.send(DATA, 0, 1, b"x").await;
    assert_eq!(wire.end().await, Some(PROTOCOL_ERROR));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_may_flush_with_empty_data() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        let (application, mut heard) = Application::new();
        let _worker = proxy.worker(flavour, application);
        let mut wire = Wire::accept(&proxy).await;
        wire.send(HEADERS, END_HEADERS, 1, HOLD).await;
        assert_eq!(soon(heard.recv()).await, Some("held"));
        for _ in 0..1000 {
            wire.send(DATA, 0, 1, b"x").await;
            wire.send(DATA, 0, 1, b"").await;
        }
        wire.send(HEADERS, END_HEADERS | END_STREAM, 3, HELLO).await;
        assert_eq!(wire.next(HEADERS).await.stream, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_empty_data_ends_the_link() {
    let proxy = Proxy::begin().await;
    let (application, mut heard) = Application::new();
    let _worker = proxy.worker("h2", application);
    let mut wire = Wire::accept(&proxy).await;
    wire.send(HEADERS, END_HEADERS, 1, HOLD).await;
    assert_eq!(soon(heard.recv()).await, Some("held"));
    for _ in 0..10_000 {
        wire.send(DATA, 0, 1, b"").await;
    }
    assert_eq!(wire.end().await, Some(ENHANCE_YOUR_CALM));
    assert_eq!(soon(heard.recv()).await, Some("gone"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_resets_ends_the_link() {
    let proxy = Proxy::begin().await;
    let _worker = proxy.worker("h2", Application::new().0);
    let mut wire = Wire::accept(&proxy).await;
    for stream in (1..10_000).step_by(2) {
        wire.send(HEADERS, END_HEADERS, stream, HOLD).await;
        wire.send(RST_STREAM, 0, stream, &8u32.to_be_bytes()).await;
    }
    assert!(matches!(wire.end().await, None | Some(ENHANCE_YOUR_CALM)));
}
