//! TLS for links: one place that builds every configuration.

mod belief;
mod certificate;
mod client;
mod client_hello;
mod end_point;
mod server;
mod stream;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use certificate::Certificate;
pub use client::{Connector, Identity, Trust};
pub use client_hello::{Alert, ClientHello, ClientHelloReader, NoClientHello, alert};
pub use end_point::end_point;
pub(crate) use server::server_config;
pub use server::{acceptor, acceptor_with_clients};
pub use stream::MaybeTls;

/// The one crypto provider.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
