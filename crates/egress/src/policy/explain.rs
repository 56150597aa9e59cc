//! Which rule decides, and why the others do not.

use std::net::IpAddr;

use serde::Serialize;

use super::rules::{Ask, Match, Rules};

/// What became of one rule of a profile that applies to the caller.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Step {
    /// `PROFILE/RULE`.
    rule: String,
    /// What it would do.
    action: &'static str,
    /// `matches`, or the condition that does not hold.
    outcome: String,
}

impl Rules {
    /// Every rule up to the one that decides.
    pub(crate) fn steps(&self, ask: &Ask<'_>, address: Option<IpAddr>) -> Vec<Step> {
        let mut steps = Vec::new();
        let host = ask.target.host.text();
        for profile in self.profiles.iter().filter(|profile| profile.is_for(ask.caller)) {
            let speaking = profile.by_host.of(&host);
            for (index, rule) in profile.rules.iter().enumerate() {
                let matched = match speaking.binary_search(&index) {
                    Ok(_) => rule.matches(ask, address),
                    Err(_) => Match::No("domains"),
                };
                let action = if rule.action == crate::config::Action::Allow { "allow" } else { "deny" };
                steps.push(Step { rule: rule.name.to_string(), action, outcome: outcome(matched) });
                if !matches!(matched, Match::No(_)) {
                    return steps;
                }
            }
        }
        steps
    }
}

fn outcome(matched: Match) -> String {
    match matched {
        Match::Yes => "matches".into(),
        Match::No(condition) => format!("does not match: {condition}"),
        Match::Unseen => "looks at what it cannot see, so it denies".into(),
        Match::NeedsAddress => "depends on the resolved address".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Method;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        callers::Caller,
        config::Config,
        paths::Path,
        policy::{Decision, Why},
        target::Target,
    };

    /// Monday 2026-01-05 12:00 UTC.
    const NOON: u64 = 1_767_614_400;

    fn rules(profiles: serde_json::Value) -> Rules {
        let config = json!({ "profiles": profiles });
        Rules::compile(&Config::parse(&config.to_string()).unwrap(), None).unwrap()
    }

    struct World(Rules);

    impl World {
        fn ask<R>(&self, who: &str, method: &str, url: &str, then: impl FnOnce(&Rules, &Ask<'_>) -> R) -> R {
            let (name, group) = who.split_once('@').unwrap_or((who, ""));
            let groups = Arc::new([group.to_owned()]);
            let caller = Caller { name: name.into(), groups, proven: None };
            let (host, path) = url.split_once('/').unwrap_or((url, ""));
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let full = format!("/{path}");
            let path = if method == Method::CONNECT { Path::Hidden } else { Path::new(&full) };
            let target = Target::parse(host, Some(443)).unwrap();
            let ask = Ask { caller: &caller, target: &target, method: &method, path: &path, now: NOON };
            then(&self.0, &ask)
        }

        fn decide(&self, who: &str, method: &str, url: &str, ip: Option<&str>) -> Option<Decision> {
            self.ask(who, method, url, |rules, ask| rules.decide(ask, ip.map(|ip| ip.parse().unwrap())))
        }

        fn verdict(&self, who: &str, method: &str, url: &str) -> (bool, String, Why) {
            let decision = self.decide(who, method, url, None).unwrap();
            (decision.allowed, decision.name().to_owned(), decision.why)
        }
    }

    fn world() -> World {
        World(rules(json!([
            {"name": "ci", "groups": ["ci"], "rules": [
                {"name": "no-deletes", "action": "deny", "domains": ["git.example"], "methods": ["DELETE"]},
                {"name": "git", "action": "allow", "domains": ["git.example", "*.git.example"]},
                {"name": "api", "action": "allow", "domains": ["api.example"], "methods": ["GET"],
                 "paths": [{"prefix": "/v1/"}]},
                {"name": "night", "action": "allow", "domains": ["backup.example"],
                 "windows": [{"from_minute": 0, "to_minute": 60}]},
                {"name": "ssh", "action": "allow", "domains": ["ssh.example"], "ports": [{"first": 22, "last": 22}]}
            ]},
            {"name": "all", "principals": ["*"], "rules": [
                {"name": "inside", "action": "deny", "networks": ["10.0.0.0/8"], "reason": "inside"},
                {"name": "pypi", "action": "allow", "domains": ["pypi.example"]}
            ]}
        ])))
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let world = world();
        for (who, method, url, expected) in [
            ("ann@ci", "GET", "git.example", (true, "ci/git", Why::Rule)),
            ("ann@ci", "DELETE", "git.example", (false, "ci/no-deletes", Why::Rule)),
            ("ann@ci", "CONNECT", "git.example", (false, "ci/no-deletes", Why::Unseen)),
            ("ann@ci", "CONNECT", "x.git.example", (true, "ci/git", Why::Rule)),
            ("ann@ci", "CONNECT", "x.git.example:22", (false, "ci/git", Why::ConnectPort)),
            ("ann@ci", "CONNECT", "ssh.example:22", (true, "ci/ssh", Why::Rule)),
            ("ann@ci", "GET", "api.example/v1/x", (true, "ci/api", Why::Rule)),
            ("ann@ci", "GET", "api.example/v1/../admin", (false, "ci/api", Why::Unseen)),
            ("ann@ci", "CONNECT", "api.example", (false, "ci/api", Why::Unseen)),
        ] {
            let (allowed, name, why) = world.verdict(who, method, url);
            assert_eq!((allowed, name.as_str(), why), expected, "{who} {method} {url}");
        }
    }

    #[test]
    fn what_depends_on_the_address_waits_for_it() {
        let world = world();
        assert!(world.decide("bob", "GET", "pypi.example", None).is_none());
        assert!(world.decide("ann@ci", "GET", "backup.example", None).is_none(), "its window is closed");
        let inside = world.decide("bob", "GET", "pypi.example", Some("10.1.1.1")).unwrap();
        assert_eq!((inside.allowed, inside.name()), (false, "all/inside"));
        let mapped = world.decide("bob", "GET", "pypi.example", Some("::ffff:10.1.1.1")).unwrap();
        assert!(!mapped.allowed);
        let outside = world.decide("bob", "GET", "pypi.example", Some("8.8.8.8")).unwrap();
        assert_eq!((outside.allowed, outside.name()), (true, "all/pypi"));
        let unknown = world.decide("bob", "GET", "else.example", Some("8.8.8.8")).unwrap();
        assert_eq!((unknown.allowed, unknown.why), (false, Why::Default));
    }

    #[test]
    fn steps_say_why() {
        let steps = world().ask("ann@ci", "POST", "api.example/v1/", |rules, ask| rules.steps(ask, None));
        let shown: Vec<_> = steps.iter().map(|step| format!("{}: {}", step.rule, step.outcome)).collect();
        assert_eq!(
            shown,
            [
                "ci/no-deletes: does not match: domains",
                "ci/git: does not match: domains",
                "ci/api: does not match: methods",
                "ci/night: does not match: domains",
                "ci/ssh: does not match: domains",
                "all/inside: depends on the resolved address",
            ]
        );
    }

    #[test]
    fn what_cannot_be_compiled_is_named() {
        for (profile, part) in [
            (json!({"name": "p"}), "profile p is for nobody"),
            (
                json!({"name": "p", "groups": ["g"], "rules": [{"name": "r", "action": "allow", "methods": ["get"]}]}),
                "p/r",
            ),
            (
                json!({"name": "p", "groups": ["g"], "rules": [{"name": "r", "action": "allow",
              "ports": [{"first": 9, "last": 1}]}]}),
                "p/r",
            ),
        ] {
            let config = Config::parse(&json!({"profiles": [profile]}).to_string()).unwrap();
            let error = Rules::compile(&config, None).unwrap_err();
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn limits_keep_their_counts_over_a_change() {
        let config = |requests: u32, more: &str| {
            Config::parse(
                &json!({"profiles": [{"name": "p", "principals": ["*"], "rules": [
                {"name": "r", "action": "allow", "reason": more,
                 "rates": [{"requests": requests, "period_ms": 3_600_000}]}]}]})
                .to_string(),
            )
            .unwrap()
        };
        let first = World(Rules::compile(&config(1, ""), None).unwrap());
        let rule = |world: &World| world.decide("ann", "GET", "a.example", None).unwrap().rule.unwrap();
        assert!(rule(&first).admit("ann", "a.example", 0).is_ok());
        let same = World(Rules::compile(&config(1, "other"), Some(&first.0)).unwrap());
        assert!(rule(&same).admit("ann", "a.example", 0).is_err());
        let other = World(Rules::compile(&config(2, ""), Some(&same.0)).unwrap());
        assert!(rule(&other).admit("ann", "a.example", 0).is_ok());
    }

    proptest! {
        #[test]
        fn the_last_step_is_the_decision(
            who in "(ann@ci|bob|eve@x)", method in "(GET|POST|DELETE|CONNECT)",
            host in "(git|a[.]git|api|backup|pypi|ssh|x)[.]example(:22)?", path in "/(v1/a|v2|v1/[.][.]/x)?",
            ip in proptest::option::of("(10[.]0[.]0[.]1|8[.]8[.]8[.]8)"),
        ) {
            let world = world();
            let url = format!("{host}{path}");
            let decision = world.decide(&who, &method, &url, ip.as_deref());
            let address = ip.as_deref().map(|ip| ip.parse().unwrap());
            let steps = world.ask(&who, &method, &url, |rules, ask| rules.steps(ask, address));
            let last = steps.last().map(|step| (step.rule.as_str(), step.outcome.as_str()));
            match &decision {
                None => prop_assert!(last.unwrap().1.contains("depends")),
                Some(decision) if decision.rule.is_some() => prop_assert_eq!(last.unwrap().0, decision.name()),
                Some(_) => prop_assert!(last.is_none_or(|last| last.1.starts_with("does not"))),
            }
        }
    }
}
