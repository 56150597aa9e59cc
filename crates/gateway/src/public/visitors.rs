//! Who may enter which app, as it was decided a moment ago.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use penstock_domain::Visitor;
use tokio::sync::watch;

use crate::clock;

/// A decision is made anew after this, whatever is known to have changed.
const FRESH: Duration = Duration::from_secs(60);

/// Tokens that are remembered at the most.
const TOKENS: usize = 65_536;

/// Remembers decisions until the token ends, or until something changes that they were made by.
#[derive(Debug)]
pub(crate) struct Visitors {
    known: Mutex<HashMap<String, Vec<Known>>>,
    /// Counts the changes. A decision that was asked for before a change is not remembered after it.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Known {
    app: String,
    visitor: Arc<Visitor>,
    since: Instant,
}

impl Known {
    fn holds(&self) -> bool {
        self.since.elapsed() < FRESH && clock::seconds() < self.visitor.expires_at
    }
}

impl Default for Visitors {
    fn default() -> Self {
        Self { known: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

impl Visitors {
    /// The bearer of this token, if it may enter this app.
    pub(super) fn get(&self, app: &str, token: &str) -> Option<Arc<Visitor>> {
        let known = self.known();
        let found = known.get(token)?.iter().find(|known| known.app == app && known.holds())?;
        Some(Arc::clone(&found.visitor))
    }

    /// Tells of changes from now on.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Remembers a decision, unless something has changed since `before` began to watch.
    pub(super) fn remember(
        &self,
        before: &watch::Receiver<u64>,
        app: &str,
        token: &str,
        visitor: &Arc<Visitor>,
    ) {
        let mut known = self.known();
        if before.has_changed().unwrap_or(true) {
            return;
        }
        if known.len() >= TOKENS && !known.contains_key(token) {
            known.retain(|_, apps| apps.iter().any(Known::holds));
            if known.len() >= TOKENS {
                known.clear();
            }
        }
        let apps = known.entry(token.to_owned()).or_default();
        apps.retain(|known| known.app != app);
        apps.push(Known { app: app.to_owned(), visitor: Arc::clone(visitor), since: Instant::now() });
    }

    /// Forgets what a revoked token was allowed.
    pub(crate) fn end_token(&self, id: &str) {
        self.change(|known| known.retain(|_, apps| apps.iter().all(|known| known.visitor.token != id)));
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        self.change(HashMap::clear);
    }

    fn change(&self, act: impl FnOnce(&mut HashMap<String, Vec<Known>>)) {
        let mut known = self.known();
        act(&mut known);
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Vec<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(token: &str, expires_at: u64) -> Arc<Visitor> {
        Arc::new(Visitor {
            id: "u1".into(),
            name: "me@example.com".into(),
            groups: Vec::new(),
            token: token.into(),
            expires_at,
        })
    }

    fn remembered(visitors: &Visitors, app: &str, token: &str, visitor: &Arc<Visitor>) {
        visitors.remember(&visitors.changes(), app, token, visitor);
    }

    #[test]
    fn a_decision_is_of_one_token_and_one_app() {
        let visitors = Visitors::default();
        let one = visitor("t1", u64::MAX);
        remembered(&visitors, "shop", "pst_1", &one);
        assert_eq!(visitors.get("shop", "pst_1"), Some(one));
        assert_eq!(visitors.get("wiki", "pst_1"), None);
        assert_eq!(visitors.get("shop", "pst_2"), None);
    }

    #[test]
    fn it_ends_with_its_token_and_no_other() {
        let visitors = Visitors::default();
        remembered(&visitors, "shop", "pst_1", &visitor("t1", u64::MAX));
        remembered(&visitors, "wiki", "pst_1", &visitor("t1", u64::MAX));
        remembered(&visitors, "shop", "pst_2", &visitor("t2", u64::MAX));
        let changes = visitors.changes();
        visitors.end_token("t1");
        assert!(changes.has_changed().unwrap());
        assert_eq!(visitors.get("shop", "pst_1").or(visitors.get("wiki", "pst_1")), None);
        assert!(visitors.get("shop", "pst_2").is_some());
        visitors.forget();
        assert_eq!(visitors.get("shop", "pst_2"), None);
    }

    #[test]
    fn an_expired_token_is_not_believed() {
        let visitors = Visitors::default();
        remembered(&visitors, "shop", "pst_1", &visitor("t1", clock::seconds()));
        assert_eq!(visitors.get("shop", "pst_1"), None);
    }

    #[test]
    fn what_was_asked_before_a_revocation_is_not_remembered_after_it() {
        let visitors = Visitors::default();
        let before = visitors.changes();
        visitors.end_token("t1");
        visitors.remember(&before, "shop", "pst_1", &visitor("t1", u64::MAX));
        assert_eq!(visitors.get("shop", "pst_1"), None);
    }
}
