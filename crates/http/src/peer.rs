//! Who is at the other end.

use std::net::SocketAddr;

use penstock_link::tls::Certificate;

/// The caller of a request: the other end of its connection, or whom trusted proxies name.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address; port 0 where a proxy does not tell it.
    pub address: SocketAddr,
    /// Whether it speaks TLS, to us or to a proxy that is believed.
    pub tls: bool,
    /// The name that it asked for in its TLS ClientHello.
    pub server_name: Option<String>,
    /// Who it has proven to be in the TLS handshake, where a certificate was asked for.
    pub certificate: Option<Certificate>,
    /// The host that it asked a proxy for, if one that is believed says so. Requests are never routed by it.
    pub host: Option<String>,
}

impl Peer {
    /// Its address for people: `IP:PORT`, or the address alone where the port is not known.
    #[must_use]
    pub fn name(&self) -> String {
        if self.address.port() == 0 { self.address.ip().to_string() } else { self.address.to_string() }
    }
}
