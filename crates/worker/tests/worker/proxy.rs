//! The proxy that workers dial, and the worker that a test is about.

use std::time::Duration;

use bytes::Bytes;
use penstock_link::{
    Keepalive, Link,
    carrier::{Duplex, tls::Acceptor},
};
use penstock_worker::{App, Config, Worker};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Handle, time::timeout};

pub const FLAVOURS: [&str; 2] = ["h2", "rh2"];

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub struct Identity {
    pub cert_pem: String,
    pub key_pem: String,
}

/// Listens for workers with certificates of its authority.
pub struct Proxy {
    pub authority: Authority,
    listener: TcpListener,
    acceptor: Acceptor,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn issue(&self, name: &str) -> Identity {
        self.sign(CertificateParams::new([name.to_owned()]).unwrap())
    }

    pub fn issue_expired(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 2);
        self.sign(params)
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        Identity { cert_pem: leaf.pem(), key_pem: key.serialize_pem() }
    }
}

impl Proxy {
    pub async fn begin() -> Self {
        let authority = Authority::new();
        let shown = authority.issue("127.0.0.1");
        let acceptor = Acceptor::new(&shown.cert_pem, &shown.key_pem, &authority.pem()).unwrap();
        Self { authority, listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), acceptor }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// A worker's settings, with `more` of them.
    pub fn config(&self, flavour: &str, more: Value) -> Config {
        self.config_as(&self.authority.issue("worker"), flavour, more)
    }

    pub fn config_as(&self, identity: &Identity, flavour: &str, more: Value) -> Config {
        let mut config = json!({
            "connect": self.address(),
            "cert_pem": identity.cert_pem, "key_pem": identity.key_pem,
            "ca_pem": self.authority.pem(), "flavour": flavour,
        });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    }

    /// A worker that serves with `app`.
    pub fn worker(&self, flavour: &str, app: impl App) -> Worker {
        Worker::start(&self.config(flavour, json!({})), app, &Handle::current()).unwrap()
    }

    /// The bytes of the next link; a fault of the handshake is the error.
    pub async fn accept(&self) -> Result<Box<dyn Duplex>, String> {
        let (tcp, _) = soon(self.listener.accept()).await.unwrap();
        let accepted = soon(self.acceptor.accept(tcp)).await;
        accepted.map(|accepted| accepted.bytes).map_err(|why| why.to_string())
    }

    /// The next link, to open requests on.
    pub async fn link(&self) -> Link {
        Link::start(self.accept().await.unwrap(), Keepalive::default()).await.unwrap()
    }

    /// The next link, by the HTTP/2 stack itself, with windows of this many bytes.
    pub async fn client(&self, window: u32) -> h2::client::SendRequest<Bytes> {
        let bytes = self.accept().await.unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).enable_push(false);
        let (client, connection) = soon(builder.handshake(bytes)).await.unwrap();
        tokio::spawn(async move {
            let _ended = connection.await;
        });
        client
    }
}

/// What is awaited comes, or the test fails.
pub async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it comes in time")
}
