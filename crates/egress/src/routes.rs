//! Routes, compiled: what is done with a request.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use penstock_domain::{Code, Error, Side};
use regex::Regex;
use serde_json::Value;

use crate::{
    config::{self, HostSource, PortRange, Scheme, Version, malformed},
    domains::Domains,
    paths::{Condition, Path, Seen, whole},
    policy::{check_ports, holds, method},
    target::Target,
    template::{Template, header},
};

/// All routes.
#[derive(Debug)]
pub(crate) struct Routes {
    routes: Vec<Arc<Route>>,
    by_host: Domains,
}

/// One route.
#[derive(Debug)]
pub(crate) struct Route {
    /// The name in logs and errors.
    pub name: Arc<str>,
    pub act: Act,
    ports: Vec<PortRange>,
    path: Option<Condition>,
    methods: Vec<Method>,
    headers: Vec<HeaderCondition>,
    connect: Option<bool>,
}

/// What is done.
#[derive(Debug)]
pub(crate) enum Act {
    Forward(Forward),
    Deny(String),
}

/// How a request is forwarded.
#[derive(Debug)]
pub(crate) struct Forward {
    pub to: To,
    pub scheme: Scheme,
    pub version: Version,
    pub terminate_connect: bool,
    pub timeout_ms: Option<u64>,
    pub set_headers: Vec<(HeaderName, HeaderValue)>,
}

/// Where the destination stands.
#[derive(Debug)]
pub(crate) enum To {
    Request,
    Literal(String),
    Header(HeaderName),
    /// And how many bytes of body are read for it.
    Template(Template, usize),
    /// An address that the operator names, and the `Host` that it sees.
    Fixed(Target, Option<HeaderValue>),
}

#[derive(Debug)]
struct HeaderCondition {
    name: HeaderName,
    value: Option<Wanted>,
    invert: bool,
}

#[derive(Debug)]
enum Wanted {
    Exact(String),
    Regex(Regex),
}

/// What a request looks like.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub target: &'a Target,
    pub method: &'a Method,
    pub path: &'a Path<'a>,
    pub headers: &'a HeaderMap,
}

impl Routes {
    pub(crate) fn compile(config: &config::Config) -> Result<Self, Error> {
        let mut by_host = Domains::default();
        let mut routes = Vec::new();
        for (index, route) in config.routes.iter().enumerate() {
            by_host.add(index, &route.when.domains)?;
            routes.push(Arc::new(Route::compile(route)?));
        }
        if routes.is_empty() {
            by_host.add(0, &[])?;
            routes.push(Arc::new(Route::everything()));
        }
        Ok(Self { routes, by_host })
    }

    /// The first route that matches.
    ///
    /// # Errors
    /// [`Code::NotFound`] if none does, [`Code::Malformed`] if it depends on a path that can be read in two
    /// ways.
    pub(crate) fn of(&self, look: &Look<'_>) -> Result<&Arc<Route>, Error> {
        for index in self.by_host.of(&look.target.host.text()) {
            let Some(route) = self.routes.get(index) else { continue };
            match route.matches(look) {
                Seen::Yes => return Ok(route),
                Seen::No => {}
                Seen::Unseen => {
                    let what = format!("route {} depends on a path that can be read in two ways", route.name);
                    return Err(Error::new(Code::Malformed, Side::Client, what)
                        .hint("send it without dot segments, doubled slashes, ; and encoded slashes"));
                }
            }
        }
        let what = format!("no route matches {} {}", look.method, look.target);
        Err(Error::new(Code::NotFound, Side::Policy, what)
            .hint("see the routes of the proxy's configuration"))
    }
}

impl Route {
    fn compile(route: &config::Route) -> Result<Self, Error> {
        let when = &route.when;
        for ports in &when.ports {
            check_ports(*ports, &route.name)?;
        }
        Ok(Self {
            name: route.name.as_str().into(),
            act: Act::compile(&route.act, &route.name)?,
            ports: when.ports.clone(),
            path: when.path.as_ref().map(Condition::compile).transpose()?,
            methods: when.methods.iter().map(|text| method(text, &route.name)).collect::<Result<_, _>>()?,
            headers: when.headers.iter().map(HeaderCondition::compile).collect::<Result<_, _>>()?,
            connect: when.connect,
        })
    }

    fn everything() -> Self {
        let forward = Forward {
            to: To::Request,
            scheme: Scheme::Request,
            version: Version::Auto,
            terminate_connect: true,
            timeout_ms: None,
            set_headers: Vec::new(),
        };
        Self {
            name: "default".into(),
            act: Act::Forward(forward),
            ports: Vec::new(),
            path: None,
            methods: Vec::new(),
            headers: Vec::new(),
            connect: None,
        }
    }

    fn matches(&self, look: &Look<'_>) -> Seen {
        let connect = *look.method == Method::CONNECT;
        let others = (self.ports.is_empty() || holds(&self.ports, look.target.port))
            && (self.methods.is_empty() || self.methods.contains(look.method))
            && self.connect.is_none_or(|wanted| wanted == connect)
            && self.headers.iter().all(|condition| condition.holds(look.headers));
        match &self.path {
            _ if !others => Seen::No,
            None => Seen::Yes,
            Some(_) if connect => Seen::No,
            Some(condition) => condition.holds(look.path),
        }
    }
}

impl Act {
    fn compile(act: &config::Act, route: &str) -> Result<Self, Error> {
        Ok(match act {
            config::Act::Deny { reason } => Self::Deny(reason.clone()),
            config::Act::Forward { host, scheme, version, terminate_connect, timeout_ms, set_headers } => {
                let fields = set_headers.iter().map(|(name, value)| field(name, value, route));
                Self::Forward(Forward {
                    to: To::compile(host, route)?,
                    scheme: *scheme,
                    version: *version,
                    terminate_connect: *terminate_connect,
                    timeout_ms: *timeout_ms,
                    set_headers: fields.collect::<Result<_, _>>()?,
                })
            }
            config::Act::Upstream { url, host, terminate_connect, timeout_ms } => {
                let (target, scheme, version) = fixed(url)?;
                let host = host.as_deref().map(HeaderValue::from_str).transpose();
                let host =
                    host.map_err(|_| malformed(format!("the host of route {route} is no header value")))?;
                Self::Forward(Forward {
                    to: To::Fixed(target, host),
                    scheme,
                    version,
                    terminate_connect: *terminate_connect,
                    timeout_ms: *timeout_ms,
                    set_headers: Vec::new(),
                })
            }
        })
    }
}

impl To {
    fn compile(source: &HostSource, route: &str) -> Result<Self, Error> {
        Ok(match source {
            HostSource::Request => Self::Request,
            HostSource::Literal { value } => {
                destination(value, Scheme::Http)?;
                Self::Literal(value.clone())
            }
            HostSource::Header { name } => Self::Header(header_name(name)?),
            HostSource::Template { template, body_bytes } => {
                let template = Template::parse(template)?;
                if template.needs_body() && body_bytes.is_none() {
                    return Err(malformed(format!(
                        "the template of route {route} names a field of the body"
                    ))
                    .hint("say with body_bytes how much of the body may be read for it"));
                }
                let bytes = if template.needs_body() { body_bytes.unwrap_or_default() } else { 0 };
                Self::Template(template, bytes)
            }
        })
    }

    /// How many bytes of body must be read before the destination is known.
    pub(crate) const fn body_bytes(&self) -> usize {
        match self {
            Self::Template(_, bytes) => *bytes,
            _ => 0,
        }
    }

    /// The destination's text, where it is not the request's own and not fixed.
    pub(crate) fn text(&self, headers: &HeaderMap, body: &Value) -> Result<Option<String>, Error> {
        Ok(match self {
            Self::Request | Self::Fixed(..) => None,
            Self::Literal(value) => Some(value.clone()),
            Self::Header(name) => Some(header(headers, name)?.to_owned()),
            Self::Template(template, _) => Some(template.fill(headers, body)?),
        })
    }
}

/// Reads `HOST`, `HOST:PORT` or `http[s]://HOST[:PORT]`; the scheme, if it names one, is stronger than the
/// given one.
pub(crate) fn destination(text: &str, scheme: Scheme) -> Result<(Target, Scheme), Error> {
    let (scheme, authority) = match text.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(_) => {
            return Err(Error::new(
                Code::Malformed,
                Side::Client,
                format!("the destination {text:?} is refused"),
            )
            .hint("write HOST, HOST:PORT or http[s]://HOST[:PORT]"));
        }
        None => (scheme, text),
    };
    let port = if scheme == Scheme::Https { 443 } else { 80 };
    Ok((Target::parse(authority.strip_suffix('/').unwrap_or(authority), Some(port))?, scheme))
}

fn fixed(url: &str) -> Result<(Target, Scheme, Version), Error> {
    let (scheme, version, rest) = match url.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, Version::Auto, rest),
        Some(("https", rest)) => (Scheme::Https, Version::Auto, rest),
        Some(("h2c", rest)) => (Scheme::Http, Version::Http2, rest),
        _ => {
            return Err(malformed(format!("the upstream {url} has no scheme that is spoken here"))
                .hint("write http://HOST:PORT, https://HOST:PORT or h2c://HOST:PORT"));
        }
    };
    let port = if scheme == Scheme::Https { 443 } else { 80 };
    Ok((Target::parse(rest.strip_suffix('/').unwrap_or(rest), Some(port))?, scheme, version))
}

fn header_name(name: &str) -> Result<HeaderName, Error> {
    name.parse().map_err(|_| malformed(format!("{name:?} is no header name")))
}

/// Fields that are not a route's to set: they are about a hop, or say where the message ends or whom it is
/// for.
const NOT_SET: [&str; 11] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

fn field(name: &str, value: &str, route: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let name = header_name(name)?;
    if NOT_SET.contains(&name.as_str()) {
        return Err(malformed(format!("route {route} sets {name}, which is the proxy's own")));
    }
    let value = HeaderValue::from_str(value)
        .map_err(|_| malformed(format!("the value of {name} in route {route} is no header value")))?;
    Ok((name, value))
}

impl HeaderCondition {
    fn compile(config: &config::HeaderMatch) -> Result<Self, Error> {
        let value = match &config.value {
            Some(value) if config.regex => Some(Wanted::Regex(whole(value)?)),
            Some(value) => Some(Wanted::Exact(value.clone())),
            None => None,
        };
        Ok(Self { name: header_name(&config.name)?, value, invert: config.invert })
    }

    fn holds(&self, headers: &HeaderMap) -> bool {
        let holds = headers.get_all(&self.name).iter().any(|found| match &self.value {
            None => true,
            Some(Wanted::Exact(value)) => found.as_bytes() == value.as_bytes(),
            Some(Wanted::Regex(regex)) => found.to_str().is_ok_and(|found| regex.is_match(found)),
        });
        holds != self.invert
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn routes(routes: Value) -> Result<Routes, Error> {
        Routes::compile(&config::Config::parse(&json!({ "routes": routes }).to_string())?)
    }

    fn find(routes: &Routes, method: &str, url: &str, fields: &[(&str, &str)]) -> Result<String, Code> {
        let (host, path) = url.split_once('/').unwrap_or((url, ""));
        let path = format!("/{path}");
        let fields = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let headers: HeaderMap = fields.collect();
        let (target, _) = destination(host, Scheme::Http).unwrap();
        let method: Method = method.parse().unwrap();
        let path = if method == Method::CONNECT { Path::Hidden } else { Path::new(&path) };
        let look = Look { target: &target, method: &method, path: &path, headers: &headers };
        routes.of(&look).map(|route| route.name.to_string()).map_err(|error| error.code)
    }

    #[test]
    fn the_first_route_that_matches_acts() {
        let routes = routes(json!([
            {"name": "api", "match": {"domains": ["api.example"], "path": {"prefix": "/v1"}, "methods": ["GET"]},
             "act": {"kind": "forward"}},
            {"name": "tenant", "match": {"domains": ["*.example"], "headers": [
                {"name": "x-tenant", "value": "a.*", "regex": true}, {"name": "x-off", "invert": true}]},
             "act": {"kind": "deny", "reason": "no"}},
            {"name": "tunnel", "match": {"connect": true, "ports": [{"first": 443, "last": 443}]},
             "act": {"kind": "forward", "terminate_connect": true}},
            {"name": "rest", "match": {"path": {"prefix": "/"}}, "act": {"kind": "forward"}}
        ]))
        .unwrap();
        let find = |method, url, fields| find(&routes, method, url, fields);
        assert_eq!(find("GET", "api.example/v1/x", &[]).unwrap(), "api");
        assert_eq!(find("POST", "api.example/v1/x", &[]).unwrap(), "rest");
        assert_eq!(find("GET", "api.example/v1/../x", &[]), Err(Code::Malformed));
        assert_eq!(find("GET", "b.example/v1", &[("x-tenant", "acme")]).unwrap(), "tenant");
        assert_eq!(find("GET", "b.example/v1", &[("x-tenant", "acme"), ("x-off", "1")]).unwrap(), "rest");
        assert_eq!(find("GET", "b.example/v1", &[("x-tenant", "bacme")]).unwrap(), "rest");
        assert_eq!(find("CONNECT", "b.test:443", &[]).unwrap(), "tunnel");
        assert_eq!(find("CONNECT", "b.test:444", &[]), Err(Code::NotFound), "a path is not a tunnel's");
    }

    #[test]
    fn without_routes_everything_is_forwarded() {
        let routes = routes(json!([])).unwrap();
        assert_eq!(find(&routes, "CONNECT", "b.test:443", &[]).unwrap(), "default");
        assert_eq!(find(&routes, "GET", "b.test/../x", &[]).unwrap(), "default");
    }

    #[test]
    fn destinations_come_from_where_the_route_says() {
        let text = |host: Value| {
            let act = json!({"kind": "forward", "host": host});
            let routes = routes(json!([{"name": "r", "act": act}])).unwrap();
            let headers: HeaderMap =
                [("x-to".parse().unwrap(), "b.example:81".parse().unwrap())].into_iter().collect();
            let Act::Forward(forward) = &routes.routes[0].act else { panic!("it forwards") };
            forward.to.text(&headers, &json!({"to": "c.example"}))
        };
        assert_eq!(text(json!({"from": "request"})).unwrap(), None);
        assert_eq!(
            text(json!({"from": "literal", "value": "https://a.example"})).unwrap().unwrap(),
            "https://a.example"
        );
        assert_eq!(text(json!({"from": "header", "name": "X-To"})).unwrap().unwrap(), "b.example:81");
        assert!(text(json!({"from": "header", "name": "X-Other"})).is_err());
        let template = json!({"from": "template", "template": "{{ to }}:82", "body_bytes": 1000});
        assert_eq!(text(template).unwrap().unwrap(), "c.example:82");
    }

    #[test]
    fn schemes_and_ports() {
        for (text, scheme, read) in [
            ("a.example", Scheme::Http, "a.example:80"),
            ("a.example", Scheme::Https, "a.example:443"),
            ("https://a.example/", Scheme::Http, "a.example:443"),
            ("http://a.example:8080", Scheme::Https, "a.example:8080"),
        ] {
            assert_eq!(destination(text, scheme).unwrap().0.to_string(), read);
        }
        for bad in ["ftp://a.example", "http://u@a.example", "a.example/x", "http://a.example/x"] {
            assert!(destination(bad, Scheme::Http).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_compiled_is_refused() {
        for (when, act) in [
            (json!({}), json!({"kind": "upstream", "url": "ftp://a"})),
            (json!({}), json!({"kind": "forward", "host": {"from": "template", "template": "{{ to }}"}})),
            (json!({}), json!({"kind": "forward", "host": {"from": "literal", "value": "127.1"}})),
            (json!({}), json!({"kind": "forward", "set_headers": {"Host": "x"}})),
            (json!({"methods": ["get"]}), json!({"kind": "forward"})),
            (json!({"ports": [{"first": 0, "last": 1}]}), json!({"kind": "forward"})),
        ] {
            assert!(routes(json!([{"name": "r", "match": when, "act": act}])).is_err(), "{act}");
        }
    }
}
