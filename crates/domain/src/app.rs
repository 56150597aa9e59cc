//! Published apps, as Python publishes them, and who enters them.

use serde::{Deserialize, Serialize};

/// A published app.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its name.
    pub name: String,
    /// What it is asked by.
    pub routes: Vec<Route>,
    /// The names in the certificates of its workers.
    pub workers: Vec<String>,
    /// Whether callers must prove who they are.
    pub identify: bool,
    /// How a worker is chosen for a request.
    pub selector: Choice,
    /// Seconds until a worker's answer begins.
    pub timeout_seconds: u64,
}

/// A host, and a prefix of the path in whole segments.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// In lower case, without a port; `*.` and a domain takes every host there.
    pub host: String,
    /// Begins with `/`, and ends with none unless it is `/`.
    pub path: String,
}

/// How a worker is chosen for a request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "kebab-case")]
pub enum Choice {
    /// The one with the fewest requests in flight.
    LeastInFlight,
    /// Each in its turn.
    RoundRobin,
    /// The better of two that chance names.
    PowerOfTwo,
    /// The one that this cookie names.
    Cookie(String),
    /// The same one for the same value of this header.
    Header(String),
}

/// A user who may enter an app.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visitor {
    /// Its identifier in the store.
    pub id: String,
    /// Its e-mail address.
    pub name: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// The identifier of the token that proved it; never the token.
    pub token: String,
    /// When the token ends, in seconds since the epoch.
    pub expires_at: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_are_read_as_python_writes_them() {
        let text = r#"[
            {"name": "shop", "routes": [{"host": "a.example", "path": "/x"}], "workers": ["w"], "identify": true,
             "selector": {"kind": "cookie", "name": "worker"}, "timeout_seconds": 7},
            {"name": "wiki", "routes": [], "workers": [], "identify": false,
             "selector": {"kind": "least-in-flight", "name": null}, "timeout_seconds": 60}
        ]"#;
        let apps: Vec<App> = serde_json::from_str(text).unwrap();
        assert_eq!(apps[0].selector, Choice::Cookie("worker".into()));
        assert_eq!(apps[1].selector, Choice::LeastInFlight);
        assert!(serde_json::from_str::<Vec<App>>(&text.replace("identify", "identity")).is_err());
    }
}
