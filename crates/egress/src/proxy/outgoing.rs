//! How a request is written for its destination, and how the answer's head is read.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
    request::Parts,
    uri::{self, PathAndQuery},
};
use hyper::ext::Protocol;
use penstock_domain::{Code, Error, Side};
use penstock_http::headers::strip_hop_by_hop;

/// What does not depend on the connection.
#[derive(Debug)]
pub(super) struct Outgoing {
    method: Method,
    path: PathAndQuery,
    host: HeaderValue,
    https: bool,
    upgrade: Option<HeaderValue>,
    /// The caller asked in HTTP/2 (RFC 8441), so the answer is 200 and not 101.
    extended: bool,
}

impl Outgoing {
    /// Reads the caller's head and cleans it.
    pub(super) fn new(head: &mut Parts, host: &str, https: bool, via: &HeaderValue) -> Result<Self, Error> {
        let extended = head.extensions.remove::<Protocol>();
        let upgrade = match &extended {
            Some(protocol) => {
                Some(HeaderValue::from_str(protocol.as_str()).map_err(|_| unwritable("its protocol"))?)
            }
            None => asked_upgrade(&head.headers),
        };
        strip_hop_by_hop(&mut head.headers);
        head.headers.remove(header::HOST);
        head.headers.append(header::VIA, via.clone());
        Ok(Self {
            method: head.method.clone(),
            path: head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
            host: HeaderValue::from_str(host).map_err(|_| unwritable("its host"))?,
            https,
            upgrade,
            extended: extended.is_some(),
        })
    }

    /// Whether another protocol is asked for.
    pub(super) const fn is_upgrade(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Writes the head as the connection speaks.
    pub(super) fn fit<B>(&self, request: &mut Request<B>, http2: bool) -> Result<(), Error> {
        if http2 { self.fit_http2(request) } else { self.fit_http1(request) }
    }

    fn fit_http1<B>(&self, request: &mut Request<B>) -> Result<(), Error> {
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = Uri::from(self.path.clone());
        *request.method_mut() = if self.extended { Method::GET } else { self.method.clone() };
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        // It is about one hop, and would have to be named by `Connection`.
        headers.remove(header::TE);
        join_cookies(headers);
        if let Some(upgrade) = &self.upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, upgrade.clone());
            if self.extended && upgrade == "websocket" {
                let key = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
                let key = HeaderValue::from_str(&key).map_err(|_| unwritable("its key"))?;
                headers.insert(header::SEC_WEBSOCKET_KEY, key);
                headers.entry(header::SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
            }
        }
        Ok(())
    }

    fn fit_http2<B>(&self, request: &mut Request<B>) -> Result<(), Error> {
        let scheme = if self.https { uri::Scheme::HTTPS } else { uri::Scheme::HTTP };
        let uri =
            Uri::builder().scheme(scheme).authority(self.host.as_bytes()).path_and_query(self.path.clone());
        *request.uri_mut() = uri.build().map_err(|_| unwritable("its host"))?;
        *request.version_mut() = Version::HTTP_2;
        *request.method_mut() = self.method.clone();
        request.headers_mut().remove(header::HOST);
        Ok(())
    }

    /// Reads the answer's head; true if another protocol is spoken from now on.
    pub(super) fn read<B>(&self, response: &mut Response<B>) -> Result<bool, Error> {
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let token = response.headers().get(header::UPGRADE).cloned();
        let headers = response.headers_mut();
        strip_hop_by_hop(headers);
        *response.version_mut() = Version::HTTP_11;
        if !switched {
            if self.extended && response.status().is_success() {
                // To whoever asked in HTTP/2, 200 would look granted.
                return Err(broken("did not switch protocols"));
            }
            return Ok(false);
        }
        let agreed = |wanted: &HeaderValue| {
            token.as_ref().is_some_and(|token| token.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
        };
        if !self.upgrade.as_ref().is_some_and(agreed) {
            return Err(broken("switched to a protocol that was not asked for"));
        }
        if self.extended {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
        } else if let Some(token) = token {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            response.headers_mut().insert(header::UPGRADE, token);
        }
        Ok(true)
    }
}

/// The protocol that an HTTP/1.1 request asks for. `h2c` and TLS would change how the rest is read, and are
/// ours to speak; they do not pass.
fn asked_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let connection = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named =
        connection.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
    let token = headers.get(header::UPGRADE).filter(|_| named)?;
    let text = token.to_str().ok()?.to_ascii_lowercase();
    let ours =
        text.starts_with("h2c") || text.starts_with("tls") || text.contains("http/") || text.contains(',');
    (!ours).then(|| token.clone())
}

/// HTTP/2 parts cookies for its compression; HTTP/1.1 has one field (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, whole);
    }
}

fn unwritable(what: &str) -> Error {
    Error::new(
        Code::Malformed,
        Side::Client,
        format!("the request cannot be passed on: {what} is no header value"),
    )
}

fn broken(what: &str) -> Error {
    Error::new(Code::UpstreamUnreachable, Side::Upstream, format!("the destination {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(fields: &[(&str, &str)]) -> (Outgoing, Request<()>) {
        let builder = Request::builder().method("GET").uri("http://a.example/x?y");
        let request = fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let via = HeaderValue::from_static("1.1 us");
        let outgoing = Outgoing::new(&mut head, "a.example:81", false, &via).unwrap();
        (outgoing, Request::from_parts(head, ()))
    }

    #[test]
    fn what_is_ours_does_not_pass_and_host_is_the_destination() {
        let (outgoing, mut request) = outgoing(&[
            ("host", "evil"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("proxy-authorization", "Basic eDp5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("via", "1.0 them"),
        ]);
        outgoing.fit(&mut request, false).unwrap();
        let headers = request.headers();
        let names: Vec<_> = headers.keys().map(header::HeaderName::as_str).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(
            (headers["host"].as_bytes(), headers["cookie"].as_bytes()),
            (&b"a.example:81"[..], &b"a=1; b=2"[..])
        );
        assert_eq!(headers.get_all("via").iter().count(), 2);
        assert_eq!(request.uri(), "/x?y");
    }

    #[test]
    fn http2_names_its_destination_in_the_uri() {
        let (outgoing, mut request) = outgoing(&[("te", "gzip, trailers")]);
        outgoing.fit(&mut request, true).unwrap();
        assert_eq!(request.uri(), "http://a.example:81/x?y");
        assert_eq!(request.headers()["te"], "trailers");
        assert!(!request.headers().contains_key("host"));
    }

    #[test]
    fn only_foreign_protocols_are_asked_for() {
        for (upgrade, connection, asked) in [
            ("websocket", "keep-alive, Upgrade", true),
            ("websocket", "close", false),
            ("h2c", "Upgrade, HTTP2-Settings", false),
            ("TLS/1.3", "upgrade", false),
            ("HTTP/2.0", "upgrade", false),
            ("a, b", "upgrade", false),
        ] {
            let (outgoing, _) = outgoing(&[("upgrade", upgrade), ("connection", connection)]);
            assert_eq!(outgoing.is_upgrade(), asked, "{upgrade}");
        }
    }

    #[test]
    fn a_switch_must_be_the_one_that_was_asked_for() {
        let answer = |status: u16, token: Option<&str>| {
            let mut response = Response::builder().status(status);
            if let Some(token) = token {
                response = response.header("upgrade", token);
            }
            response.body(()).unwrap()
        };
        let (asked, _) = outgoing(&[("upgrade", "websocket"), ("connection", "upgrade")]);
        assert!(asked.read(&mut answer(101, Some("WebSocket"))).unwrap());
        assert!(!asked.read(&mut answer(200, None)).unwrap());
        assert!(asked.read(&mut answer(101, Some("other"))).is_err());
        let (plain, _) = outgoing(&[]);
        assert!(plain.read(&mut answer(101, Some("websocket"))).is_err());
    }
}
