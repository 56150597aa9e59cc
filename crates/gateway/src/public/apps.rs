//! The published apps, as Python says what they are.

use std::{collections::HashMap, sync::Arc};

use penstock_ingress::{GroupConfig, Pattern, RouteConfig, SelectorConfig, Table};
use serde::Deserialize;

/// A published app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its identifier in the store.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is asked by.
    pub routes: Vec<Route>,
    /// Whether callers must prove who they are.
    pub identify: bool,
    /// How a worker is chosen for a request.
    pub selector: SelectorConfig,
    /// Seconds until a worker's answer begins.
    pub timeout_seconds: u64,
}

/// A host, and a prefix of the path in whole segments.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Without a port; `*.` and a domain takes every host below it.
    pub host: String,
    /// Begins with `/`, and ends with none unless it is `/`.
    pub path: String,
}

/// All apps, by name. Each is the group of its workers.
#[derive(Debug, Default)]
pub(super) struct Apps {
    by_name: HashMap<String, Arc<App>>,
    /// Hosts with an app that identifies its callers, and that app.
    identifying: Vec<(Pattern, Arc<App>)>,
}

impl Apps {
    pub(super) fn new(apps: Vec<App>) -> Self {
        let apps: Vec<_> = apps.into_iter().map(Arc::new).collect();
        let hosts = |app: &Arc<App>| -> Vec<_> {
            app.routes.iter().map(|route| (Pattern::new(&*route.host), Arc::clone(app))).collect()
        };
        Self {
            identifying: apps.iter().filter(|app| app.identify).flat_map(hosts).collect(),
            by_name: apps.into_iter().map(|app| (app.name.clone(), app)).collect(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<App>> {
        self.by_name.get(name)
    }

    /// An app at this host that identifies its callers.
    pub(super) fn identifying(&self, host: &str) -> Option<Arc<App>> {
        let found = self.identifying.iter().find(|(hosts, _)| hosts.matches(host));
        found.map(|(_, app)| Arc::clone(app))
    }

    /// Those that are not among `others`.
    pub(super) fn without(&self, others: &Self) -> Vec<Arc<App>> {
        let gone = |app: &&Arc<App>| others.get(&app.name).is_none_or(|other| other.id != app.id);
        self.by_name.values().filter(gone).map(Arc::clone).collect()
    }

    pub(super) fn table(&self) -> Table {
        let groups = self.by_name.values().map(|app| GroupConfig {
            name: app.name.clone(),
            selector: app.selector.clone(),
            head_seconds: Some(app.timeout_seconds),
        });
        Table {
            routes: self.by_name.values().flat_map(|app| routes(app)).collect(),
            groups: groups.collect(),
        }
    }
}

fn routes(app: &App) -> impl Iterator<Item = RouteConfig> {
    app.routes.iter().map(|route| RouteConfig {
        host: route.host.clone(),
        path: route.path.clone(),
        group: app.name.clone(),
        connect: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apps(ids: [&str; 2]) -> Apps {
        let text = format!(
            r#"[
            {{"id": "{}", "name": "shop", "routes": [{{"host": "a.example", "path": "/x"}}], "identify": true,
             "selector": {{"kind": "cookie", "name": "worker"}}, "timeout_seconds": 7}},
            {{"id": "{}", "name": "wiki", "routes": [{{"host": "*.b.example", "path": "/"}}], "identify": false,
             "selector": {{"kind": "least-in-flight"}}, "timeout_seconds": 60}}
            ]"#,
            ids[0], ids[1]
        );
        Apps::new(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn apps_are_read_as_python_writes_them() {
        let apps = apps(["1", "2"]);
        let table = apps.table();
        let shop = table.groups.iter().find(|group| group.name == "shop").unwrap();
        assert_eq!(shop.selector, SelectorConfig::Cookie { name: "worker".into() });
        assert_eq!(shop.head_seconds, Some(7));
        let wiki = table.routes.iter().find(|route| route.group == "wiki").unwrap();
        assert_eq!((wiki.host.as_str(), wiki.path.as_str(), wiki.connect), ("*.b.example", "/", false));
    }

    #[test]
    fn hosts_have_a_login_where_an_app_asks_for_it() {
        let apps = apps(["1", "2"]);
        assert_eq!(apps.identifying("A.example").unwrap().name, "shop");
        assert!(apps.identifying("x.b.example").is_none());
        assert!(apps.identifying("a.example.evil").is_none());
    }

    #[test]
    fn an_app_that_was_made_anew_is_another() {
        let (before, after) = (apps(["1", "2"]), apps(["1", "3"]));
        let gone = before.without(&after);
        assert_eq!(gone.iter().map(|app| app.name.as_str()).collect::<Vec<_>>(), ["wiki"]);
        assert!(before.without(&apps(["1", "2"])).is_empty());
        assert_eq!(before.without(&Apps::default()).len(), 2);
    }
}
