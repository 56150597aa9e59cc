//! Who is at the other end of a connection.

use std::net::SocketAddr;

use penstock_link::tls::Certificate;

/// The caller of every request on one connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address: the connection's, or what a trusted load balancer's PROXY header says.
    pub address: SocketAddr,
    /// Whether it speaks TLS to us.
    pub tls: bool,
    /// The name that it asked for in its TLS ClientHello.
    pub server_name: Option<String>,
    /// Who it has proven to be in the TLS handshake, where a certificate was asked for.
    pub certificate: Option<Certificate>,
}
