//! What a request asks for, in whichever form it stands.

use http::{HeaderMap, Method, Request, Version, header, uri};
use penstock_domain::{Code, Error, Side};

use crate::{config::Scheme, paths::Path, target::Target};

/// The destination, as the request names it.
#[derive(Debug)]
pub(super) struct Asked {
    pub target: Target,
    pub scheme: Scheme,
}

impl Asked {
    /// Reads absolute-form, origin-form by `Host`, CONNECT's authority, and HTTP/2's pseudo-headers (RFC 9112
    /// §3.2, RFC 9113 §8.3.1). A `Host` beside an absolute URL is ignored, as it must be; beside `:authority`
    /// it must agree.
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, Error> {
        let uri = request.uri();
        if request.method() == Method::CONNECT && uri.scheme().is_none() {
            let authority = uri.authority().ok_or_else(|| malformed("CONNECT names no HOST:PORT"))?;
            return Ok(Self { target: Target::parse(authority.as_str(), None)?, scheme: Scheme::Http });
        }
        let scheme = match uri.scheme() {
            None => Scheme::Http,
            Some(scheme) if *scheme == uri::Scheme::HTTP => Scheme::Http,
            Some(scheme) if *scheme == uri::Scheme::HTTPS => Scheme::Https,
            Some(other) => {
                return Err(
                    malformed(&format!("the scheme {other} is not carried")).hint("send http:// or https://")
                );
            }
        };
        let port = if scheme == Scheme::Https { 443 } else { 80 };
        let host = host(request.headers())?;
        let target = match (uri.authority(), host) {
            (Some(authority), host) => {
                let target = Target::parse(authority.as_str(), Some(port))?;
                let differs = |host: &str| Target::parse(host, Some(port)).ok().as_ref() != Some(&target);
                if request.version() >= Version::HTTP_2 && host.is_some_and(differs) {
                    return Err(malformed(":authority and Host name two destinations"));
                }
                target
            }
            (None, Some(host)) => Target::parse(host, Some(port))?,
            (None, None) => {
                return Err(malformed("it names no destination").hint("send an absolute URL, or Host"));
            }
        };
        Ok(Self { target, scheme })
    }
}

/// What rules and routes may look at. A protocol upgrade's first request is visible; a tunnel's inside is
/// not.
pub(super) fn path<B>(request: &Request<B>) -> Path<'_> {
    if *request.method() == Method::CONNECT && request.uri().scheme().is_none() {
        return Path::Hidden;
    }
    Path::new(request.uri().path())
}

/// The method that rules and routes look at. An upgrade asked for in HTTP/2 (RFC 8441 §4) is the GET that it
/// would be in HTTP/1.1.
pub(super) fn method<B>(request: &Request<B>) -> Method {
    let extended = *request.method() == Method::CONNECT && request.uri().scheme().is_some();
    if extended { Method::GET } else { request.method().clone() }
}

fn host(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let Some(host) = headers.get(header::HOST) else { return Ok(None) };
    host.to_str().map(Some).map_err(|_| malformed("Host is not ASCII"))
}

fn malformed(what: &str) -> Error {
    Error::new(Code::Malformed, Side::Client, format!("the request is refused: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, uri: &str, host: Option<&str>, version: Version) -> Result<String, Error> {
        let mut request = Request::builder().method(method).uri(uri).version(version);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        Asked::of(&request.body(()).unwrap()).map(|asked| format!("{:?} {}", asked.scheme, asked.target))
    }

    #[test]
    fn every_form_names_its_destination() {
        for (method, uri, host, read) in [
            ("GET", "http://a.example/x", Some("b.example"), "Http a.example:80"),
            ("GET", "https://A.example:8443/", None, "Https a.example:8443"),
            ("GET", "/x", Some("b.example:8080"), "Http b.example:8080"),
            ("CONNECT", "a.example:443", Some("b.example"), "Http a.example:443"),
            ("GET", "http://[::1]:81/", None, "Http [::1]:81"),
        ] {
            assert_eq!(asked(method, uri, host, Version::HTTP_11).unwrap(), read);
        }
    }

    #[test]
    fn what_names_none_or_two_is_refused() {
        assert!(asked("GET", "/x", None, Version::HTTP_11).is_err());
        assert!(asked("GET", "ftp://a.example/", None, Version::HTTP_11).is_err());
        assert!(asked("GET", "http://u:p@a.example/", None, Version::HTTP_11).is_err());
        assert!(asked("CONNECT", "a.example:0", None, Version::HTTP_11).is_err());
        assert!(asked("GET", "http://a.example/", Some("b.example"), Version::HTTP_2).is_err());
        assert!(asked("GET", "http://a.example/", Some("A.example:80"), Version::HTTP_2).is_ok());
    }
}
