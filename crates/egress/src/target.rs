//! Where a request wants to go, read strictly: one spelling per destination, or none.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use penstock_domain::{Code, Error, Side};

/// A destination: a name or an address, and a port.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port, never 0.
    pub port: u16,
}

/// A host in its one spelling: names in lower case without a final dot, addresses as addresses.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Host {
    /// A name that must be resolved.
    Name(Arc<str>),
    /// An address; an IPv4 address mapped into IPv6 has become IPv4.
    Address(IpAddr),
}

impl Target {
    /// Reads `HOST` or `HOST:PORT` (RFC 3986 §3.2 without userinfo).
    ///
    /// # Errors
    /// [`Code::Malformed`] that says what cannot be read.
    pub fn parse(authority: &str, default_port: Option<u16>) -> Result<Self, Error> {
        if authority.contains('@') {
            return Err(refused(authority, "it holds user information")
                .hint("send credentials in a header; name only HOST:PORT"));
        }
        let (host, port) = split(authority)?;
        let port = match port {
            Some(text) => parse_port(authority, text)?,
            None => {
                default_port.ok_or_else(|| refused(authority, "it names no port").hint("write HOST:PORT"))?
            }
        };
        Ok(Self { host: Host::parse(host)?, port })
    }

    /// `HOST` where the port is the scheme's own, else `HOST:PORT`: what `Host` says (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self, default_port: u16) -> String {
        if self.port == default_port { self.host.bracketed() } else { self.to_string() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Address(IpAddr::V4(ip)) => write!(f, "{ip}:{}", self.port),
            Host::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

impl Host {
    /// Reads a name or an address; IPv6 addresses stand in brackets.
    ///
    /// # Errors
    /// [`Code::Malformed`]: numbers that only some programs read as an address, zones, and what no name may
    /// hold.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest.strip_suffix(']').ok_or_else(|| refused(text, "a bracket is not closed"))?;
            let ip: Ipv6Addr =
                inner.parse().map_err(|_| refused(text, "it is not an IPv6 address without a zone"))?;
            return Ok(Self::Address(IpAddr::V6(ip).to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if let Ok(ip) = name.parse::<std::net::Ipv4Addr>() {
            return Ok(Self::Address(IpAddr::V4(ip)));
        }
        check_name(text, name)?;
        Ok(Self::Name(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            name.to_ascii_lowercase().into()
        } else {
            name.into()
        }))
    }

    /// The host as text, IPv6 without brackets: what patterns are compared with.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Name(name) => name.as_ref().into(),
            Self::Address(ip) => ip.to_string().into(),
        }
    }

    /// The address, if it is one.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(ip) => Some(*ip),
        }
    }

    fn bracketed(&self) -> String {
        match self {
            Self::Address(IpAddr::V6(ip)) => format!("[{ip}]"),
            other => other.text().into_owned(),
        }
    }
}

/// Splits at the port's colon; a bare IPv6 address is refused, for its last group reads as a port.
fn split(authority: &str) -> Result<(&str, Option<&str>), Error> {
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (head, tail) = authority.split_at(end);
    match tail.split_once(':') {
        None if head.is_empty() => Ok((authority, None)),
        None if tail.is_empty() => Ok((head, None)),
        Some(("", port)) if !head.is_empty() => Ok((head, Some(port))),
        Some((host, port)) if head.is_empty() && !port.contains(':') => Ok((host, Some(port))),
        _ => Err(refused(authority, "it is not HOST:PORT").hint("an IPv6 address stands in brackets")),
    }
}

fn parse_port(authority: &str, text: &str) -> Result<u16, Error> {
    let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { text.parse().ok().filter(|port| *port != 0) } else { None };
    port.ok_or_else(|| refused(authority, "its port is not a number from 1 to 65535"))
}

/// RFC 1123 §2.1 with underscores, which many zones hold.
fn check_name(text: &str, name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > 253 {
        return Err(refused(text, "a host name has 1 to 253 characters"));
    }
    if !name.is_ascii() {
        return Err(refused(text, "a host name is ASCII").hint("write international names as xn-- labels"));
    }
    for label in name.split('.') {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if label.is_empty() || label.len() > 63 || !label.bytes().all(legal) {
            return Err(refused(text, "it is not a host name"));
        }
    }
    if ends_in_a_number(name) {
        return Err(refused(text, "some programs would read it as an IPv4 address")
            .hint("write the address as four decimal numbers without leading zeros"));
    }
    Ok(())
}

/// The WHATWG URL standard's test: what ends in a decimal, octal or hexadecimal number is an address or
/// nothing.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn refused(text: &str, why: &str) -> Error {
    let shown: String = text.chars().take(100).collect();
    Error::new(Code::Malformed, Side::Client, format!("the destination {shown:?} is refused: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> Result<String, Error> {
        Target::parse(text, Some(80)).map(|target| target.to_string())
    }

    #[test]
    fn names_and_addresses_have_one_spelling() {
        for (text, read) in [
            ("example.com", "example.com:80"),
            ("EXAMPLE.com.:8080", "example.com:8080"),
            ("_dmarc.a-b.example:1", "_dmarc.a-b.example:1"),
            ("192.0.2.1", "192.0.2.1:80"),
            ("127.0.0.1.:65535", "127.0.0.1:65535"),
            ("[::1]:443", "[::1]:443"),
            ("[2001:DB8:0::1]", "[2001:db8::1]:80"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
            ("[::ffff:a9fe:a9fe]:80", "169.254.169.254:80"),
            ("1e100.net", "1e100.net:80"),
            ("0x.example", "0x.example:80"),
        ] {
            assert_eq!(target(text).unwrap(), read, "{text}");
        }
    }

    #[test]
    fn other_spellings_of_addresses_are_refused() {
        for text in [
            "2130706433",
            "0x7f000001",
            "0X7F.1",
            "017700000001",
            "127.1",
            "0177.0.0.1",
            "127.0.0.01",
            "169.254.43518",
            "0xa9.0xfe.0xa9.0xfe",
            "1.2.3.4.5",
            "256.0.0.1",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "0x",
            "foo.0x",
        ] {
            let error = target(text).unwrap_err();
            assert_eq!(error.code, Code::Malformed, "{text}");
        }
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:080000",
            "a:+80",
            "a: 80",
            "a:8o",
            "user@a:80",
            "a@b@c",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "a b",
            "a%00b",
            "a\0b",
            "a\r\nb",
            "a/b",
            "a?b",
            "..",
            "a..b",
            ".a",
            "\u{ff11}27.0.0.1",
            "b\u{fc}cher.example",
            "a_b.c\u{3002}d",
        ] {
            assert!(target(text).is_err(), "{text:?}");
        }
        assert!(target(&"a".repeat(64)).is_err());
        assert!(target(&"a.".repeat(128)).is_err());
        assert!(Target::parse("example.com", None).is_err());
    }

    #[test]
    fn host_says_the_port_only_where_it_must() {
        let target = Target::parse("[2001:db8::1]:443", None).unwrap();
        assert_eq!(target.authority(443), "[2001:db8::1]");
        assert_eq!(target.authority(80), "[2001:db8::1]:443");
    }

    proptest! {
        #[test]
        fn anything_is_refused_or_read_the_same_again(text in "\\PC{0,40}") {
            if let Ok(read) = Target::parse(&text, Some(80)) {
                prop_assert_eq!(Target::parse(&read.to_string(), None).unwrap(), read);
            }
        }

        #[test]
        fn every_ipv4_is_itself_in_ipv6(bits: u32) {
            let ip = std::net::Ipv4Addr::from(bits);
            let mapped = Host::parse(&format!("[::ffff:{ip}]")).unwrap();
            prop_assert_eq!(mapped, Host::parse(&ip.to_string()).unwrap());
        }
    }
}
