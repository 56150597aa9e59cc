//! What a proxy takes from a message before it passes it on, and what it adds.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::Peer;

/// Fields that are about one hop (RFC 9110 §7.6.1), and those of proxies.
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What callers may not say of themselves.
static FORWARDED: [HeaderName; 7] = [
    header::FORWARDED,
    FORWARDED_FOR,
    FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-port"),
    FORWARDED_PROTO,
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
];

/// Removes hop-by-hop fields, those that `Connection` names included (RFC 9110 §7.6.1). `TE: trailers` stays, for
/// gRPC servers ask for it and HTTP/2 allows it (RFC 9113 §8.2.2).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have none, and a look at each name costs less than a search for each of these.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    let trailers = wants_trailers(headers);
    if headers.contains_key(header::CONNECTION) {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes what a caller says of where it comes from.
fn strip_forwarded(headers: &mut HeaderMap) {
    if headers.keys().any(|name| FORWARDED.contains(name)) {
        for name in &FORWARDED {
            headers.remove(name);
        }
    }
}

/// Says where a request came from, in the place of whatever the caller said.
pub fn forward(headers: &mut HeaderMap, peer: &Peer, host: Option<&str>) {
    strip_forwarded(headers);
    let ip = peer.address.ip().to_canonical().to_string();
    let host = peer.host.as_deref().or(host);
    let scheme = if peer.tls { "https" } else { "http" };
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    if let Ok(ip) = HeaderValue::try_from(ip) {
        headers.insert(FORWARDED_FOR, ip);
    }
    if let Some(host) = host.and_then(|host| HeaderValue::try_from(host).ok()) {
        headers.insert(FORWARDED_HOST, host);
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| *name != header::AUTHORIZATION && *name != header::HOST)
        .collect()
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::TE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_is_about_one_hop_goes_with_what_it_names() {
        let mut headers = headers(&[
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "websocket"),
            ("te", "gzip"),
            ("trailer", "x-sum"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "trailer"]);
    }

    #[test]
    fn the_wish_for_trailers_stays() {
        let mut headers = headers(&[("te", "gzip;q=1, Trailers")]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.get(header::TE).unwrap(), "trailers");
    }

    #[test]
    fn host_and_authorization_cannot_be_named_away() {
        let mut headers =
            headers(&[("connection", "host, authorization"), ("host", "a"), ("authorization", "b")]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn where_a_request_came_from_is_ours_to_say() {
        let mut headers = headers(&[("x-forwarded-for", "10.0.0.1"), ("x-real-ip", "10.0.0.1")]);
        let address = "[::ffff:192.0.2.1]:80".parse().unwrap();
        let mut peer = Peer { address, tls: true, server_name: None, certificate: None, host: None };
        forward(&mut headers, &peer, Some("shop.example"));
        assert_eq!(headers.get("x-forwarded-for").unwrap(), "192.0.2.1");
        assert_eq!(headers.get("x-forwarded-proto").unwrap(), "https");
        assert_eq!(headers.get("x-forwarded-host").unwrap(), "shop.example");
        assert!(!headers.contains_key("x-real-ip"));
        peer.host = Some("front.example".into());
        forward(&mut headers, &peer, Some("shop.example"));
        assert_eq!(headers.get("x-forwarded-host").unwrap(), "front.example");
    }
}
