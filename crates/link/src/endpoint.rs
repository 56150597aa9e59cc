//! Where to dial: `grpcs://HOST:PORT` or, without TLS, `grpc://HOST:PORT`.

use std::net::IpAddr;

use penstock_domain::{Code, Error, Side};

/// A parsed gateway address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// The host, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Whether it is a tunnel port: mutual TLS and nothing around it.
    pub tunnel: bool,
}

impl Endpoint {
    /// Parses `grpcs://`, `https://`, `grpc://` or `http://` with a host and a port (if absent 8010, or
    /// what HTTP has for its two), or `tls://` for a tunnel port (8443 if absent).
    ///
    /// # Errors
    /// [`Code::Malformed`] if it is none of these; [`Code::Forbidden`] for plaintext beyond loopback unless
    /// `insecure`.
    pub fn parse(url: &str, insecure: bool) -> Result<Self, Error> {
        let malformed = |what: &str| {
            Error::new(Code::Malformed, Side::Client, format!("the gateway address {what}"))
                .hint("write it as grpcs://HOST:8010")
        };
        let uri: http::Uri = url.parse().map_err(|_| malformed("is not a URL"))?;
        let (tls, tunnel, port) = match uri.scheme_str() {
            Some("grpcs") => (true, false, 8010),
            Some("https") => (true, false, 443),
            Some("grpc") => (false, false, 8010),
            Some("http") => (false, false, 80),
            Some("tls") => (true, true, 8443),
            _ => return Err(malformed("has no scheme that is spoken here")),
        };
        let host = uri.host().map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned());
        // `http` takes an authority that is a port alone.
        let host = host.filter(|host| !host.is_empty()).ok_or_else(|| malformed("names no host"))?;
        let port = uri.port_u16().unwrap_or(port);
        let endpoint = Self { host, port, tls, tunnel };
        if !tls && !insecure && !endpoint.is_loopback() {
            return Err(Error::new(
                Code::Forbidden,
                Side::Client,
                format!("{url} has no TLS and is not on this machine"),
            )
            .hint("use grpcs://, or set PENSTOCK_INSECURE=1 if the network in between is trusted"));
        }
        Ok(endpoint)
    }

    /// A host, reached by TLS on the usual port.
    pub(crate) fn at(host: &str) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Self { host, port: 443, tls: true, tunnel: false }
    }

    /// Whether the host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// `HOST:PORT`, an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_scheme() {
        let endpoint = Endpoint::parse("grpcs://gw.example:443", false).unwrap();
        assert_eq!((endpoint.authority().as_str(), endpoint.tls), ("gw.example:443", true));
        assert_eq!(Endpoint::parse("grpc://[::1]", false).unwrap().authority(), "[::1]:8010");
        assert_eq!(Endpoint::parse("https://gw.example", false).unwrap().authority(), "gw.example:443");
        assert_eq!(Endpoint::parse("http://localhost", false).unwrap().authority(), "localhost:80");
        let tunnel = Endpoint::parse("tls://gw.example", false).unwrap();
        assert_eq!((tunnel.authority().as_str(), tunnel.tunnel), ("gw.example:8443", true));
    }

    #[test]
    fn refuses_plaintext_beyond_loopback_unless_told_so() {
        assert_eq!(Endpoint::parse("grpc://10.0.0.1:8010", false).unwrap_err().code, Code::Forbidden);
        assert!(Endpoint::parse("grpc://10.0.0.1:8010", true).is_ok());
        assert!(Endpoint::parse("grpc://127.0.0.1:8010", false).is_ok());
    }

    #[test]
    fn names_what_is_wrong() {
        for url in ["", "127.0.0.1:8010", "ftp://x:1", "grpcs://", "grpcs://:443", "tls://:1gw:443"] {
            assert_eq!(Endpoint::parse(url, false).unwrap_err().code, Code::Malformed, "{url}");
        }
    }
}
