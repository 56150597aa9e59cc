//! Why a request is not carried, and how its caller is told.

use std::ops::{Deref, DerefMut};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use penstock_domain::{Code, Error, Side};
use penstock_http::{Body, body};

use crate::{
    access::Verdict,
    breakers::Tripped,
    dns::Fault,
    policy::{Decision, Exceeded, Why},
    target::Target,
};

/// A refusal. It is rare and large, so it lives apart.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Reason>);

/// What is behind one.
#[derive(Debug)]
pub(crate) struct Reason {
    pub status: StatusCode,
    pub error: Error,
    pub verdict: Verdict,
    /// The breaker, limit or budget that fired.
    pub fired: Option<String>,
    /// The error type of `Proxy-Status` (RFC 9209 §2.3).
    kind: &'static str,
    fields: Vec<(HeaderName, String)>,
}

impl Deref for Refusal {
    type Target = Reason;

    fn deref(&self) -> &Reason {
        &self.0
    }
}

impl DerefMut for Refusal {
    fn deref_mut(&mut self) -> &mut Reason {
        &mut self.0
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (verdict, kind) = match error.code {
            Code::Malformed => (Verdict::Malformed, "http_request_error"),
            Code::Forbidden | Code::NotFound => (Verdict::Denied, "http_request_denied"),
            Code::TargetDenied => (Verdict::Denied, "destination_ip_prohibited"),
            Code::Unauthenticated => (Verdict::Unauthenticated, "http_request_denied"),
            Code::Limited => (Verdict::Limited, "connection_limit_reached"),
            Code::UpstreamTimeout => (Verdict::Failed, "connection_timeout"),
            Code::UpstreamTls => (Verdict::Failed, "tls_certificate_error"),
            Code::UpstreamUnreachable | Code::Lost => (Verdict::Failed, "destination_unavailable"),
            _ => (Verdict::Failed, "proxy_internal_error"),
        };
        let status = match (error.code, error.side) {
            // It is not the caller who asks for too much.
            (Code::Limited, Side::Gateway) => StatusCode::SERVICE_UNAVAILABLE,
            (code, _) => StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::BAD_GATEWAY),
        };
        Self(Box::new(Reason { status, error, verdict, fired: None, kind, fields: Vec::new() }))
    }
}

impl Refusal {
    /// The caller must say who it is.
    pub(crate) fn unauthenticated(error: Error, realm: &str) -> Self {
        let realm: String =
            realm.chars().filter(|each| each.is_ascii_alphanumeric() || " -_.".contains(*each)).collect();
        let mut refusal = Self::from(error);
        refusal.status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        for scheme in ["Basic", "Bearer"] {
            refusal.fields.push((header::PROXY_AUTHENTICATE, format!("{scheme} realm=\"{realm}\"")));
        }
        refusal
    }

    /// A rule, or the want of one.
    pub(crate) fn denied(decision: &Decision, target: &Target) -> Self {
        let name = decision.name();
        let (what, hint) = match decision.why {
            Why::Rule => (format!("rule {name} denies {target}"), "ask for a rule that allows it"),
            Why::Default => (format!("no rule allows {target}"), "ask for a rule that allows it"),
            Why::Unseen => (
                format!("rule {name} looks at methods or paths, which cannot be seen for {target}"),
                "send the request itself to the proxy (an https:// URL in absolute form), with a plain path",
            ),
            Why::ConnectPort => (
                format!("port {} is not among those to which a tunnel may lead", target.port),
                "add it to connect.ports, or name it in the rule's ports",
            ),
        };
        let reason =
            decision.rule.as_ref().map(|rule| rule.reason.as_str()).filter(|reason| !reason.is_empty());
        let what = reason.map_or_else(|| what.clone(), |reason| format!("{what}: {reason}"));
        Self::from(Error::new(Code::Forbidden, Side::Policy, what).hint(hint))
    }

    /// No address may be dialled.
    pub(crate) fn prohibited(target: &Target, range: &str) -> Self {
        let what = format!("{target} leads only to addresses that may not be dialled ({range})");
        let error = Error::new(Code::TargetDenied, Side::Policy, what);
        Self::from(error.hint("an operator can allow the network under guard.allow"))
    }

    /// A limit or budget.
    pub(crate) fn exceeded(exceeded: &Exceeded) -> Self {
        let error = Error::new(Code::Limited, Side::Policy, exceeded.message.clone());
        let mut refusal = Self::from(error.hint(format!("try again in {} s", exceeded.seconds())));
        refusal.fired = Some(exceeded.name.clone());
        refusal.kind = "http_request_denied";
        refusal.fields = vec![
            (header::RETRY_AFTER, exceeded.seconds().to_string()),
            (HeaderName::from_static("ratelimit"), exceeded.field()),
            (HeaderName::from_static("ratelimit-policy"), exceeded.policy.clone()),
        ];
        refusal
    }

    /// A circuit breaker.
    pub(crate) fn tripped(tripped: Tripped, target: &Target) -> Self {
        let scope = if tripped.overall { "overall" } else { "destination" };
        let name = tripped.resource.name();
        let what = format!("too many {name} to {target} at once: the {scope} circuit breaker is open");
        let error = Error::new(Code::Limited, Side::Gateway, what);
        let error = error.hint(format!("try again, or raise breakers.{scope}"));
        let mut refusal = Self::from(error);
        refusal.fired = Some(format!("breaker {scope} {name}"));
        refusal.fields.push((HeaderName::from_static("x-envoy-overloaded"), "true".into()));
        refusal
    }

    /// Every place for a destination is in use.
    pub(crate) fn crowded(target: &Target) -> Self {
        let what = format!("too many destinations are in use to reach {target}");
        let mut refusal = Self::from(
            Error::new(Code::Limited, Side::Gateway, what).hint("try again, or raise limits.destinations"),
        );
        refusal.fired = Some("limits.destinations".into());
        refusal
    }

    /// We cannot open another socket, whatever the destination.
    pub(crate) fn exhausted() -> Self {
        let error = Error::new(Code::Limited, Side::Gateway, "the proxy has no file descriptor left");
        Self::from(error.hint("try again, or raise its `ulimit -n`"))
    }

    /// A name that has no addresses.
    pub(crate) fn unresolved(target: &Target, fault: &Fault) -> Self {
        let error = |code, why: String| {
            Error::new(code, Side::Upstream, format!("{target} cannot be resolved: {why}"))
        };
        let (error, kind) = match fault {
            Fault::NotFound => {
                let error = error(Code::UpstreamUnreachable, "the name has no address".into());
                (error.hint("check the name, and dns.family"), "dns_error")
            }
            Fault::Timeout => {
                let error = error(Code::UpstreamTimeout, "no name server answered in time".into());
                (error.hint("check the name servers, and dns.query_timeout_ms"), "dns_timeout")
            }
            Fault::Failed(why) => {
                let error = error(Code::UpstreamUnreachable, why.to_string());
                (error.hint("check the name servers"), "dns_error")
            }
            Fault::Overflow => {
                let error = error(Code::Limited, "too many names are being resolved".into());
                (error.hint("try again, or raise dns.max_pending_queries"), "connection_limit_reached")
            }
        };
        let mut refusal = Self::from(error);
        refusal.kind = kind;
        if *fault == Fault::Overflow {
            refusal.status = StatusCode::SERVICE_UNAVAILABLE;
            refusal.fired = Some("dns pending queries".into());
        }
        refusal
    }

    /// The answer: a few words for people, else a problem (RFC 9457).
    pub(crate) fn answer(&self, accept: Option<&HeaderValue>) -> Response<Body> {
        let accept = accept.and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let mut response = if accept.contains("text/") && !accept.contains("json") {
            let hint = self.error.hint.as_deref().unwrap_or_default();
            let text = format!("{}\n\n{}\n{hint}\n", self.error.code.title(), self.error.message);
            body::whole(self.status, "text/plain; charset=utf-8", text.into())
        } else {
            let mut problem = self.error.problem();
            problem.status = self.status.as_u16();
            let json = serde_json::to_vec(&problem).unwrap_or_default();
            body::whole(self.status, "application/problem+json", json.into())
        };
        *response.status_mut() = self.status;
        self.add_fields(response.headers_mut());
        response
    }

    fn add_fields(&self, headers: &mut HeaderMap) {
        let status = format!("penstock; error={}", self.kind);
        let own = (HeaderName::from_static("proxy-status"), status);
        for (name, value) in self.fields.iter().chain([&own]) {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(name.clone(), value);
            }
        }
    }
}
