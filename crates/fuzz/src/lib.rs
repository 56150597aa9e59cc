//! One function per codec: takes hostile bytes, and panics if they get more out of it than they may.
//!
//! `fuzz/` feeds them what a fuzzer finds (`make fuzz`); `tests/corpus.rs` feeds them what was found before.

mod addresses;
mod cuts;
mod egress;
mod fields;
mod forwarded;
mod http;
mod http_headers;
mod link;
mod link_packets;
mod postgres_login;
mod postgres_session;
mod postgres_start;
mod proxy_authorization;
mod proxy_protocol;
mod recording;
mod tls;

/// A codec under test.
pub type Target = fn(&[u8]);

/// Every target by its name, which is its corpus's folder, too.
pub const TARGETS: [(&str, Target); 16] = [
    ("addresses", addresses::parse),
    ("egress", egress::explain),
    ("forwarded", forwarded::of_callers),
    ("http_headers", http_headers::passed_on),
    ("http_request", http::request),
    ("link_frames", link::frames),
    ("link_packets", link_packets::payloads),
    ("link_requesting", link::requesting),
    ("link_serving", link::serving),
    ("postgres_login", postgres_login::login),
    ("postgres_session", postgres_session::session),
    ("postgres_start", postgres_start::first_words),
    ("proxy_authorization", proxy_authorization::credential),
    ("proxy_protocol", proxy_protocol::header),
    ("recording", recording::read),
    ("tls_client_hello", tls::client_hello),
];

/// Runs the target of this name; false if there is none.
pub fn run(name: &str, data: &[u8]) -> bool {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.map(|(_, target)| target(data)).is_some()
}
