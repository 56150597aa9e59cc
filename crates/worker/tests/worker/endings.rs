//! How streams, links and workers end.

use std::time::Duration;

use http::{Method, StatusCode};

use crate::{
    application::Application,
    exchanges::{get, request},
    proxy::{FLAVOURS, Proxy, soon},
    wire::{END_HEADERS, END_STREAM, FLOOD, GOAWAY, HEADERS, HELLO, HOLD, PING, RST_STREAM, Wire},
};

const LONG: Duration = Duration::from_secs(30);

/// RFC 9113 §7.
const NO_ERROR: u32 = 0;
const CANCEL: u32 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_hears_of_a_reset() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        let (application, mut heard) = Application::new();
        let _worker = proxy.worker(flavour, application);
        let mut wire = Wire::accept(&proxy).await;
        wire.send(HEADERS, END_HEADERS, 1, HOLD).await;
        assert_eq!(soon(heard.recv()).await, Some("held"));
        wire.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
        assert_eq!(soon(heard.recv()).await, Some("gone"));
        wire.send(HEADERS, END_HEADERS | END_STREAM, 3, HELLO).await;
        assert_eq!(wire.next(HEADERS).await.stream, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_hears_of_a_lost_link_and_the_worker_dials_again() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        let (application, mut heard) = Application::new();
        let worker = proxy.worker(flavour, application);
        let mut wire = Wire::accept(&proxy).await;
        soon(worker.ready()).await;
        wire.send(HEADERS, END_HEADERS, 1, HOLD).await;
        assert_eq!(soon(heard.recv()).await, Some("held"));
        // A bare end, as HAProxy ends idle links.
        drop(wire);
        assert_eq!(soon(heard.recv()).await, Some("gone"));
        let link = proxy.link().await;
        assert_eq!(get(&link, "/hello").await.status(), StatusCode::OK);
        assert!(worker.state().error.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_credit_hears_of_a_lost_link() {
    let proxy = Proxy::begin().await;
    let (application, mut heard) = Application::new();
    let _worker = proxy.worker("h2", application);
    let mut wire = Wire::accept(&proxy).await;
    wire.send(HEADERS, END_HEADERS | END_STREAM, 1, FLOOD).await;
    assert_eq!(soon(heard.recv()).await, Some("held"));
    drop(wire);
    assert_eq!(soon(heard.recv()).await, Some("gone"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_proxys_goaway_streams_finish_and_the_worker_dials_again() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        let (application, mut heard) = Application::new();
        let gate = application.gate.clone();
        let _worker = proxy.worker(flavour, application);
        let mut wire = Wire::accept(&proxy).await;
        wire.send(HEADERS, END_HEADERS | END_STREAM, 1, HOLD).await;
        assert_eq!(soon(heard.recv()).await, Some("held"));
        wire.send(GOAWAY, 0, 0, &[0; 8]).await;
        gate.add_permits(1);
        assert_eq!(wire.next(HEADERS).await.stream, 1);
        wire.end().await;
        assert_eq!(get(&proxy.link().await, "/hello").await.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_names_the_last_stream_and_lets_it_finish() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        let (application, mut heard) = Application::new();
        let gate = application.gate.clone();
        let worker = proxy.worker(flavour, application);
        let mut wire = Wire::accept(&proxy).await;
        wire.send(HEADERS, END_HEADERS | END_STREAM, 5, HOLD).await;
        assert_eq!(soon(heard.recv()).await, Some("held"));
        let shutdown = tokio::spawn(async move { worker.shutdown(LONG).await });
        let goaway = last_goaway(&mut wire).await;
        assert_eq!(goaway, [5u32.to_be_bytes(), NO_ERROR.to_be_bytes()].concat());
        gate.add_permits(1);
        assert_eq!(wire.next(HEADERS).await.stream, 5);
        assert!(wire.end().await.is_none_or(|reason| reason == NO_ERROR));
        assert!(soon(shutdown).await.unwrap(), "all requests finished");
    }
}

/// The first GOAWAY only warns (RFC 9113 §6.8); the one after the PING says where the worker stops.
async fn last_goaway(wire: &mut Wire) -> Vec<u8> {
    let warning = wire.next(GOAWAY).await;
    assert_eq!(warning.payload, [i32::MAX.to_be_bytes(), NO_ERROR.cast_signed().to_be_bytes()].concat());
    let ping = wire.next(PING).await;
    wire.send(PING, 1, 0, &ping.payload).await;
    wire.next(GOAWAY).await.payload
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_worker_takes_nothing_more() {
    let proxy = Proxy::begin().await;
    let (application, mut heard) = Application::new();
    let gate = application.gate.clone();
    let worker = proxy.worker("h2", application);
    let link = proxy.link().await;
    let held = soon(link.request(request(Method::GET, "/hold"), true)).await.unwrap();
    assert_eq!(soon(heard.recv()).await, Some("held"));
    let shutdown = tokio::spawn(async move { worker.shutdown(LONG).await });
    // The link takes requests until the GOAWAY has come, and answers them.
    let refused = loop {
        match soon(link.request(request(Method::GET, "/hello"), true)).await {
            Err(refused) => break refused,
            Ok(exchange) => {
                if let Err(refused) = soon(exchange.answer.head()).await {
                    break refused;
                }
            }
        }
    };
    assert!(refused.unprocessed, "{refused}");
    gate.add_permits(1);
    assert_eq!(soon(held.answer.head()).await.unwrap().status(), StatusCode::OK);
    assert!(soon(shutdown).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_does_not_wait_for_ever() {
    for flavour in FLAVOURS {
        let proxy = Proxy::begin().await;
        let (application, mut heard) = Application::new();
        let worker = proxy.worker(flavour, application);
        let link = proxy.link().await;
        let held = soon(link.request(request(Method::GET, "/hold"), true)).await.unwrap();
        assert_eq!(soon(heard.recv()).await, Some("held"));
        assert!(!soon(worker.shutdown(Duration::from_millis(50))).await, "a request was cut");
        assert!(soon(held.answer.head()).await.is_err());
        assert_eq!(soon(heard.recv()).await, Some("gone"));
        soon(link.lost()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_nobody_answers_shuts_down_at_once() {
    let proxy = Proxy::begin().await;
    let worker = proxy.worker("rh2", Application::new().0);
    let _silent = proxy.accept().await.unwrap();
    soon(worker.shutdown(Duration::from_millis(10))).await;
    assert_eq!(worker.state().links, 0);
}
