//! What an address shows in its TLS handshake, believed or not: for whoever looks for what is wrong.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use penstock_domain::{Code, Error, Side};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::{
    Address, Endpoint,
    forward_proxy::ForwardProxy,
    tls::{Connector, MaybeTls, Trust},
};

/// What was shown.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The version, such as `TLSv1_3`.
    pub version: Option<String>,
    /// The protocol that it chose, if it chose one.
    pub alpn: Option<String>,
    /// The certificates, leaf first: base64 of their DER form.
    pub chain: Vec<String>,
    /// Why it is not believed; none if it is.
    pub distrust: Option<Error>,
}

impl Shown {
    /// Runs the handshake twice: believing anyone, to see what there is, and as a link does. Nothing is said in
    /// either, and of our own certificate only a tunnel port that is believed hears.
    ///
    /// # Errors
    /// There is no TLS, or nobody.
    pub async fn at(address: &Address) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(&address.url, address.insecure)?;
        let proxy = address.forward_proxy(&endpoint)?;
        let handshake = |connector| handshake(&endpoint, proxy.as_ref(), connector);
        let anyone = handshake(address.connector_for(&Trust::Anyone, false)?).await?;
        let believed = handshake(address.connector(&endpoint)?).await;
        Ok(Self::read(&anyone, believed.err()))
    }

    fn read(tls: &TlsStream<MaybeTls>, distrust: Option<Error>) -> Self {
        let (_, session) = tls.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        Self {
            version: session.protocol_version().map(|version| format!("{version:?}")),
            alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            chain: chain.iter().map(|certificate| STANDARD.encode(certificate)).collect(),
            distrust,
        }
    }
}

async fn handshake(
    endpoint: &Endpoint,
    proxy: Option<&ForwardProxy>,
    connector: Connector,
) -> Result<TlsStream<MaybeTls>, Error> {
    let io = match proxy {
        Some(proxy) => proxy.connect(endpoint).await?,
        None => MaybeTls::Plain(TcpStream::connect(endpoint.authority()).await.map_err(|error| {
            let authority = endpoint.authority();
            Error::new(Code::Lost, Side::Gateway, format!("cannot reach the gateway at {authority}: {error}"))
        })?),
    };
    connector.connect(&endpoint.host, io).await
}
