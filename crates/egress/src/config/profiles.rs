//! Profiles: ordered rules for principals and groups.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::PathMatch;

/// Rules for some callers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name in logs and errors.
    pub name: String,
    /// Callers by name; `*` in it stands for any run of characters. A caller that proved nothing is
    /// `anonymous`.
    #[serde(default)]
    pub principals: Vec<String>,
    /// Callers by group.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The rules, in order.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// Allows or denies what matches *all* of its conditions; an empty condition always holds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The name in logs and errors.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Why; the caller reads it.
    #[serde(default)]
    pub reason: String,
    /// The destination's host: patterns as in a route's match.
    #[serde(default)]
    pub domains: Vec<String>,
    /// The resolved address. Each address is decided on its own; only allowed ones are dialled.
    #[serde(default)]
    pub networks: Vec<IpNet>,
    /// The destination's port.
    #[serde(default)]
    pub ports: Vec<PortRange>,
    /// Methods, in upper case; `CONNECT` among them speaks of tunnels. A rule with other methods only, or
    /// with paths, cannot see into a tunnel: a CONNECT that meets all its other conditions is denied.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Paths; one must hold.
    #[serde(default)]
    pub paths: Vec<PathMatch>,
    /// When it holds; one window must be open. Outside of them the rule does not match.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// For CONNECT: the first bytes must be a TLS ClientHello that names the destination. None: as `connect`
    /// says.
    #[serde(default)]
    pub require_tls_name: Option<bool>,
    /// How often; an allowed request that exceeds one is answered 429.
    #[serde(default)]
    pub rates: Vec<Rate>,
    /// How much; an allowed request that finds one used up is answered 429, a tunnel that uses it up is cut.
    #[serde(default)]
    pub budgets: Vec<Budget>,
    /// How long a tunnel or an upgraded connection may last at the most, in milliseconds; none: as long as it
    /// likes.
    #[serde(default)]
    pub tunnel_ms: Option<u64>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Lets it pass.
    Allow,
    /// Answers 403.
    Deny,
}

impl Action {
    pub(super) const fn deny() -> Self {
        Self::Deny
    }
}

/// Ports from first to last, both included.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    /// The first, from 1.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// A span of the day on some days of the week.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days on which it begins; empty: every day.
    #[serde(default)]
    pub days: Vec<Day>,
    /// Minute of the day at which it begins, 0 to 1439.
    pub from_minute: u16,
    /// Minute of the day at which it ends, 1 to 1440; not after `from_minute` means on the next day.
    pub to_minute: u16,
    /// What the local clock is ahead of UTC, in minutes.
    #[serde(default)]
    pub utc_offset_minutes: i16,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// A rate limit (generic cell rate algorithm). Tunnels count once, when they open.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests in `period_ms`, at least 1.
    pub requests: u32,
    /// The period, at least 1.
    pub period_ms: u64,
    /// How many may come at once; none: `requests`.
    #[serde(default)]
    pub burst: Option<u32>,
    /// What has a limit of its own.
    #[serde(default)]
    pub per: Key,
}

/// What each have a limit or budget of their own.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// All callers together.
    Everyone,
    /// Each principal.
    #[default]
    Principal,
    /// Each destination host.
    Destination,
    /// Each principal at each destination host.
    PrincipalAndDestination,
}

/// An allowance that is renewed each period. Periods are counted from the epoch, in UTC.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Bytes of payload, both ways; none: any number.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Milliseconds for which requests and tunnels were open, summed; none: any number.
    #[serde(default)]
    pub open_ms: Option<u64>,
    /// The period, at least 1000.
    pub period_ms: u64,
    /// What has a budget of its own.
    #[serde(default)]
    pub per: Key,
}

/// What holds for every CONNECT.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connect {
    /// Ports that may be the target of a CONNECT; a deciding rule that names ports itself is stronger.
    pub ports: Vec<PortRange>,
    /// Whether the tunnel must begin with a TLS ClientHello that names the destination, unless the rule says
    /// otherwise.
    pub require_tls_name: bool,
}

impl Default for Connect {
    fn default() -> Self {
        Self { ports: vec![PortRange { first: 443, last: 443 }], require_tls_name: false }
    }
}
