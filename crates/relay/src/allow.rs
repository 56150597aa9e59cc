//! What an agent may dial, whatever the gateway asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use penstock_domain::{Code, Error, Side, Target};

/// An allow-list of targets. An empty one allows what the gateway asks. Link-local and cloud metadata addresses
/// are never allowed: they hand out the machine's own credentials.
#[derive(Clone, Debug, Default)]
pub struct Allow(Vec<Rule>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Rule {
    /// A host name, `*.suffix` or `*`, and a port or any.
    Host(String, Option<u16>),
    /// A network and a port or any.
    Net(IpNet, Option<u16>),
    /// The path of a unix socket, or its beginning if it ends in `*`.
    Unix(String),
}

impl Allow {
    /// Reads rules: `HOST:PORT`, `*.SUFFIX:PORT`, `CIDR:PORT` (IPv6 in brackets), each with `*` for any port,
    /// and `unix:PATH`, where a final `*` stands for anything.
    ///
    /// # Errors
    /// [`Code::Malformed`] naming the rule that cannot be read.
    pub fn parse<S: AsRef<str>>(rules: &[S]) -> Result<Self, Error> {
        rules.iter().map(|rule| Rule::parse(rule.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a unix socket may be dialled.
    pub(crate) fn unix(&self, path: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|rule| rule.unix(path))
    }

    /// Whether `host` may be dialled at this address and port.
    pub(crate) fn address(&self, host: &str, ip: IpAddr, port: u16) -> bool {
        !is_never(ip) && (self.0.is_empty() || self.0.iter().any(|rule| rule.address(host, ip, port)))
    }

    /// The refusal of a target.
    pub(crate) fn refusal(target: &Target) -> Error {
        Error::new(
            Code::TargetDenied,
            Side::Agent,
            format!("{target} is not among the targets that the agent may dial"),
        )
        .hint("add it to PENSTOCK_ALLOW of the agent; link-local and metadata addresses are never dialled")
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, Error> {
        let malformed = || {
            Error::new(Code::Malformed, Side::Agent, format!("the allow-list entry {text:?} cannot be read"))
                .hint("write HOST:PORT, *.SUFFIX:PORT, CIDR:PORT or unix:/PATH; * is any port")
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.to_owned()));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let port = if port == "*" { None } else { Some(port.parse().map_err(|_| malformed())?) };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(net) = host.parse::<IpNet>() {
            return Ok(Self::Net(net, port));
        }
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Self::Net(ip.into(), port));
        }
        if host.is_empty() || host.contains('/') {
            return Err(malformed());
        }
        Ok(Self::Host(host.to_ascii_lowercase(), port))
    }

    fn unix(&self, path: &str) -> bool {
        match self {
            Self::Unix(allowed) => match allowed.strip_suffix('*') {
                Some(beginning) => path.starts_with(beginning) && !path.contains("/../"),
                None => path == allowed,
            },
            Self::Host(..) | Self::Net(..) => false,
        }
    }

    fn address(&self, host: &str, ip: IpAddr, port: u16) -> bool {
        let any_or = |allowed: &Option<u16>| allowed.is_none_or(|allowed| allowed == port);
        match self {
            Self::Host(name, allowed) => any_or(allowed) && matches_name(name, host),
            Self::Net(net, allowed) => any_or(allowed) && net.contains(&ip.to_canonical()),
            Self::Unix(_) => false,
        }
    }
}

fn matches_name(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix) && host.len() > suffix.len(),
        None => host == pattern,
    }
}

/// Link-local (RFC 3927, RFC 4291 §2.5.6) and the metadata services of AWS, Alibaba, Azure and Oracle.
fn is_never(ip: IpAddr) -> bool {
    const METADATA: [Ipv4Addr; 3] =
        [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local() || METADATA.contains(&ip),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip == METADATA_V6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(rules: &[&str]) -> Allow {
        Allow::parse(rules).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_empty_list_allows_all_but_metadata() {
        let open = allow(&[]);
        assert!(open.address("db", ip("10.0.0.5"), 5432));
        assert!(open.address("db", ip("127.0.0.1"), 5432));
        for never in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
        ] {
            assert!(!open.address("x", ip(never), 80), "{never}");
            assert!(!allow(&["*:*", "0.0.0.0/0:*", "[::/0]:*"]).address("x", ip(never), 80), "{never}");
        }
        assert!(open.unix("/run/pg"));
    }

    #[test]
    fn names_nets_ports_and_sockets() {
        let some =
            allow(&["db.example:5432", "*.corp:*", "10.1.0.0/16:3306", "[fd01::/16]:1", "unix:/run/pg/*"]);
        assert!(some.address("DB.example.", ip("192.0.2.1"), 5432));
        assert!(!some.address("db.example", ip("192.0.2.1"), 5433));
        assert!(some.address("a.corp", ip("192.0.2.1"), 1));
        assert!(!some.address("corp", ip("192.0.2.1"), 1));
        assert!(some.address("whatever", ip("10.1.2.3"), 3306));
        assert!(!some.address("whatever", ip("10.2.2.3"), 3306));
        assert!(some.address("x", ip("fd01::1"), 1));
        assert!(some.unix("/run/pg/.s.PGSQL.5432"));
        assert!(!some.unix("/run/pg/../docker.sock"));
        assert!(!some.unix("/run/docker.sock"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for bad in ["db", "db:port", ":5432", "10.0.0.0/99:1"] {
            let error = Allow::parse(&[bad]).unwrap_err();
            assert!(error.message.contains(bad), "{error}");
        }
    }
}
