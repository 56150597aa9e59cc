//! Profiles and rules, compiled; which rule decides.

use std::{collections::HashSet, net::IpAddr, sync::Arc, time::Duration};

use http::Method;
use ipnet::IpNet;
use penstock_domain::Error;

use super::{
    budgets::{Purse, Spending},
    rates::{Exceeded, RateLimit},
    windows,
};
use crate::{
    callers::Caller,
    config::{self, Action, PortRange, Window, malformed},
    domains::{Domains, matches_glob},
    paths::{Condition, Path, Seen},
    target::Target,
};

/// All profiles.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(super) profiles: Vec<Profile>,
    default_action: Action,
    connect: config::Connect,
}

#[derive(Debug)]
pub(super) struct Profile {
    pub name: Arc<str>,
    principals: Vec<String>,
    groups: HashSet<String>,
    pub rules: Vec<Arc<Rule>>,
    pub by_host: Domains,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// `PROFILE/RULE`.
    pub name: Arc<str>,
    /// What the caller reads.
    pub reason: String,
    /// How long a tunnel may last.
    pub tunnel: Option<Duration>,
    pub(super) action: Action,
    networks: Vec<IpNet>,
    ports: Vec<PortRange>,
    methods: Vec<Method>,
    paths: Vec<Condition>,
    windows: Vec<Window>,
    require_tls_name: Option<bool>,
    rates: Vec<Arc<RateLimit>>,
    budgets: Vec<Arc<Purse>>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub caller: &'a Caller,
    pub target: &'a Target,
    pub method: &'a Method,
    pub path: &'a Path<'a>,
    /// Seconds since the epoch.
    pub now: u64,
}

/// The answer.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub allowed: bool,
    pub why: Why,
    /// The rule that decided; none if none matched.
    pub rule: Option<Arc<Rule>>,
}

/// What made a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Why {
    /// The rule says so.
    Rule,
    /// No rule matches.
    Default,
    /// The rule looks at what it cannot see: a tunnel's inside, or a path with two readings.
    Unseen,
    /// The port is not among those to which a tunnel may lead.
    ConnectPort,
}

/// Whether a rule matches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Match {
    Yes,
    /// And the condition that does not hold.
    No(&'static str),
    Unseen,
    NeedsAddress,
}

impl Rules {
    /// Compiles; limits and budgets that have not changed keep what they have counted.
    pub(crate) fn compile(config: &config::Config, before: Option<&Self>) -> Result<Self, Error> {
        let most = config.limits.counters;
        let profiles = config.profiles.iter().map(|profile| Profile::compile(profile, before, most));
        Ok(Self {
            profiles: profiles.collect::<Result<_, _>>()?,
            default_action: config.default_action,
            connect: config.connect.clone(),
        })
    }

    /// Decides. None if it depends on the resolved address, and none is given.
    pub(crate) fn decide(&self, ask: &Ask<'_>, address: Option<IpAddr>) -> Option<Decision> {
        let host = ask.target.host.text();
        for profile in self.profiles.iter().filter(|profile| profile.is_for(ask.caller)) {
            for index in profile.by_host.of(&host) {
                let Some(rule) = profile.rules.get(index) else { continue };
                match rule.matches(ask, address) {
                    Match::Yes => return Some(self.by_rule(rule, ask)),
                    Match::No(_) => {}
                    Match::Unseen => return Some(Decision::deny(Why::Unseen, Some(rule))),
                    Match::NeedsAddress => return None,
                }
            }
        }
        Some(self.by_default(ask))
    }

    /// Whether a tunnel must begin with a ClientHello that names its target.
    pub(crate) fn requires_tls_name(&self, decision: &Decision) -> bool {
        let by_rule = decision.rule.as_ref().and_then(|rule| rule.require_tls_name);
        by_rule.unwrap_or(self.connect.require_tls_name)
    }

    fn by_rule(&self, rule: &Arc<Rule>, ask: &Ask<'_>) -> Decision {
        if rule.action == Action::Deny {
            return Decision::deny(Why::Rule, Some(rule));
        }
        if rule.ports.is_empty() && !self.tunnel_may_lead_to(ask) {
            return Decision::deny(Why::ConnectPort, Some(rule));
        }
        Decision { allowed: true, why: Why::Rule, rule: Some(Arc::clone(rule)) }
    }

    fn by_default(&self, ask: &Ask<'_>) -> Decision {
        if self.default_action == Action::Deny {
            return Decision::deny(Why::Default, None);
        }
        if !self.tunnel_may_lead_to(ask) {
            return Decision::deny(Why::ConnectPort, None);
        }
        Decision { allowed: true, why: Why::Default, rule: None }
    }

    fn tunnel_may_lead_to(&self, ask: &Ask<'_>) -> bool {
        ask.method != Method::CONNECT || holds(&self.connect.ports, ask.target.port)
    }
}

impl Profile {
    fn compile(profile: &config::Profile, before: Option<&Rules>, most: usize) -> Result<Self, Error> {
        let name = &profile.name;
        if profile.principals.is_empty() && profile.groups.is_empty() {
            return Err(malformed(format!("profile {name} is for nobody"))
                .hint("name principals (\"*\" is everyone) or groups"));
        }
        let old = before.and_then(|rules| rules.profiles.iter().find(|old| *old.name == **name));
        let mut by_host = Domains::default();
        let mut rules = Vec::with_capacity(profile.rules.len());
        for (index, rule) in profile.rules.iter().enumerate() {
            by_host.add(index, &rule.domains)?;
            rules.push(Arc::new(Rule::compile(name, rule, old, most)?));
        }
        let groups = profile.groups.iter().cloned().collect();
        Ok(Self {
            name: name.as_str().into(),
            principals: profile.principals.clone(),
            groups,
            rules,
            by_host,
        })
    }

    pub(super) fn is_for(&self, caller: &Caller) -> bool {
        self.principals.iter().any(|glob| matches_glob(glob, &caller.name))
            || caller.groups.iter().any(|group| self.groups.contains(group))
    }
}

impl Rule {
    fn compile(
        profile: &str,
        rule: &config::Rule,
        old: Option<&Profile>,
        most: usize,
    ) -> Result<Self, Error> {
        let name = format!("{profile}/{}", rule.name);
        for window in &rule.windows {
            windows::check(window, &name)?;
        }
        for ports in &rule.ports {
            check_ports(*ports, &name)?;
        }
        let old = old.and_then(|old| old.rules.iter().find(|old| *old.name == *name));
        Ok(Self {
            reason: rule.reason.clone(),
            tunnel: rule.tunnel_ms.map(Duration::from_millis),
            action: rule.action,
            networks: rule.networks.clone(),
            ports: rule.ports.clone(),
            methods: rule.methods.iter().map(|text| method(text, &name)).collect::<Result<_, _>>()?,
            paths: rule.paths.iter().map(Condition::compile).collect::<Result<_, _>>()?,
            windows: rule.windows.clone(),
            require_tls_name: rule.require_tls_name,
            rates: rates(&name, rule, old.map(AsRef::as_ref), most)?,
            budgets: budgets(&name, rule, old.map(AsRef::as_ref), most)?,
            name: name.into(),
        })
    }

    /// Whether all conditions but the domains hold.
    pub(super) fn matches(&self, ask: &Ask<'_>, address: Option<IpAddr>) -> Match {
        if !self.ports.is_empty() && !holds(&self.ports, ask.target.port) {
            return Match::No("ports");
        }
        if !self.windows.is_empty() && !self.windows.iter().any(|window| windows::is_open(window, ask.now)) {
            return Match::No("windows");
        }
        let tunnel = *ask.method == Method::CONNECT;
        let method = self.methods.is_empty() || self.methods.contains(ask.method);
        if !method && !tunnel {
            return Match::No("methods");
        }
        let path = self.path(ask.path);
        if path == Seen::No {
            return Match::No("paths");
        }
        if !self.networks.is_empty() {
            let Some(ip) = address else { return Match::NeedsAddress };
            if !self.networks.iter().any(|network| network.contains(&ip.to_canonical())) {
                return Match::No("networks");
            }
        }
        if method && path == Seen::Yes { Match::Yes } else { Match::Unseen }
    }

    fn path(&self, path: &Path<'_>) -> Seen {
        let mut all = if self.paths.is_empty() { Seen::Yes } else { Seen::No };
        for condition in &self.paths {
            match condition.holds(path) {
                Seen::Yes => return Seen::Yes,
                Seen::Unseen => all = Seen::Unseen,
                Seen::No => {}
            }
        }
        all
    }

    /// Counts one request against every limit, then opens every budget.
    ///
    /// # Errors
    /// The first that is used up.
    pub(crate) fn admit(&self, principal: &str, host: &str, now_ms: u64) -> Result<Spending, Exceeded> {
        for rate in &self.rates {
            rate.take(principal, host, now_ms)?;
        }
        let open = self.budgets.iter().map(|purse| purse.open(principal, host, now_ms));
        Ok(Spending::new(open.collect::<Result<_, _>>()?))
    }
}

fn rates(
    name: &str,
    rule: &config::Rule,
    old: Option<&Rule>,
    most: usize,
) -> Result<Vec<Arc<RateLimit>>, Error> {
    let one = |rate: &config::Rate| {
        let kept = old.and_then(|old| old.rates.iter().find(|old| old.is(name, rate)));
        kept.map_or_else(
            || RateLimit::new(name.into(), rate, most).map(Arc::new),
            |kept| Ok(Arc::clone(kept)),
        )
    };
    rule.rates.iter().map(one).collect()
}

fn budgets(
    name: &str,
    rule: &config::Rule,
    old: Option<&Rule>,
    most: usize,
) -> Result<Vec<Arc<Purse>>, Error> {
    let one = |budget: &config::Budget| {
        let kept = old.and_then(|old| old.budgets.iter().find(|old| old.is(name, budget)));
        kept.map_or_else(|| Purse::new(name.into(), budget, most).map(Arc::new), |kept| Ok(Arc::clone(kept)))
    };
    rule.budgets.iter().map(one).collect()
}

impl Decision {
    /// What is decided where nothing could be.
    pub(crate) const fn none() -> Self {
        Self { allowed: false, why: Why::Default, rule: None }
    }

    fn deny(why: Why, rule: Option<&Arc<Rule>>) -> Self {
        Self { allowed: false, why, rule: rule.map(Arc::clone) }
    }

    /// The rule's name, as logs and errors show it.
    pub(crate) fn name(&self) -> &str {
        self.rule.as_ref().map_or("default", |rule| &rule.name)
    }
}

/// Reads a method.
pub(crate) fn method(text: &str, place: &str) -> Result<Method, Error> {
    let upper = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let read = Method::from_bytes(text.as_bytes()).ok().filter(|_| upper);
    read.ok_or_else(|| {
        malformed(format!("{text:?} in {place} is no method")).hint("write methods in upper case, as GET")
    })
}

/// Refuses a range that holds no port.
pub(crate) fn check_ports(ports: PortRange, place: &str) -> Result<(), Error> {
    if ports.first == 0 || ports.first > ports.last {
        return Err(malformed(format!(
            "the ports {} to {} in {place} are no range",
            ports.first, ports.last
        ))
        .hint("ports are 1 to 65535, the first not above the last"));
    }
    Ok(())
}

/// Whether a port is in one of the ranges.
pub(crate) fn holds(ranges: &[PortRange], port: u16) -> bool {
    ranges.iter().any(|range| (range.first..=range.last).contains(&port))
}
