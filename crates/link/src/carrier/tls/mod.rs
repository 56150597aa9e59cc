//! Carrier `tls`: HTTP/2 straight on mutual TLS, always reversed: who dials serves. The flavour is told by ALPN.

mod accept;
mod dial;
mod flavour;
pub(crate) mod preface;

pub use accept::{Accepted, Acceptor, NoLink};
pub use dial::Dialler;
pub use flavour::Flavour;
