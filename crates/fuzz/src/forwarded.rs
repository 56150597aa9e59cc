//! What callers say of where they come from, in front of a proxy that is trusted.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::{IpNet, Ipv4Net};
use penstock_http::{Peer, fuzz::caller};

use crate::fields::fields;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What the proxy writes of the caller.
const X_FORWARDED: [(HeaderName, &str); 3] = [(FOR, "192.0.2.7"), (PROTO, "https"), (HOST, "shop.example")];
const FORWARDED: [(HeaderName, &str); 1] =
    [(header::FORWARDED, "for=192.0.2.7;proto=https;host=shop.example")];

/// The input is a caller's header fields. Whatever they are: once the proxy has appended its own, it is its own that
/// are believed.
pub(crate) fn of_callers(data: &[u8]) {
    let said = fields(data);
    let kinds = [FOR, PROTO, HOST, header::FORWARDED];
    if !kinds.iter().any(|name| said.contains_key(name)) {
        assert!(named(&said) == told(&proxy()), "whoever says nothing is somebody else");
    }
    // A proxy that writes one kind takes the other away, or writes both.
    assert!(is_believed(&appended(without(&said, &[header::FORWARDED]), &X_FORWARDED)));
    assert!(is_believed(&appended(without(&said, &X_FORWARDED.map(|(name, _)| name)), &FORWARDED)));
    assert!(is_believed(&appended(appended(said.clone(), &X_FORWARDED), &FORWARDED)));
    // Where it passes the other kind on as it came, nobody else is named.
    for wrote in [X_FORWARDED.as_slice(), &FORWARDED] {
        let address = named(&appended(said.clone(), wrote)).0;
        assert!(["192.0.2.7:0", "10.0.0.1:1000"].contains(&address.as_str()), "a caller names another");
    }
}

/// The proxy, which is also the caller if nobody can be believed.
fn proxy() -> Arc<Peer> {
    let address = ([10, 0, 0, 1], 1000).into();
    Arc::new(Peer { address, tls: false, server_name: None, certificate: None, host: None })
}

fn named(fields: &HeaderMap) -> (String, bool, Option<String>) {
    let trusted = [IpNet::V4(Ipv4Net::new_assert([10, 0, 0, 0].into(), 8))];
    told(&caller(&proxy(), fields, &trusted))
}

fn told(peer: &Peer) -> (String, bool, Option<String>) {
    (peer.address.to_string(), peer.tls, peer.host.clone())
}

fn is_believed(fields: &HeaderMap) -> bool {
    named(fields) == ("192.0.2.7:0".into(), true, Some("shop.example".into()))
}

fn without(fields: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut left = fields.clone();
    for name in names {
        left.remove(name);
    }
    left
}

/// A line each, below those that are there.
fn appended(mut fields: HeaderMap, wrote: &[(HeaderName, &'static str)]) -> HeaderMap {
    for (name, value) in wrote {
        fields.append(name, HeaderValue::from_static(value));
    }
    fields
}
