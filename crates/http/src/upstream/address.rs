//! Where an upstream is.

use std::{fmt, path::PathBuf};

use http::Uri;
use penstock_domain::{Code, Error, Side};

/// An upstream's address and what is spoken there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Address {
    /// `HOST:PORT`, the host without brackets.
    Tcp { host: String, port: u16, tls: bool, http2: bool },
    /// A socket on this machine.
    Unix(PathBuf),
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => Err(malformed(url, "names no absolute path")),
            };
        }
        let uri: Uri = url.parse().map_err(|_| malformed(url, "is not a URL"))?;
        let (tls, http2) = match uri.scheme_str() {
            Some("http") => (false, false),
            Some("https") => (true, false),
            Some("h2c") => (false, true),
            _ => return Err(malformed(url, "has no scheme that is spoken here")),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(malformed(url, "has a path, and requests bring their own"));
        }
        let authority = uri.authority().ok_or_else(|| malformed(url, "names no host"))?;
        if authority.as_str().contains('@') {
            return Err(malformed("the upstream's URL", "has a user name, which would not be sent"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self::Tcp { host, port, tls, http2 })
    }

    /// What requests that name no host are for.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".into(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Tcp { http2: true, .. } => "h2c",
            Self::Tcp { tls: true, .. } => "https",
            Self::Tcp { .. } => "http",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

fn malformed(url: &str, what: &str) -> Error {
    Error::new(Code::Malformed, Side::Client, format!("the upstream {url} {what}"))
        .hint("write http://HOST:PORT, https://HOST:PORT, h2c://HOST:PORT or unix:/PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_is_read_and_shown() {
        for (url, shown) in [
            ("http://app", "http://app:80"),
            ("https://app.example/", "https://app.example:443"),
            ("h2c://[::1]:8000", "h2c://[::1]:8000"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("unix:///run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(Address::parse(url).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn all_else_is_refused_with_what_is_wrong() {
        for (url, wrong) in [
            ("app:8000", "scheme"),
            ("ftp://app", "scheme"),
            ("http://", "URL"),
            ("unix:app.sock", "absolute"),
            ("http://app/base", "path"),
            ("http://app?x", "path"),
            ("http://me:secret@app", "user"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(error.code == Code::Malformed && error.message.contains(wrong), "{url}: {error}");
            assert!(!error.message.contains("secret"));
        }
    }
}
