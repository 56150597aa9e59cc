//! How a request is written for an upstream, and how its answer is read.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
    request::Parts,
    uri::{PathAndQuery, Scheme},
};
use hyper::ext::Protocol;
use penstock_domain::{Code, Error, Side};

use super::address::Address;
use crate::headers;

const WEBSOCKET: &str = "websocket";

/// What a request asks for, apart from how it is written.
#[derive(Debug)]
pub(super) struct Outgoing {
    method: Method,
    path: PathAndQuery,
    /// The authority that was asked for; none if there was none.
    host: Option<HeaderValue>,
    https: bool,
    upgrade: Option<Protocol>,
}

impl Outgoing {
    /// Reads it. Headers are left as they are, but for `Host`.
    pub(super) fn new(head: &mut Parts) -> Result<Self, Error> {
        let upgrade = head.extensions.remove::<Protocol>();
        if head.method == Method::CONNECT && upgrade.is_none() {
            return Err(Error::new(Code::Forbidden, Side::Client, "an application opens no tunnels")
                .hint("CONNECT is for forward proxies: penstock start egress"));
        }
        let host = head.headers.remove(header::HOST);
        let named = head.uri.authority().and_then(|name| HeaderValue::try_from(name.as_str()).ok());
        Ok(Self {
            method: head.method.clone(),
            path: head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
            host: named.or(host),
            https: head.uri.scheme() == Some(&Scheme::HTTPS),
            upgrade,
        })
    }

    /// Writes it as the connection speaks.
    pub(super) fn fit<B>(&self, request: &mut Request<B>, to: &Address, http2: bool) -> Result<(), Error> {
        let host = match &self.host {
            Some(host) => host.clone(),
            None => HeaderValue::try_from(to.authority()).map_err(|error| malformed(&error))?,
        };
        if http2 { self.fit_http2(request, &host) } else { self.fit_http1(request, host) }
    }

    fn fit_http1<B>(&self, request: &mut Request<B>, host: HeaderValue) -> Result<(), Error> {
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = Uri::from(self.path.clone());
        *request.method_mut() = self.method.clone();
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        if headers.contains_key(header::TE) {
            // The wish for trailers is about one hop (RFC 9110 §10.1.4).
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
        join_cookies(headers);
        if let Some(upgrade) = &self.upgrade {
            let token = HeaderValue::try_from(upgrade.as_str()).map_err(|error| malformed(&error))?;
            headers.remove(header::TE);
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, token);
            if upgrade.as_str().eq_ignore_ascii_case(WEBSOCKET) {
                offer_websocket(headers)?;
            }
            *request.method_mut() = Method::GET;
        }
        Ok(())
    }

    fn fit_http2<B>(&self, request: &mut Request<B>, host: &HeaderValue) -> Result<(), Error> {
        let scheme = if self.https { Scheme::HTTPS } else { Scheme::HTTP };
        let uri = Uri::builder().scheme(scheme).authority(host.as_bytes()).path_and_query(self.path.clone());
        *request.uri_mut() = uri.build().map_err(|error| malformed(&error))?;
        *request.version_mut() = Version::HTTP_2;
        *request.method_mut() = self.method.clone();
        for name in [header::HOST, header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_KEY] {
            request.headers_mut().remove(name);
        }
        if let Some(upgrade) = &self.upgrade {
            request.extensions_mut().insert(upgrade.clone());
        }
        Ok(())
    }

    /// Reads the head of the answer. A granted upgrade is 200, as for extended CONNECT (RFC 8441 §5).
    pub(super) fn answer<B>(&self, mut response: Response<B>) -> Result<Response<B>, Error> {
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        match &self.upgrade {
            Some(upgrade) if switched && !agreed(response.headers(), upgrade) => {
                return Err(broken("switched to another protocol than the one asked for"));
            }
            // To whoever asked, it would look granted.
            Some(_)
                if !switched && response.status().is_success() && response.version() < Version::HTTP_2 =>
            {
                return Err(broken("did not switch protocols"));
            }
            None if switched => return Err(broken("switched protocols without being asked")),
            _ => {}
        }
        if switched {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
        }
        headers::strip_hop_by_hop(response.headers_mut());
        Ok(response)
    }
}

fn agreed(headers: &HeaderMap, upgrade: &Protocol) -> bool {
    let token = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    token.is_some_and(|token| token.trim().eq_ignore_ascii_case(upgrade.as_str()))
}

/// What a websocket's client says in HTTP/1.1 and not in HTTP/2 (RFC 8441 §5).
fn offer_websocket(headers: &mut HeaderMap) -> Result<(), Error> {
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::try_from(key).map_err(|error| malformed(&error))?);
    headers.entry(header::SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
    Ok(())
}

/// HTTP/2 parts cookies for its compression; HTTP/1.1 has one field (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    const COOKIE: HeaderName = header::COOKIE;
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

fn malformed(error: &dyn std::fmt::Display) -> Error {
    Error::new(Code::Malformed, Side::Client, format!("the request cannot be passed on: {error}"))
}

fn broken(what: &str) -> Error {
    Error::new(Code::UpstreamUnreachable, Side::Upstream, format!("the upstream {what}"))
}
