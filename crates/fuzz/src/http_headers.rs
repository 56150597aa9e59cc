//! Header fields on their way through a proxy.

use http::{HeaderMap, HeaderName, header};
use penstock_http::{
    Peer,
    headers::{forward, strip_hop_by_hop},
};

use crate::fields::fields;

/// The input is a message's header fields. What is about one hop goes, what says where it comes from is said anew, and
/// all else stays.
pub(crate) fn passed_on(data: &[u8]) {
    let before = fields(data);
    let mut after = before.clone();
    strip_hop_by_hop(&mut after);
    let named = named_by_connection(&before);
    for name in before.keys().chain(after.keys()) {
        let same = before.get_all(name).iter().eq(after.get_all(name));
        if name == header::TE {
            assert!(after.get(name).is_none_or(|value| value == "trailers"), "more than trailers");
        } else if is_hop_by_hop(name) || named.contains(name) {
            assert!(!after.contains_key(name), "a field of one hop is passed on");
        } else {
            assert!(same, "a field is lost");
        }
    }
    let mut again = after.clone();
    strip_hop_by_hop(&mut again);
    assert!(again == after, "twice is not once");
    is_said_anew(&after);
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    ]
    .contains(&name.as_str())
}

/// As far as it can be read; neither of the two that a caller may not take away.
fn named_by_connection(fields: &HeaderMap) -> Vec<HeaderName> {
    let lines = fields.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok());
    names.filter(|name| *name != header::HOST && *name != header::AUTHORIZATION).collect()
}

fn is_said_anew(fields: &HeaderMap) {
    let address = ([192, 0, 2, 7], 4242).into();
    let peer = Peer { address, tls: true, server_name: None, certificate: None, host: None };
    let mut told = fields.clone();
    forward(&mut told, &peer, None);
    for name in ["forwarded", "x-forwarded-host", "x-forwarded-port", "x-forwarded-server", "x-real-ip"] {
        assert!(!told.contains_key(name), "a caller's words");
    }
    for (name, said) in [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")] {
        assert!(told.get_all(name).iter().eq([said]), "a caller's words");
    }
}
