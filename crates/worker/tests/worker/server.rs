//! Upstreams.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use penstock_link::{carrier::Duplex, tls};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixListener},
};

use crate::proxy::Identity;

type Body = BoxBody<Bytes, std::io::Error>;

/// An upstream that listens.
pub struct Server {
    /// `HOST:PORT`.
    pub address: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// HTTP/1.1 and HTTP/2 in clear.
    pub async fn plain() -> Self {
        Self::listen(None).await
    }

    /// HTTP/1.1 and HTTP/2 by ALPN.
    pub async fn tls(identity: &Identity) -> Self {
        Self::listen(Some(tls::acceptor(&identity.cert_pem, &identity.key_pem).unwrap())).await
    }

    /// On a socket of this machine.
    pub fn unix(path: &std::path::Path) {
        let listener = UnixListener::bind(path).unwrap();
        tokio::spawn(async move {
            loop {
                serve(Box::new(listener.accept().await.unwrap().0));
            }
        });
    }

    /// How many connections it was asked for.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    async fn listen(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let tcp = listener.accept().await.unwrap().0;
                count.fetch_add(1, Ordering::Relaxed);
                match &tls {
                    Some(tls) => {
                        if let Ok(tls) = tls.accept(tcp).await {
                            serve(Box::new(tls));
                        }
                    }
                    None => serve(Box::new(tcp)),
                }
            }
        });
        Self { address, connections }
    }
}

fn serve(io: Box<dyn Duplex>) {
    tokio::spawn(async move {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http2().enable_connect_protocol();
        let served = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
        let _ended = builder.serve_connection_with_upgrades(TokioIo::new(io), served).await;
    });
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    match request.uri().path() {
        "/seen" => Response::new(whole(seen(&request))),
        "/echo" => {
            let mut response = Response::new(request.into_body().map_err(std::io::Error::other).boxed());
            response.headers_mut().insert(header::TRAILER, HeaderValue::from_static("x-sum"));
            response
        }
        "/hop-by-hop" => {
            let mut response = Response::new(whole("kept".into()));
            for (name, value) in
                [("connection", "x-secret"), ("x-secret", "1"), ("keep-alive", "timeout=5"), ("x-kept", "1")]
            {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            response
        }
        "/cut" => Response::new(BoxBody::new(StreamBody::new(half(request.into_body())))),
        "/early" => {
            let mut response = Response::new(whole("too large".into()));
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            response
        }
        "/never" => std::future::pending().await,
        "/denied" => {
            let mut response = Response::new(whole("not you".into()));
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        }
        "/upgrade" => upgrade(request),
        _ => Response::new(whole("hello".into())),
    }
}

fn seen(request: &Request<Incoming>) -> String {
    let fields = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let fields: Vec<_> = fields.collect();
    json!({
        "method": request.method().as_str(), "uri": request.uri().to_string(),
        "version": format!("{:?}", request.version()), "fields": fields,
    })
    .to_string()
}

fn whole(text: String) -> Body {
    http_body_util::Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed()
}

/// Half of a body and, once the caller has said all, an error.
fn half(asked: Incoming) -> impl futures_util::Stream<Item = std::io::Result<Frame<Bytes>>> + Send + Sync {
    let first = stream::once(async { Ok(Frame::data(Bytes::from_static(b"half"))) });
    first.chain(stream::once(async {
        let _said = asked.collect().await;
        Err(std::io::Error::other("no more"))
    }))
}

/// Whatever is sent comes back, in capitals.
fn upgrade(mut request: Request<Incoming>) -> Response<Body> {
    let Some(token) = request.headers().get(header::UPGRADE).cloned() else {
        return Response::new(whole("what for?".into()));
    };
    let key = request.headers().contains_key(header::SEC_WEBSOCKET_KEY);
    let on = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(on.await.unwrap());
        let mut buffer = [0u8; 64];
        loop {
            let read = io.read(&mut buffer).await.unwrap();
            if read == 0 {
                break io.shutdown().await.unwrap();
            }
            io.write_all(&buffer[..read].to_ascii_uppercase()).await.unwrap();
        }
    });
    let mut response = Response::new(whole(String::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let mut fields = HeaderMap::new();
    fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    fields.insert(header::UPGRADE, token);
    fields.insert("x-had-key", HeaderValue::from_static(if key { "yes" } else { "no" }));
    *response.headers_mut() = fields;
    response
}
