//! The head of a request, as it goes to a worker.

use http::{
    HeaderMap, HeaderName, Method, Uri, header,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use penstock_domain::Error;
use penstock_http::{Peer, headers};

use super::malformed;

/// What belongs to an upgrade that is not made (RFC 7540 §3.2.1).
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Whom the request is for: the authority of its target, which wins (RFC 9112 §3.2.2), or its `Host`; none if it
/// says neither, as HTTP/1.0 may.
pub(super) fn authority(head: &Parts) -> Result<Option<Authority>, Error> {
    let authority = match head.uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => match head.headers.get(header::HOST) {
            None => None,
            Some(host) if host.is_empty() => None,
            Some(host) => {
                Some(Authority::try_from(host.as_bytes()).map_err(|_| malformed("its Host cannot be read"))?)
            }
        },
    };
    match authority {
        Some(authority) if authority.as_str().contains('@') => Err(malformed("its Host names a user")),
        authority => Ok(authority),
    }
}

/// Prepares a head for a link: what is about one hop goes, and what we know of the caller comes.
pub(super) fn prepare(parts: &mut Parts, peer: &Peer, authority: Option<Authority>) {
    let host = authority.as_ref().map(Authority::as_str);
    outward(&mut parts.headers, peer, host);
    parts.uri = target(&parts.uri, &parts.method, peer, authority);
}

fn outward(fields: &mut HeaderMap, peer: &Peer, host: Option<&str>) {
    headers::strip_hop_by_hop(fields);
    headers::forward(fields, peer, host);
    fields.remove(header::HOST);
    // The 100 is ours to send, and is sent once a worker takes the body.
    fields.remove(header::EXPECT);
    fields.remove(HTTP2_SETTINGS);
}

fn target(uri: &Uri, method: &Method, peer: &Peer, authority: Option<Authority>) -> Uri {
    let mut parts = http::uri::Parts::default();
    // RFC 9113 wants an authority of those who have none to say.
    parts.authority = Some(authority.unwrap_or_else(|| Authority::from_static("localhost")));
    let path = uri.path_and_query();
    if *method != Method::CONNECT || path.is_some() {
        parts.scheme = Some(if peer.tls { Scheme::HTTPS } else { Scheme::HTTP });
        parts.path_and_query = Some(path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    }
    // With all three parts, or the authority alone, nothing can fail.
    Uri::from_parts(parts).unwrap_or_default()
}
