//! What would happen to a request, and why.

use std::{collections::BTreeMap, net::IpAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use penstock_domain::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    callers::Caller,
    config::{Config, Scheme, malformed},
    guard::Guard,
    meter::now_ms,
    paths::Path,
    policy::{Ask, Rules, Step, Why, method},
    routes::{Act, Look, Routes, To, destination},
    target::Target,
};

/// A question, as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The caller's name.
    #[serde(rename = "as", default = "anonymous")]
    name: String,
    /// Its groups; none: those that the configuration lists for it.
    #[serde(default)]
    groups: Option<Vec<String>>,
    /// `http[s]://HOST[:PORT][/PATH]`, or `HOST:PORT` for a CONNECT.
    url: String,
    /// The method; none: `GET`, or `CONNECT` for `HOST:PORT`.
    #[serde(default)]
    method: Option<String>,
    /// Request headers, at which routes may look.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The JSON body, at which a template may look.
    #[serde(default)]
    body: Value,
    /// The addresses to which the destination resolves; none: unknown.
    #[serde(default)]
    addresses: Option<Vec<IpAddr>>,
    /// Seconds since the epoch; none: now.
    #[serde(default)]
    at: Option<u64>,
}

fn anonymous() -> String {
    "anonymous".into()
}

/// The answer, as JSON.
#[derive(Debug, Serialize)]
struct Explanation {
    /// `allow`, `deny`, or `depends` on the resolved addresses.
    verdict: &'static str,
    /// Why, in a sentence.
    reason: String,
    /// The route; none if none matches.
    route: Option<String>,
    /// The rule that decides; none if none does.
    rule: Option<String>,
    /// The destination; none if the route denies.
    target: Option<String>,
    /// Whether a tunnel must begin with a ClientHello that names it.
    require_tls_name: bool,
    /// Each address, and what becomes of it.
    addresses: Vec<AtAddress>,
    /// Every rule that was looked at, in order.
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct AtAddress {
    address: IpAddr,
    verdict: &'static str,
    reason: String,
}

/// What a request looks like once it is read.
struct Asked {
    method: Method,
    target: Target,
    scheme: Scheme,
    path: String,
    headers: HeaderMap,
}

/// Says what a configuration would do with a request, and which rule decides. The question is a JSON object:
/// `as`, `groups`, `url`, `method`, `headers`, `body`, `addresses`, `at`; only `url` is needed. Nothing is
/// resolved or counted.
///
/// # Errors
/// [`penstock_domain::Code::Malformed`] for a configuration or a question that cannot be read.
pub fn explain(config: &Config, question: &str) -> Result<Value, Error> {
    let question: Question = serde_json::from_str(question)
        .map_err(|error| malformed(format!("the question cannot be read: {error}")))?;
    let explanation = question.explain(config)?;
    serde_json::to_value(explanation).map_err(|error| malformed(error.to_string()))
}

impl Question {
    fn explain(&self, config: &Config) -> Result<Explanation, Error> {
        let (routes, rules) = (Routes::compile(config)?, Rules::compile(config, None)?);
        let asked = self.read()?;
        let tunnel = asked.method == Method::CONNECT;
        let path = if tunnel { Path::Hidden } else { Path::new(&asked.path) };
        let look =
            Look { target: &asked.target, method: &asked.method, path: &path, headers: &asked.headers };
        let route = match routes.of(&look) {
            Ok(route) => route,
            Err(error) => return Ok(Explanation::denied(error.message, None)),
        };
        let forward = match &route.act {
            Act::Deny(reason) => return Ok(Explanation::denied(reason.clone(), Some(&route.name))),
            Act::Forward(forward) => forward,
        };
        if tunnel && !forward.terminate_connect {
            return Ok(Explanation::denied("the route does not terminate CONNECT".into(), Some(&route.name)));
        }
        let target = match &forward.to {
            To::Fixed(target, _) => target.clone(),
            to => match to.text(&asked.headers, &self.body)? {
                Some(text) => destination(&text, asked.scheme)?.0,
                None => asked.target.clone(),
            },
        };
        let caller = self.caller(config);
        let now = self.at.unwrap_or_else(|| now_ms() / 1_000);
        let ask = Ask { caller: &caller, target: &target, method: &asked.method, path: &path, now };
        let guard = (!matches!(forward.to, To::Fixed(..))).then(|| Guard::new(&config.guard));
        let mut explanation = self.judge(&rules, &ask, guard.as_ref());
        explanation.route = Some(route.name.to_string());
        Ok(explanation)
    }

    fn judge(&self, rules: &Rules, ask: &Ask<'_>, guard: Option<&Guard>) -> Explanation {
        let literal = ask.target.host.address();
        let known: Vec<IpAddr> =
            literal.into_iter().chain(self.addresses.iter().flatten().copied()).collect();
        let first = known.first().copied();
        let decision = rules.decide(ask, literal.or(first));
        let addresses: Vec<_> = known.iter().map(|ip| at_address(rules, ask, guard, *ip)).collect();
        let reachable = addresses.is_empty() || addresses.iter().any(|each| each.verdict == "allow");
        let (verdict, reason) = match &decision {
            None => ("depends", "a rule depends on the resolved address".to_owned()),
            Some(_) if !addresses.is_empty() && reachable => ("allow", why(decision.as_ref(), ask.target)),
            Some(decision) if !decision.allowed => ("deny", why(Some(decision), ask.target)),
            Some(_) if !reachable => ("deny", "none of its addresses may be dialled".to_owned()),
            Some(decision) => ("allow", why(Some(decision), ask.target)),
        };
        Explanation {
            verdict,
            reason,
            route: None,
            rule: decision
                .as_ref()
                .and_then(|decision| decision.rule.as_ref())
                .map(|rule| rule.name.to_string()),
            target: Some(ask.target.to_string()),
            require_tls_name: *ask.method == Method::CONNECT
                && decision.as_ref().is_some_and(|decision| rules.requires_tls_name(decision)),
            addresses,
            steps: rules.steps(ask, literal.or(first)),
        }
    }

    fn read(&self) -> Result<Asked, Error> {
        let field = |(name, value): (&String, &String)| -> Option<(HeaderName, HeaderValue)> {
            Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?))
        };
        let headers: Option<HeaderMap> = self.headers.iter().map(field).collect();
        let headers = headers.ok_or_else(|| malformed("a header of the question is no header"))?;
        let Some((scheme, rest)) = self.url.split_once("://") else {
            let method = method(self.method.as_deref().unwrap_or("CONNECT"), "the question")?;
            let target = Target::parse(&self.url, None)?;
            return Ok(Asked { method, target, scheme: Scheme::Http, path: "/".into(), headers });
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (target, scheme) = destination(&format!("{scheme}://{authority}"), Scheme::Http)?;
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let method = method(self.method.as_deref().unwrap_or("GET"), "the question")?;
        Ok(Asked { method, target, scheme, path, headers })
    }

    fn caller(&self, config: &Config) -> Caller {
        let listed = config.callers.list.iter().find(|caller| caller.name == self.name);
        let listed = listed.map(|caller| caller.groups.clone()).unwrap_or_default();
        let groups = self.groups.clone().unwrap_or(listed);
        Caller { name: self.name.as_str().into(), groups: groups.into(), proven: None }
    }
}

impl Explanation {
    fn denied(reason: String, route: Option<&str>) -> Self {
        Self {
            verdict: "deny",
            reason,
            route: route.map(str::to_owned),
            rule: None,
            target: None,
            require_tls_name: false,
            addresses: Vec::new(),
            steps: Vec::new(),
        }
    }
}

fn at_address(rules: &Rules, ask: &Ask<'_>, guard: Option<&Guard>, address: IpAddr) -> AtAddress {
    if let Some(Err(range)) = guard.map(|guard| guard.check(address)) {
        return AtAddress { address, verdict: "deny", reason: format!("the address guard: {range}") };
    }
    let decision = rules.decide(ask, Some(address));
    let allowed = decision.as_ref().is_some_and(|decision| decision.allowed);
    let verdict = if allowed { "allow" } else { "deny" };
    AtAddress { address, verdict, reason: why(decision.as_ref(), ask.target) }
}

fn why(decision: Option<&crate::policy::Decision>, target: &Target) -> String {
    let Some(decision) = decision else { return "it depends on the resolved address".into() };
    let name = decision.name();
    match (decision.why, decision.allowed) {
        (Why::Rule, true) => format!("rule {name} allows it"),
        (Why::Rule, false) => format!("rule {name} denies it"),
        (Why::Default, true) => "no rule matches, and the default allows".into(),
        (Why::Default, false) => "no rule matches, and the default denies".into(),
        (Why::Unseen, _) => format!("rule {name} looks at methods or paths that it cannot see"),
        (Why::ConnectPort, _) => format!("port {} is not in connect.ports", target.port),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(question: &Value) -> Value {
        let config = json!({
            "callers": {"list": [{"name": "ci", "groups": ["builds"]}]},
            "routes": [
                {"name": "off", "match": {"domains": ["off.example"]}, "act": {"kind": "deny", "reason": "gone"}},
                {"name": "to", "match": {"domains": ["to.example"]},
                 "act": {"kind": "forward", "host": {"from": "header", "name": "x-to"}}},
                {"name": "all", "act": {"kind": "forward", "terminate_connect": true}}
            ],
            "profiles": [{"name": "p", "groups": ["builds"], "rules": [
                {"name": "inside", "action": "deny", "domains": ["*.corp"], "networks": ["10.0.0.0/8"]},
                {"name": "corp", "action": "allow", "domains": ["*.corp"]},
                {"name": "git", "action": "allow", "domains": ["git.example"], "require_tls_name": true}
            ]}]
        });
        explain(&Config::parse(&config.to_string()).unwrap(), &question.to_string()).unwrap()
    }

    #[test]
    fn says_which_rule_decides() {
        for (question, verdict, rule, reason) in [
            (json!({"as": "ci", "url": "git.example:443"}), "allow", json!("p/git"), "allows"),
            (json!({"as": "ci", "url": "git.example:22"}), "deny", json!("p/git"), "connect.ports"),
            (json!({"as": "ci", "url": "https://a.corp/x"}), "depends", Value::Null, "address"),
            (
                json!({"as": "ci", "url": "https://a.corp", "addresses": ["10.0.0.1"]}),
                "deny",
                json!("p/inside"),
                "denies",
            ),
            (
                json!({"as": "ci", "url": "https://a.corp", "addresses": ["8.8.8.8"]}),
                "allow",
                json!("p/corp"),
                "allows",
            ),
            (
                json!({"as": "ci", "url": "https://git.example", "addresses": ["127.0.0.1"]}),
                "deny",
                json!("p/git"),
                "dialled",
            ),
            (json!({"url": "https://git.example"}), "deny", Value::Null, "default denies"),
            (json!({"url": "http://off.example/"}), "deny", Value::Null, "gone"),
            (
                json!({"as": "ci", "url": "http://to.example/", "headers": {"X-To": "git.example"}}),
                "allow",
                json!("p/git"),
                "allows",
            ),
        ] {
            let answer = ask(&question);
            assert_eq!(
                (&answer["verdict"], &answer["rule"]),
                (&json!(verdict), &rule),
                "{question}: {answer}"
            );
            assert!(answer["reason"].as_str().unwrap().contains(reason), "{question}: {answer}");
        }
        assert_eq!(ask(&json!({"as": "ci", "url": "git.example:443"}))["require_tls_name"], true);
    }

    #[test]
    fn what_is_no_question_is_refused() {
        let config = Config::parse("{}").unwrap();
        for bad in ["{}", "[]", r#"{"url": "x"}"#, r#"{"url": "http://a", "nope": 1}"#] {
            assert!(explain(&config, bad).is_err(), "{bad}");
        }
    }
}
