//! What an egress proxy is told: the compiled configuration, as JSON. People write TOML or Gateway resources;
//! Python compiles them to this. Durations are milliseconds (`_ms`); 0 stands for "none" where it says so.

mod callers;
mod dns;
mod listeners;
mod profiles;
mod resilience;
mod routes;

use ipnet::IpNet;
use penstock_domain::{Code, Error, Side};
use serde::{Deserialize, Serialize};

pub use callers::{Caller, Callers};
pub use dns::{Backoff, Dns, Family, Resolver, Transport};
pub use listeners::{Listener, Tls};
pub use profiles::{Action, Budget, Connect, Day, Key, PortRange, Profile, Rate, Rule, Window};
pub use resilience::{Breakers, Limits, Outliers, Retries, RetryBudget, Thresholds, Timeouts};
pub use routes::{Act, HeaderMatch, HostSource, Match, PathMatch, Route, Scheme, Version};

/// All of it. Serialized, it holds no secret: `/config_dump`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The ports. At least one for a process of its own; a gateway brings its own.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// Where requests go; the first that matches acts. With none, every request is forwarded to where it
    /// asks, and CONNECT is terminated where the listener enables it. With some, a request that none matches
    /// is answered 404.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Who may go where: all profiles that apply to a caller, in order; the first rule that matches decides.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// What happens to what no rule matches. The compiler says `allow` only where no profile is configured.
    #[serde(default = "Action::deny")]
    pub default_action: Action,
    /// What holds for every CONNECT.
    #[serde(default)]
    pub connect: Connect,
    /// Who may call, and how they prove it.
    #[serde(default)]
    pub callers: Callers,
    /// Which resolved addresses may be dialled.
    #[serde(default)]
    pub guard: Guard,
    /// How names are resolved and kept.
    #[serde(default)]
    pub dns: Dns,
    /// What protects destinations from too much.
    #[serde(default)]
    pub breakers: Breakers,
    /// When an address that fails is left alone for a while.
    #[serde(default)]
    pub outliers: Outliers,
    /// How often a request that is safe to repeat is repeated.
    #[serde(default)]
    pub retries: Retries,
    /// How long each step may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// What bounds callers.
    #[serde(default)]
    pub limits: Limits,
    /// Whom to believe when the proxy itself speaks TLS to a destination (`https://` in absolute form).
    #[serde(default)]
    pub upstream_tls: UpstreamTls,
    /// Where the access log goes.
    #[serde(default)]
    pub access_log: AccessLog,
    /// `/metrics`, `/stats`, `/config_dump`, `/ready`, `/live`: `HOST:PORT`; no port is opened without it.
    #[serde(default)]
    pub admin_listen: Option<String>,
}

impl Config {
    /// Reads the compiled configuration.
    ///
    /// # Errors
    /// [`Code::Malformed`] with line and column of the JSON.
    pub fn parse(json: &str) -> Result<Self, Error> {
        serde_json::from_str(json).map_err(|error| {
            malformed(format!("the compiled configuration cannot be read: {error}"))
                .hint("it is written by `penstock start egress`; both must be of one version")
        })
    }
}

/// A fault in the configuration.
pub(crate) fn malformed(message: impl Into<String>) -> Error {
    Error::new(Code::Malformed, Side::Gateway, message)
}

/// Which addresses may be dialled. Without exceptions, only globally reachable unicast addresses may: not
/// private, loopback, link-local, metadata, shared, reserved or multicast ranges, nor any IPv6 spelling of
/// one.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Networks that may be dialled although they are not public. Metadata addresses must be named exactly
    /// (/32, /128).
    #[serde(default)]
    pub allow: Vec<IpNet>,
    /// Networks that are never dialled; stronger than `allow`.
    #[serde(default)]
    pub deny: Vec<IpNet>,
}

/// Whom to believe upstream.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTls {
    /// The roots in PEM; none means the system's.
    #[serde(default)]
    pub roots_pem: Option<String>,
}

/// One JSON line per request and per tunnel.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// Whether it is written at all.
    pub enabled: bool,
    /// A file to append to; none means standard output.
    pub path: Option<String>,
    /// Lines that may wait for the disk. What comes when it is full is counted as lost, and the next line
    /// says so.
    pub queue: usize,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { enabled: true, path: None, queue: 8192 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_is_closed_and_has_the_documented_defaults() {
        let config = Config::parse("{}").unwrap();
        assert_eq!(config.default_action, Action::Deny);
        assert!(!config.callers.anonymous);
        assert!(config.breakers.overall.connections == 1024 && config.breakers.overall.retries == 3);
        assert_eq!(config.dns.max_hosts, 1024);
        assert_eq!(config.connect.ports, [PortRange { first: 443, last: 443 }]);
    }

    #[test]
    fn what_is_unknown_is_refused_by_name() {
        let error = Config::parse(r#"{"dns": {"max_host": 1}}"#).unwrap_err();
        assert_eq!(error.code, Code::Malformed);
        assert!(error.message.contains("max_host") && error.message.contains("line 1"), "{error}");
    }

    #[test]
    fn a_dump_holds_no_secret() {
        let config = Config::parse(
            r#"{"listeners": [{"address": "127.0.0.1:0", "tls": {"cert_pem": "CERT", "key_pem": "TOPSECRET"}}],
                "callers": {"list": [{"name": "ci", "keys": ["ABCDEF"]}]}}"#,
        )
        .unwrap();
        let dump = serde_json::to_string(&config).unwrap();
        assert!(dump.contains("\"ci\"") && !dump.contains("TOPSECRET") && !dump.contains("ABCDEF"), "{dump}");
        assert!(!format!("{config:?}").contains("TOPSECRET"));
    }
}
