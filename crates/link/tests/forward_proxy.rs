//! Dialling through a forward proxy that answers as a test wants it to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use penstock_domain::{Code, Error};
use penstock_link::{Address, carrier::grpc::Identity};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Reads the head of a request.
async fn head(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(tcp.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

fn address(https_proxy: String) -> Address {
    let config = serde_json::json!({"url": "grpcs://gw.example:8010", "https_proxy": https_proxy});
    serde_json::from_value(config).unwrap()
}

async fn dialled(https_proxy: String) -> Error {
    match address(https_proxy).grpc(Identity::user("t0k".into())).unwrap().dial().await {
        Ok(_) => panic!("nobody is there"),
        Err(error) => error,
    }
}

/// What dialling says of a proxy that answers so, and what that was asked.
async fn answered(credential: &str, answer: &'static str) -> (Error, String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let proxy = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let asked = head(&mut tcp).await;
        tcp.write_all(answer.as_bytes()).await.unwrap();
        // Open until it is left.
        let _left = tcp.read_to_end(&mut Vec::new()).await;
        asked
    });
    let error = dialled(format!("http://{credential}{place}")).await;
    (error, proxy.await.unwrap(), place)
}

#[tokio::test]
async fn it_is_asked_for_the_gateway_and_shown_the_credential() {
    let (error, asked, place) = answered("me:s3cret@", "HTTP/1.1 403 Forbidden\r\n\r\n").await;
    assert!(asked.starts_with("CONNECT gw.example:8010 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_lowercase().contains("host: gw.example:8010\r\n"), "{asked}");
    assert!(asked.contains("Basic bWU6czNjcmV0"), "{asked}");
    assert!(!asked.contains("t0k"), "what is meant for the gateway is not for the proxy");
    assert_eq!(error.code, Code::Lost);
    assert!(error.message.contains(&place) && error.message.contains("403 Forbidden"), "{error}");
    assert!(!error.message.contains("s3cret") && !error.hint.unwrap().contains("s3cret"));
}

#[tokio::test]
async fn what_is_no_answer_is_told_from_a_refusal() {
    for answer in ["220 smtp.example ready\r\n", "HTTP/1.1 200 OK\r\n\r\nwho asked?"] {
        let (error, _, place) = answered("", answer).await;
        assert!(error.message.contains(&place), "{error}");
        assert!(error.hint.unwrap().contains("HTTPS_PROXY"));
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = dialled(format!("http://{place}")).await;
    assert!(error.message.contains(&place) && error.message.contains("cannot be reached"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let error = dialled(format!("http://{place}")).await;
    assert!(error.message.contains(&place) && error.message.contains("within 8 s"), "{error}");
    assert!(error.hint.unwrap().contains("gw.example:8010"));
}
