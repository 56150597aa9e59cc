//! Who is reached through a forward proxy: `HTTPS_PROXY` and `NO_PROXY`, as curl reads them.

use http::{Uri, uri::Scheme};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use penstock_domain::{Code, Error, Side};

use super::ForwardProxy;
use crate::{
    Endpoint,
    tls::{Connector, Trust},
};

/// Whether a URL is reached through the proxy: no, if it is on this machine or in `no_proxy`.
///
/// # Errors
/// [`Code::Malformed`] for what is no URL, or no proxy's.
pub fn is_proxied(url: &str, https_proxy: &str, no_proxy: &str) -> Result<bool, Error> {
    let uri: Uri = url.parse().map_err(|_| malformed("the address is no URL"))?;
    let host = uri.host().ok_or_else(|| malformed("the address names no host"))?;
    Ok(intercept(&Endpoint::at(host), https_proxy, no_proxy)?.is_some())
}

impl ForwardProxy {
    /// The proxy on the way to an endpoint, if there is one.
    pub(crate) fn before(
        endpoint: &Endpoint,
        https_proxy: Option<&str>,
        no_proxy: Option<&str>,
    ) -> Result<Option<Self>, Error> {
        let Some(https_proxy) = https_proxy else { return Ok(None) };
        let Some(intercept) = intercept(endpoint, https_proxy, no_proxy.unwrap_or_default())? else {
            return Ok(None);
        };
        let uri = intercept.uri();
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().unwrap_or_default();
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(if secure { 443 } else { 80 }));
        // Its CA is that of the network it stands in, not the gateway's.
        let tls = secure.then(|| Connector::new(&Trust::System, None, &[b"http/1.1"], None)).transpose()?;
        Ok(Some(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            authority,
            tls,
            credential: intercept.basic_auth().cloned(),
        }))
    }
}

/// What is on this machine needs no proxy, whatever `NO_PROXY` says.
fn intercept(endpoint: &Endpoint, https_proxy: &str, no_proxy: &str) -> Result<Option<Intercept>, Error> {
    let to: Uri = format!("https://{}", endpoint.authority())
        .parse()
        .map_err(|_| malformed("the address names no host"))?;
    // The matcher takes what is no proxy's URL for none, which would go round the proxy.
    let everything = Matcher::builder().https(https_proxy).build();
    let proxy = everything.intercept(&to).ok_or_else(|| malformed("HTTPS_PROXY is no proxy's URL"))?;
    if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
        return Err(malformed("HTTPS_PROXY is of a kind that is not spoken here"));
    }
    if endpoint.is_loopback() {
        return Ok(None);
    }
    Ok(Matcher::builder().https(https_proxy).no(no_proxy).build().intercept(&to))
}

fn malformed(what: &str) -> Error {
    Error::new(Code::Malformed, Side::Client, what)
        .hint("write HTTPS_PROXY as http://HOST:PORT or https://HOST:PORT, with NAME:PASSWORD@ before the host if it asks")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(url: &str, https_proxy: &str, no_proxy: &str) -> Result<Option<ForwardProxy>, Error> {
        ForwardProxy::before(&Endpoint::parse(url, true).unwrap(), Some(https_proxy), Some(no_proxy))
    }

    #[test]
    fn a_proxy_is_spoken_to_as_its_url_says() {
        let plain = before("grpcs://gw.example", "http://me:p%40ss@proxy.example:3128", "").unwrap().unwrap();
        assert_eq!((plain.authority.as_str(), plain.tls.is_none()), ("proxy.example:3128", true));
        assert_eq!(plain.credential.unwrap(), "Basic bWU6cEBzcw==");
        let secure = before("tls://gw.example", "https://[2001:db8::1]", "").unwrap().unwrap();
        assert_eq!((secure.authority.as_str(), secure.host.as_str()), ("[2001:db8::1]:443", "2001:db8::1"));
        assert!(secure.tls.is_some() && secure.credential.is_none());
        let bare = before("grpc://gw.example", "proxy.example:3128", "").unwrap().unwrap();
        assert_eq!((bare.authority.as_str(), bare.tls.is_none()), ("proxy.example:3128", true));
    }

    #[test]
    fn some_are_reached_without_it() {
        let rules = "internal.example,.corp.example, 10.0.0.0/8";
        for direct in [
            "gw.internal.example",
            "internal.example",
            "a.corp.example",
            "10.1.2.3",
            "127.0.0.1",
            "localhost",
        ] {
            assert!(
                !is_proxied(&format!("https://{direct}:8009/api"), "http://p:1", rules).unwrap(),
                "{direct}"
            );
        }
        for proxied in ["gw.example", "notinternal.example", "11.1.2.3", "[2001:db8::1]"] {
            assert!(
                is_proxied(&format!("https://{proxied}:8009"), "http://p:1", rules).unwrap(),
                "{proxied}"
            );
        }
        assert!(!is_proxied("https://gw.example", "http://p:1", "*").unwrap());
    }

    #[test]
    fn what_is_no_proxy_is_not_gone_round() {
        for url in ["socks5://p:1", "ftp://p:1", "http://", "/path", "p q"] {
            let error = before("grpcs://gw.example", url, "").unwrap_err();
            assert_eq!(error.code, Code::Malformed, "{url}");
            assert!(!error.message.contains(url), "it may hold a password");
        }
    }

    #[test]
    fn a_credential_is_not_shown() {
        let proxy = before("grpcs://gw.example", "http://me:secret@proxy.example:3128", "").unwrap().unwrap();
        assert!(!format!("{proxy:?}").contains("secret"));
    }
}
