//! Which group serves a request: by its host and the beginning of its path.

use std::sync::Arc;

use penstock_domain::{Code, Error, Side};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::Group;

/// One route, as it is configured.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// `shop.example`, `*.shop.example` for every name below it, or `*` for any and none.
    #[serde(default = "any_host")]
    pub host: String,
    /// A prefix of the path, of whole segments: `/cart` takes `/cart` and `/cart/1`, not `/carts`.
    #[serde(default = "root")]
    pub path: String,
    /// Whose workers serve it.
    pub group: String,
    /// Whether plain CONNECT passes, for any port of the host.
    #[serde(default)]
    pub connect: bool,
}

impl RouteConfig {
    /// Every request is for one group.
    #[must_use]
    pub fn everything(group: &str) -> Self {
        Self { host: any_host(), path: root(), group: group.to_owned(), connect: false }
    }
}

fn any_host() -> String {
    "*".into()
}

fn root() -> String {
    "/".into()
}

/// A route with the workers that serve it.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its workers.
    pub group: Arc<Group>,
    /// Whether plain CONNECT passes.
    pub connect: bool,
    host: Host,
    path: String,
}

/// In the order of precedence.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Host {
    Exact(String),
    /// With its leading dot.
    Below(String),
    Any,
}

impl Host {
    fn parse(host: &str) -> Self {
        match host.to_ascii_lowercase().strip_suffix('.').unwrap_or(&host.to_ascii_lowercase()) {
            "*" => Self::Any,
            host => host
                .strip_prefix('*')
                .map_or_else(|| Self::Exact(host.to_owned()), |suffix| Self::Below(suffix.to_owned())),
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact.eq_ignore_ascii_case(host),
            Self::Below(suffix) => host
                .len()
                .checked_sub(suffix.len())
                .filter(|at| *at > 0)
                .and_then(|at| host.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(suffix)),
        }
    }

    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Exact(host) => (2, host.len()),
            Self::Below(suffix) => (1, suffix.len()),
            Self::Any => (0, 0),
        }
    }
}

impl Route {
    fn matches(&self, host: &str, path: &str) -> bool {
        self.host.matches(host) && is_under(path, &self.path)
    }
}

/// Whether a path is a prefix's or below it.
fn is_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
}

/// All routes, the most specific first: an exact host before a wildcard, a longer wildcard before a shorter one, then
/// the longer path.
#[derive(Debug, Default)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// Orders routes; `group` finds the workers of a name.
    ///
    /// # Errors
    /// [`Code::Malformed`] if a host or a path cannot be one, [`Code::Conflict`] if two are the same.
    pub fn new(configs: &[RouteConfig], group: impl Fn(&str) -> Arc<Group>) -> Result<Self, Error> {
        let mut routes = Vec::with_capacity(configs.len());
        for config in configs {
            check(config)?;
            routes.push(Route {
                group: group(&config.group),
                connect: config.connect,
                host: Host::parse(&config.host),
                path: config.path.clone(),
            });
        }
        routes.sort_by(|a, b| {
            let by_host = b.host.rank().cmp(&a.host.rank()).then_with(|| a.host.cmp(&b.host));
            by_host.then_with(|| b.path.len().cmp(&a.path.len())).then_with(|| a.path.cmp(&b.path))
        });
        let twice = |pair: &[Route]| match pair {
            [a, b] => a.host == b.host && a.path == b.path,
            _ => false,
        };
        if let Some([route, _]) = routes.windows(2).find(|pair| twice(pair)) {
            let what = format!("two routes are for the same host and path {}", route.path);
            return Err(Error::new(Code::Conflict, Side::Gateway, what)
                .hint("remove one, or let them differ by path"));
        }
        Ok(Self(routes))
    }

    /// The route of a request. The path is as it was sent, without the query.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<&Route> {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.0.iter().find(|route| route.matches(host, path))
    }
}

fn check(config: &RouteConfig) -> Result<(), Error> {
    let RouteConfig { host, path, .. } = config;
    let labels = host.strip_prefix("*.").unwrap_or(host);
    let host_is_one = host == "*"
        || (!labels.is_empty()
            && labels.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte)));
    let what = if !host_is_one {
        format!("{host:?} is no host of a route")
    } else if !path.starts_with('/') || path.contains(['?', '#']) || climbs(path) {
        format!("{path:?} is no path of a route")
    } else if config.group.is_empty() {
        format!("the route {host}{path} names no group")
    } else {
        return Ok(());
    };
    Err(Error::new(Code::Malformed, Side::Gateway, what)
        .hint("a route is HOST/PATH=GROUP, for example shop.example/cart=cart or *.example=web"))
}

/// Whether a path has a segment `..`, written out or percent-encoded. What serves it may read another path in it than
/// routes and rules do, so such requests are refused.
#[must_use]
pub fn climbs(path: &str) -> bool {
    if !path.contains("..") && !path.contains('%') {
        return false;
    }
    let decoded = percent_decode_str(path);
    let decoded: Vec<u8> = decoded.collect();
    decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| segment == b"..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Metrics, group::Serving};

    fn route(host: &str, path: &str) -> RouteConfig {
        RouteConfig { host: host.into(), path: path.into(), group: format!("{host}{path}"), connect: false }
    }

    fn routes(configs: &[RouteConfig]) -> Result<Routes, Error> {
        let metrics = Metrics::default();
        Routes::new(configs, |name| Arc::new(Group::new(name, Serving::default(), metrics.group(name))))
    }

    fn found<'a>(routes: &'a Routes, host: &str, path: &str) -> Option<&'a str> {
        routes.find(host, path).map(|route| route.group.name())
    }

    #[test]
    fn the_more_specific_route_wins() {
        let routes = routes(&[
            route("*", "/"),
            route("*.example", "/"),
            route("*.shop.example", "/"),
            route("shop.example", "/"),
            route("shop.example", "/cart"),
            route("shop.example", "/cart/items/"),
            route("only.example", "/api"),
        ])
        .unwrap();
        for (host, path, wanted) in [
            ("shop.example", "/", "shop.example/"),
            ("Shop.Example.", "/cart", "shop.example/cart"),
            ("shop.example", "/cart/items", "shop.example/cart"),
            ("shop.example", "/cart/items/1", "shop.example/cart/items/"),
            ("shop.example", "/carts", "shop.example/"),
            ("a.shop.example", "/cart", "*.shop.example/"),
            ("b.a.shop.example", "/", "*.shop.example/"),
            ("ashop.example", "/", "*.example/"),
            ("only.example", "/other", "*.example/"),
            ("example", "/", "*/"),
            ("", "/", "*/"),
        ] {
            assert_eq!(found(&routes, host, path), Some(wanted), "{host}{path}");
        }
    }

    #[test]
    fn what_no_route_takes_is_found_by_none() {
        let routes = routes(&[route("*.example", "/api")]).unwrap();
        for (host, path) in
            [("example", "/api"), (".example", "/api"), ("a.example", "/"), ("a.example", "/apis")]
        {
            assert_eq!(found(&routes, host, path), None, "{host}{path}");
        }
    }

    #[test]
    fn what_cannot_be_a_route_is_refused() {
        for (host, path) in [
            ("", "/"),
            ("a b", "/"),
            ("a*.example", "/"),
            ("*.", "/"),
            ("a", ""),
            ("a", "api"),
            ("a", "/a?b"),
            ("a", "/../b"),
        ] {
            assert_eq!(routes(&[route(host, path)]).unwrap_err().code, Code::Malformed, "{host:?} {path:?}");
        }
        let twice = [route("a.example", "/x"), route("A.EXAMPLE", "/x")];
        assert_eq!(routes(&twice).unwrap_err().code, Code::Conflict);
    }

    #[test]
    fn climbing_is_seen_through_its_disguises() {
        for path in ["/..", "/a/../b", "/a/%2e%2e/b", "/.%2E", "/a%2f..%2fb", "/a\\..\\b", "/a/..%5cb"] {
            assert!(climbs(path), "{path}");
        }
        for path in ["/", "/a..b", "/...", "/a/..b", "/.", "/%2e", "/a%20b"] {
            assert!(!climbs(path), "{path}");
        }
    }

    fn segments() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]{1,2}", 0..4).prop_map(|segments| format!("/{}", segments.join("/")))
    }

    proptest! {
        #[test]
        fn the_longest_prefix_that_matches_is_found(
            prefixes in prop::collection::hash_set(segments(), 1..8),
            path in segments(),
        ) {
            let configs: Vec<_> = prefixes.iter().map(|prefix| route("a.example", prefix)).collect();
            let routes = routes(&configs).unwrap();
            let takes = |prefix: &&String| {
                **prefix == path || path.starts_with(&format!("{}/", prefix.trim_end_matches('/')))
            };
            let wanted = prefixes.iter().filter(takes).max_by_key(|prefix| prefix.len());
            let wanted = wanted.map(|prefix| format!("a.example{prefix}"));
            prop_assert_eq!(found(&routes, "a.example", &path), wanted.as_deref());
        }

        #[test]
        fn the_order_of_configuration_does_not_matter(
            prefixes in prop::collection::hash_set(segments(), 1..8),
            path in segments(),
        ) {
            let mut configs: Vec<_> = prefixes.iter().map(|prefix| route("*", prefix)).collect();
            let one = routes(&configs).unwrap();
            configs.reverse();
            let other = routes(&configs).unwrap();
            prop_assert_eq!(found(&one, "x", &path), found(&other, "x", &path));
        }

        #[test]
        fn nothing_that_is_sent_breaks_it(host in ".{0,20}", path in ".{0,20}") {
            let routes = routes(&[route("*.example", "/a"), route("b.example", "/")]).unwrap();
            let _route = routes.find(&host, &path);
            let _climbs = climbs(&path);
        }
    }
}
