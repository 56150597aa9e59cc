//! Callers of the public port.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::world::PATIENCE;

pub type Body = BoxBody<Bytes, std::io::Error>;

/// A caller that opens a connection for each request, except where it keeps one.
#[derive(Clone, Copy)]
pub struct Client {
    address: SocketAddr,
    http2: bool,
}

impl Client {
    pub const fn http1(address: SocketAddr) -> Self {
        Self { address, http2: false }
    }

    pub const fn http2(address: SocketAddr) -> Self {
        Self { address, http2: true }
    }

    pub async fn send(self, request: Request<Body>) -> Response<Incoming> {
        self.try_send(request).await.unwrap()
    }

    pub async fn try_send(self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let io = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let sending = async {
            if self.http2 {
                if request.uri().authority().is_none() {
                    *request.uri_mut() = format!("http://shop.example{}", request.uri()).parse().unwrap();
                }
                let (mut sender, connection) =
                    hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                sender.send_request(request).await
            } else {
                request.headers_mut().entry("host").or_insert("shop.example".parse().unwrap());
                let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
                tokio::spawn(connection.with_upgrades());
                sender.send_request(request).await
            }
        };
        timeout(PATIENCE, sending).await.expect("no answer")
    }

    pub async fn get(self, path: &str) -> (u16, String) {
        whole(self.send(get(path)).await).await
    }

    pub async fn post(self, path: &str, body: impl Into<Bytes>) -> (u16, String) {
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed();
        whole(self.send(Request::post(path).body(body).unwrap()).await).await
    }
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path).body(empty()).unwrap()
}

pub fn empty() -> Body {
    Full::default().map_err(|never| match never {}).boxed()
}

pub async fn whole(response: Response<Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = timeout(PATIENCE, response.into_body().collect()).await.expect("no end").unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Sends bytes as they are, and reads until the end of the connection or until `enough`.
pub async fn raw(address: SocketAddr, bytes: &[u8], enough: impl Fn(&str) -> bool) -> String {
    let (_, answer) = raw_kept(address, bytes, enough).await;
    answer
}

/// [`raw`], with the connection.
pub async fn raw_kept(
    address: SocketAddr,
    bytes: &[u8],
    enough: impl Fn(&str) -> bool,
) -> (TcpStream, String) {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !enough(&String::from_utf8_lossy(&answer)) {
            match tcp.read_buf(&mut answer).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    timeout(PATIENCE, reading).await.expect("no answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (tcp, answer)
}
